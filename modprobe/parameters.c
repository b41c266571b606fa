/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modprobe/parameters.h"

#include <errno.h>
#include <string.h>

#include "host/text.h"
#include "modprobe/json.h"

/* Not all kernels and architectures have each: hpage and kvm's own nested are s390x's. */
static const struct parameter {
	const char *module, *name;
} parameters[] = {
	{"kvm", "halt_poll_ns"},      {"kvm", "hpage"},        {"kvm", "nested"},
	{"kvm_amd", "nested"},        {"kvm_amd", "npt"},      {"kvm_hv", "nested"},
	{"kvm_intel", "ept"},         {"kvm_intel", "nested"}, {"kvm_intel", "unrestricted_guest"},
	{"vhost", "max_mem_regions"},
};

/* Returns 0, -ENOENT when there is no such parameter, or -errno with *ret_path. */
static int read_value(const struct host_root *root, const struct parameter *parameter, char *value,
		      size_t size, char **ret_path)
{
	cleanup_free char *path = text_format("/sys/module/%s/parameters/%s", parameter->module,
					      parameter->name);
	ssize_t length = path ? host_read(root, path, value, size) : -ENOMEM;

	if (length >= 0) {
		value[strcspn(value, "\n")] = '\0';
		return 0;
	}
	if (length != -ENOENT)
		*ret_path = take_ptr(path);
	return (int)length;
}

static int add_value(struct json_object *list, const struct parameter *parameter, const char *value)
{
	cleanup_json struct json_object *object = json_object_new_object();
	int r = object ? 0 : -ENOMEM;

	if (r == 0)
		r = json_put_text(object, "module", parameter->module);
	if (r == 0)
		r = json_put_text(object, "parameter", parameter->name);
	if (r == 0)
		r = json_put_text(object, "value", value);
	return r == 0 ? json_put(list, NULL, json_object_get(object)) : r;
}

static int print_value(const struct parameter *parameter, const char *value)
{
	cleanup_free char *clean = text_clean(value);

	if (!clean)
		return -ENOMEM;
	printf("%s.%s=%s\n", parameter->module, parameter->name, clean);
	return 0;
}

int parameters_print(const struct host_root *root, bool json, char **ret_path)
{
	cleanup_json struct json_object *object = json_object_new_object();
	cleanup_json struct json_object *list = json_object_new_array();
	int count = 0, r = object && list ? 0 : -ENOMEM;
	size_t i;

	*ret_path = NULL;
	for (i = 0; r == 0 && i < array_size(parameters); i++) {
		char value[256];

		r = read_value(root, &parameters[i], value, sizeof(value), ret_path);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		if (r == 0)
			r = json ? add_value(list, &parameters[i], value)
				 : print_value(&parameters[i], value);
		count++;
	}
	if (r == 0 && json)
		r = json_put(object, "parameters", json_object_get(list));
	if (r == 0 && json)
		r = json_print(object);
	return r < 0 ? r : count;
}
