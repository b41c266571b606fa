/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/tracepoint_event.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "host/cpu.h"
#include "host/kernel.h"
#include "host/mounts.h"
#include "host/text.h"

#define FORMAT_LIMIT (256 * 1024) /* bytes; kvm_exit's is about 8 KiB */

static int add_event(struct tracepoint_events *events, const char *group, const char *name)
{
	struct tracepoint_event *grown = reallocarray(events->list, events->count + 1,
						      sizeof(*grown));
	struct tracepoint_event *event;

	if (!grown)
		return -ENOMEM;
	events->list = grown;
	event = &grown[events->count];
	*event = (struct tracepoint_event){.group = strdup(group), .name = strdup(name)};
	if (!event->group || !event->name) {
		free(event->group);
		free(event->name);
		return -ENOMEM;
	}
	events->count++;
	return 0;
}

static bool is_directory(const struct dirent *entry)
{
	return (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
	       text_is_field_name(entry->d_name);
}

static int list_group(struct tracepoint_events *events, const char *group)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r = host_opendir_at(events->fd, group, &dir);

	if (r < 0)
		return r;
	while ((r = host_readdir(dir, &entry)) > 0) {
		if (is_directory(entry))
			r = add_event(events, group, entry->d_name);
		if (r < 0)
			break;
	}
	return r;
}

/* Architectures put some of their events into groups of their own: kvmmmu, kvm_hv, kvm-s390. */
static int list_events(struct tracepoint_events *events)
{
	cleanup_closedir DIR *dir = NULL;
	struct dirent *entry;
	int r = list_group(events, "kvm");

	if (r < 0)
		return r;
	r = host_opendir_at(events->fd, ".", &dir);
	if (r < 0)
		return r;
	while ((r = host_readdir(dir, &entry)) > 0) {
		if (is_directory(entry) && strncmp(entry->d_name, "kvm", 3) == 0 &&
		    strcmp(entry->d_name, "kvm"))
			r = list_group(events, entry->d_name);
		if (r < 0)
			break;
	}
	if (r < 0)
		return r;
	return events->count ? 0 : -ENOENT;
}

/* The ISA whose module runs guests here; unknown with neither, as with PVM or pKVM. */
static enum exit_isa host_isa(const struct host_root *root)
{
	bool intel = kernel_has_module(root, "kvm_intel");
	bool amd = kernel_has_module(root, "kvm_amd");

	if (intel == amd) {
		intel = cpu_has_flag(root, "vmx");
		amd = cpu_has_flag(root, "svm");
	}
	if (intel == amd)
		return EXIT_ISA_UNKNOWN;
	return intel ? EXIT_ISA_VMX : EXIT_ISA_SVM;
}

int tracepoint_events_open(const struct host_root *root, struct tracepoint_events *ret_events,
			   bool *ret_found)
{
	*ret_events = (struct tracepoint_events){.isa = host_isa(root)};
	ret_events->fd = mounts_open_tracefs(root, "events", NULL);
	*ret_found = ret_events->fd >= 0;
	return ret_events->fd < 0 ? ret_events->fd : list_events(ret_events);
}

void tracepoint_events_done(struct tracepoint_events *events)
{
	size_t i;

	for (i = 0; i < events->count; i++) {
		free(events->list[i].group);
		free(events->list[i].name);
		event_format_free(events->list[i].format);
		exit_reasons_free(events->list[i].reasons);
	}
	free(events->list);
	if (events->fd >= 0)
		close(events->fd);
	*events = (struct tracepoint_events){.fd = -1};
}

/* Opens the directory of an event. */
static int open_event(const struct tracepoint_events *events, const struct tracepoint_event *event)
{
	cleanup_free char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/%s", event->group, event->name) < 0)
		return -ENOMEM;
	fd = openat(events->fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int tracepoint_event_id(const struct tracepoint_events *events,
			const struct tracepoint_event *event, uint64_t *ret_id)
{
	cleanup_close int dir = open_event(events, event);

	return dir < 0 ? dir : host_read_u64_at(dir, "id", ret_id);
}

int tracepoint_event_format(const struct tracepoint_events *events, struct tracepoint_event *event)
{
	cleanup_close int dir = -1;
	cleanup_free char *text = NULL;
	ssize_t length;
	int r;

	if (event->format)
		return 0;
	dir = open_event(events, event);
	if (dir < 0)
		return dir;
	length = host_read_alloc(dir, "format", FORMAT_LIMIT, &text);
	if (length < 0)
		return (int)length;
	r = event_format_parse(text, (size_t)length, event->group, &event->format);
	return r == -EBADMSG ? 0 : r;
}

static struct tracepoint_event *find_event(const struct tracepoint_events *events, const char *name)
{
	size_t i;

	for (i = 0; i < events->count; i++) {
		if (strcmp(events->list[i].name, name) == 0)
			return &events->list[i];
	}
	return NULL;
}

int tracepoint_event_reasons(struct tracepoint_events *events, struct tracepoint_event *event)
{
	struct tracepoint_event *exit_event = find_event(events, "kvm_exit");
	int r;

	if (event->parsed || !exit_reasons_apply(event->name))
		return 0;
	event->parsed = true;
	/* Only SEV-ES guests make these, on SVM: elsewhere they would be rows for nothing. */
	if (strncmp(event->name, "kvm_vmgexit", 11) == 0 && events->isa != EXIT_ISA_SVM)
		return 0;
	r = tracepoint_event_format(events, event);
	if (r == 0 && exit_event)
		r = tracepoint_event_format(events, exit_event);
	if (r < 0 || !event->format)
		return r;
	r = exit_reasons_build(event->name, event->format, events->isa,
			       exit_event ? exit_event->format : NULL, &event->reasons);
	return r == -ENOENT ? 0 : r;
}

static bool wants_some_number(const struct tracepoint_event *event,
			      const struct selection *selection)
{
	cleanup_free char *start = text_format("%s(", event->name);

	if (!start)
		return false;
	if (selection->only)
		return strncmp(selection->only, start, strlen(start)) == 0 &&
		       strncmp(selection->only + strlen(start), "0x", 2) == 0;
	return field_filter_match_some_number(selection->filter, start);
}

bool tracepoint_event_may_bring(const struct tracepoint_event *event,
				const struct selection *selection)
{
	unsigned int bit;

	if (!event->reasons || selection->fixed_rows)
		return false;
	if (wants_some_number(event, selection))
		return true;
	for (bit = 0; bit < 64; bit++) {
		uint64_t flag = UINT64_C(1) << bit;
		const char *known = exit_reasons_flag_name(event->reasons, flag);
		cleanup_free char *name = known ? text_format("%s(%s)", event->name, known)
						: text_format("%s(FLAG_0x%llx)", event->name,
							      (unsigned long long)flag);

		if (name && selection_wants(selection, name))
			return true;
	}
	return false;
}
