/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of the kernel: what is taken is one of the kinds, with numbers in their ranges. */
#include "tests/fuzz/fuzz.h"

#include "host/kvm_uevent.h"

/* The lines of the input are the properties; "-" is one that is not there. */
static const char *next_property(char **rest)
{
	const char *line = *rest ? strsep(rest, "\n") : NULL;

	return line && strcmp(line, "-") != 0 ? line : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), *rest = text;
	struct kvm_uevent_properties properties;
	struct kvm_uevent event = {.kind = KVM_UEVENT_DEVICE_REMOVED, .tid = -7, .count = -7};

	properties.sysname = next_property(&rest);
	properties.action = next_property(&rest);
	properties.event = next_property(&rest);
	properties.pid = next_property(&rest);
	properties.count = next_property(&rest);
	if (kvm_uevent_interpret(&properties, &event)) {
		promise(strcmp(properties.sysname, "kvm") == 0);
		promise(event.kind <= KVM_UEVENT_DEVICE_REMOVED);
		promise(event.tid >= 0 && event.count >= -1);
		promise(event.tid == 0 || properties.pid);
		promise(event.count == -1 || properties.count);
	} else {
		promise(event.tid == -7 && event.count == -7);
	}
	free(text);
	return 0;
}
