/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "units/lint_rules.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "host/text.h"
#include "units/lint_systemd.h"

static bool is_type(const struct lint_unit *unit, const char *type)
{
	return strcmp(unit->type, type) == 0;
}

/* Whether one of both starts the other: then systemd itself orders them. */
static bool starts(const struct lint_unit *unit, const char *name)
{
	return unit && unit->activates && strcmp(unit->activates, name) == 0;
}

/* A service and its socket, in or out of the set, before it is said otherwise. */
static bool is_own_socket(const struct lint_unit *unit, const char *name)
{
	size_t length = (size_t)(unit->type - unit->name);

	return is_type(unit, "service") && strncmp(unit->name, name, length) == 0 &&
	       strcmp(name + length, "socket") == 0;
}

/* What default dependencies do for units of a type, or for all: systemd adds `key` = `name`. */
static const struct {
	const char *type, *key, *name; /* no type: services, sockets, timers, paths */
} inferred[] = {
	{NULL, "Requires", "sysinit.target"},    {NULL, "After", "sysinit.target"},
	{NULL, "Conflicts", "shutdown.target"},  {NULL, "Before", "shutdown.target"},
	{"service", "After", "basic.target"},    {"socket", "Before", "sockets.target"},
	{"timer", "Before", "timers.target"},    {"path", "Before", "paths.target"},
	{"target", "Before", "shutdown.target"}, {"target", "Conflicts", "shutdown.target"},
	{"slice", "Before", "shutdown.target"},  {"slice", "Conflicts", "shutdown.target"},
};

/* Whether systemd adds to the unit what row `i` says. */
static bool is_inferred(const struct lint_unit *unit, size_t i)
{
	static const char *const common[] = {"service", "socket", "timer", "path"};
	size_t j;

	if (!unit->default_dependencies)
		return false;
	if (inferred[i].type)
		return is_type(unit, inferred[i].type);
	for (j = 0; j < array_size(common); j++) {
		if (is_type(unit, common[j]))
			return true;
	}
	return false;
}

static bool is_default(const struct lint_unit *unit, const char *key, const char *name)
{
	size_t i;

	for (i = 0; i < array_size(inferred); i++) {
		if (is_inferred(unit, i) && strcmp(inferred[i].key, key) == 0 &&
		    strcmp(inferred[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Whether the order of both is settled, whichever comes first. */
static bool is_ordered(const struct lint_set *set, const struct lint_unit *unit, const char *name)
{
	const struct lint_unit *other = lint_set_find(set, name);

	if (lint_has(unit, "After", name) || lint_has(unit, "Before", name) ||
	    is_default(unit, "After", name) || is_default(unit, "Before", name) ||
	    lint_has(unit, "Sockets", name) || starts(unit, name) || is_own_socket(unit, name))
		return true;
	return other &&
	       (lint_has(other, "After", unit->name) || lint_has(other, "Before", unit->name) ||
		starts(other, unit->name) || lint_has(other, "Sockets", unit->name));
}

/* Names with specifiers that are left are known only where the unit runs. */
static bool is_known_text(const char *name)
{
	return !strchr(name, '%');
}

static bool conflict(const struct lint_unit *a, const struct lint_unit *b)
{
	return lint_has(a, "Conflicts", b->name) || lint_has(b, "Conflicts", a->name);
}

/* Where the units with this address begin in the set's sorted list. */
static size_t first_address(const struct lint_set *set, const struct lint_address *address)
{
	size_t low = 0, high = set->address_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct lint_address *other = set->addresses[middle];
		int order = strcmp(other->space, address->space);

		if (!order)
			order = strcmp(other->path, address->path);
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The first unit before `unit` that has the same address and does not conflict with it. */
static const struct lint_unit *find_clash(const struct lint_set *set, const struct lint_unit *unit,
					  const struct lint_address *address)
{
	size_t i;

	for (i = first_address(set, address); i < set->address_count; i++) {
		const struct lint_address *other = set->addresses[i];

		if (other->unit == unit || strcmp(other->space, address->space) != 0 ||
		    strcmp(other->path, address->path) != 0)
			break;
		if (!conflict(unit, other->unit))
			return other->unit;
	}
	return NULL;
}

static int check_same_path(struct lint *lint, const struct lint_unit *unit)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < unit->address_count; i++) {
		const struct lint_address *address = &unit->addresses[i];
		const struct lint_unit *other = find_clash(lint->set, unit, address);

		if (other)
			r = lint_report(lint, unit, address->line,
					"%s=%s is also of %s, and neither has Conflicts= of the "
					"other",
					address->kind, address->path, other->name);
	}
	return r;
}

static int check_conflicts_order(struct lint *lint, const struct lint_unit *unit)
{
	size_t count, i;
	const struct lint_name *names = lint_names(unit, "Conflicts", &count);
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		const char *name = names[i].name;

		/* Of two targets neither has processes that could meet the other's. */
		if (is_type(unit, "target") && text_ends_with(name, ".target"))
			continue;
		if (is_known_text(name) && !is_ordered(lint->set, unit, name))
			r = lint_report(lint, unit, names[i].line,
					"Conflicts=%s without After= of it: it need not have "
					"stopped when this starts",
					name);
	}
	return r;
}

/* Without the end that tells the type. */
static int stem_length(const struct lint_unit *unit)
{
	return (int)(unit->type - unit->name) - 1;
}

/* What the socket of one service is called in another: daemon-ro.socket, other-ro.socket. */
static int find_twin(const struct lint_set *set, const struct lint_unit *socket,
		     const struct lint_unit *service, const struct lint_unit *other,
		     const struct lint_unit **ret_twin)
{
	cleanup_free char *name = NULL;
	int length = stem_length(service);

	*ret_twin = NULL;
	if (strncmp(socket->name, service->name, (size_t)length) != 0)
		return 0;
	name = text_format("%.*s%s", stem_length(other), other->name, socket->name + length);
	if (!name)
		return -ENOMEM;
	*ret_twin = lint_set_find(set, name);
	return 0;
}

/* A socket whose service conflicts with another has to conflict with that one's of its kind. */
static int check_twins_of_socket(struct lint *lint, const struct lint_unit *socket,
				 const struct lint_unit *service)
{
	size_t count, i;
	const struct lint_name *names = lint_names(service, "Conflicts", &count);
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		const struct lint_unit *other = lint_set_find(lint->set, names[i].name), *twin;

		if (!other || !is_type(other, "service"))
			continue;
		r = find_twin(lint->set, socket, service, other, &twin);
		if (r == 0 && twin && !conflict(socket, twin))
			r = lint_report(lint, socket, lint_section_line(socket, "Unit"),
					"no Conflicts=%s, but %s conflicts with %s: what this "
					"starts stops the other, whose socket stays",
					twin->name, service->name, other->name);
	}
	return r;
}

/* The service that a socket of `service` excludes while `service` itself does not; or NULL. */
static const struct lint_unit *find_other_service(const struct lint_set *set,
						  const struct lint_unit *socket,
						  const struct lint_unit *service)
{
	size_t count, i;
	const struct lint_name *names = lint_names(socket, "Conflicts", &count);

	for (i = 0; i < count; i++) {
		const struct lint_unit *twin = lint_set_find(set, names[i].name);
		const struct lint_unit *other = twin && is_type(twin, "socket") && twin->activates
							? lint_set_find(set, twin->activates)
							: NULL;

		if (other && other != service && !conflict(service, other))
			return other;
	}
	return NULL;
}

static int check_conflicts_twin(struct lint *lint, const struct lint_unit *unit)
{
	const struct lint_unit *service;
	size_t i;

	if (is_type(unit, "socket") && unit->activates) {
		service = lint_set_find(lint->set, unit->activates);
		return service ? check_twins_of_socket(lint, unit, service) : 0;
	}
	for (i = 0; is_type(unit, "service") && i < lint->set->count; i++) {
		const struct lint_unit *socket = lint->set->units[i], *other = NULL;

		if (is_type(socket, "socket") && starts(socket, unit->name))
			other = find_other_service(lint->set, socket, unit);
		if (other)
			return lint_report(lint, unit, lint_section_line(unit, "Unit"),
					   "no Conflicts=%s, but %s conflicts with a socket of "
					   "it: both can run at once",
					   other->name, socket->name);
	}
	return 0;
}

static int check_remove_on_stop(struct lint *lint, const struct lint_unit *unit)
{
	size_t i;

	for (i = 0; is_type(unit, "socket") && i < unit->address_count; i++) {
		const struct lint_address *address = &unit->addresses[i];

		if (*address->path != '/')
			continue;
		if (lint_is_true(unit, "Socket", "RemoveOnStop", false))
			return 0;
		return lint_report(lint, unit, address->line,
				   "%s=%s without RemoveOnStop=yes: the file stays, and clients "
				   "take it for a service that does not answer",
				   address->kind, address->path);
	}
	return 0;
}

/* By convention; such a socket opens a port, and is enabled and disabled by itself. */
static bool is_remote(const char *name)
{
	return text_ends_with(name, "-tls.socket") || text_ends_with(name, "-tcp.socket");
}

static int check_also_remote(struct lint *lint, const struct lint_unit *unit)
{
	size_t count, i;
	const struct lint_name *names = lint_names(unit, "Also", &count);
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		if (is_remote(names[i].name))
			r = lint_report(lint, unit, names[i].line,
					"Also=%s opens a port to the network when this is enabled",
					names[i].name);
	}
	return r;
}

/* Whether enabling the unit does anything. */
static bool can_be_enabled(const struct lint_unit *unit)
{
	size_t count;

	return lint_names(unit, "WantedBy", &count) || lint_names(unit, "RequiredBy", &count) ||
	       lint_names(unit, "Also", &count);
}

/* Whether it is a socket of the service that is local and can be enabled. */
static bool is_local_socket(const struct lint_unit *unit, const struct lint_unit *service)
{
	return is_type(unit, "socket") && unit->address_count > 0 && can_be_enabled(unit) &&
	       starts(unit, service->name);
}

static bool is_among(const struct lint_unit *const *units, size_t count,
		     const struct lint_unit *unit)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (units[i] == unit)
			return true;
	}
	return false;
}

/* All that enabling the unit enables, by Also= of any of them, into `units`, which has room. */
static size_t find_also(const struct lint_set *set, const struct lint_unit *unit,
			const struct lint_unit **units)
{
	size_t count = 0, done, names, i;

	units[count++] = unit;
	for (done = 0; done < count; done++) {
		const struct lint_name *also = lint_names(units[done], "Also", &names);

		for (i = 0; i < names; i++) {
			const struct lint_unit *other = lint_set_find(set, also[i].name);

			if (other && !is_among(units, count, other))
				units[count++] = other;
		}
	}
	return count;
}

static int report_also_local(struct lint *lint, const struct lint_unit *unit,
			     const struct lint_unit *service, const struct lint_unit **also)
{
	size_t count = find_also(lint->set, unit, also), i;
	int r = 0;

	for (i = 0; r == 0 && i < lint->set->count; i++) {
		const struct lint_unit *socket = lint->set->units[i];

		if (is_local_socket(socket, service) && !is_among(also, count, socket))
			r = lint_report(lint, unit, lint_section_line(unit, "Install"),
					"no Also=%s, by itself or what it names: enabling this "
					"does not enable this socket of %s",
					socket->name, service->name);
	}
	return r;
}

static int check_also_local(struct lint *lint, const struct lint_unit *unit)
{
	cleanup_free const struct lint_unit **also = NULL;
	const struct lint_unit *service = unit;

	if (is_type(unit, "socket") && unit->activates)
		service = lint_set_find(lint->set, unit->activates);
	if (!service || !is_type(service, "service") || !can_be_enabled(unit) ||
	    (unit != service && (!is_local_socket(unit, service) || is_remote(unit->name))))
		return 0;
	also = calloc(lint->set->count, sizeof(*also));
	return also ? report_also_local(lint, unit, service, also) : -ENOMEM;
}

/* Whether the unit is there: in the set, as a unit of systemd, or as said on the command line. */
static bool is_there(const struct lint_set *set, const char *name)
{
	size_t i;

	if (lint_set_find(set, name) || lint_is_of_systemd(name))
		return true;
	for (i = 0; i < set->external_count; i++) {
		if (fnmatch(set->external[i], name, 0) == 0)
			return true;
	}
	return false;
}

static int check_names(struct lint *lint, const struct lint_unit *unit, const char *key)
{
	size_t count, i;
	const struct lint_name *names = lint_names(unit, key, &count);
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		const char *name = names[i].name;

		if (is_known_text(name) && !is_there(lint->set, name))
			r = lint_report(lint, unit, names[i].line, "%s=%s is not in the set", key,
					name);
	}
	return r;
}

/* What a socket, timer or path starts without naming it. */
static int check_activated(struct lint *lint, const struct lint_unit *unit)
{
	static const char *const sections[] = {"Socket", "Timer", "Path"};
	const struct unit_line *line = NULL;
	size_t count, i;

	if (!unit->activates || lint_names(unit, "Service", &count) ||
	    lint_names(unit, "Unit", &count) || is_there(lint->set, unit->activates))
		return 0;
	for (i = 0; !line && i < array_size(sections); i++)
		line = lint_section_line(unit, sections[i]);
	return lint_report(lint, unit, line, "%s, which this activates, is not in the set",
			   unit->activates);
}

static int check_missing_unit(struct lint *lint, const struct lint_unit *unit)
{
	/* Not those of order and conflicts, which often are about what may be absent. */
	static const char *const keys[] = {"Also",    "BindsTo",    "OnFailure", "OnSuccess",
					   "PartOf",  "RequiredBy", "Requires",  "Requisite",
					   "Service", "Sockets",    "Unit",      "UpheldBy",
					   "Upholds", "WantedBy",   "Wants"};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < array_size(keys); i++)
		r = check_names(lint, unit, keys[i]);
	return r == 0 ? check_activated(lint, unit) : r;
}

static int check_requires_order_of(struct lint *lint, const struct lint_unit *unit, const char *key)
{
	size_t count, i;
	const struct lint_name *names = lint_names(unit, key, &count);
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		if (is_known_text(names[i].name) && !is_ordered(lint->set, unit, names[i].name))
			r = lint_report(lint, unit, names[i].line,
					"%s=%s without After= of it: both start at once", key,
					names[i].name);
	}
	return r;
}

static int check_requires_order(struct lint *lint, const struct lint_unit *unit)
{
	int r;

	/* Targets come after what they want by themselves. */
	if (is_type(unit, "target") && unit->default_dependencies)
		return 0;
	r = check_requires_order_of(lint, unit, "BindsTo");
	if (r == 0)
		r = check_requires_order_of(lint, unit, "Requires");
	return r == 0 ? check_requires_order_of(lint, unit, "Requisite") : r;
}

/* Reports `key` = `name` when the unit has it. */
static int report_inferred(struct lint *lint, const struct lint_unit *unit, const char *key,
			   const char *name)
{
	size_t count, i;
	const struct lint_name *names = lint_names(unit, key, &count);

	for (i = 0; i < count; i++) {
		if (strcmp(names[i].name, name) == 0)
			return lint_report(lint, unit, names[i].line,
					   "%s=%s is what systemd infers itself", key, name);
	}
	return 0;
}

/* Whether the service is of Type=dbus, which is so too when it has a BusName= and no Type=. */
static bool is_of_dbus(const struct lint_unit *unit)
{
	const struct assignment *type = lint_setting(unit, "Service", "Type");

	return type && *type->value ? strcmp(type->value, "dbus") == 0
				    : lint_setting(unit, "Service", "BusName") != NULL;
}

static int check_inferred(struct lint *lint, const struct lint_unit *unit)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < array_size(inferred); i++) {
		if (is_inferred(unit, i))
			r = report_inferred(lint, unit, inferred[i].key, inferred[i].name);
	}
	/* A socket, timer or path comes before what it starts, whatever the default dependencies. */
	if (r == 0 && unit->activates)
		r = report_inferred(lint, unit, "Before", unit->activates);
	if (r == 0 && is_of_dbus(unit)) {
		r = report_inferred(lint, unit, "After", "dbus.socket");
		if (r == 0)
			r = report_inferred(lint, unit, "Requires", "dbus.socket");
	}
	return r;
}

static int check_syntax(struct lint *lint, const struct lint_unit *unit)
{
	size_t i, j;
	int r = 0;

	for (i = 0; i < unit->unit.section_count; i++) {
		const struct unit_section *section = &unit->unit.sections[i];
		const struct assignments *assignments = &unit->assignments[i];

		/* What is in X-... is for others to read. */
		if (strncmp(section->name, "X-", 2) == 0)
			continue;
		for (j = 0; r == 0 && j < assignments->count; j++) {
			const struct assignment *assignment = &assignments->items[j];
			const struct unit_line *line = &section->lines[assignment->first];

			/* An empty line stays where it ends another. */
			if (*assignment->key && !assignment->value)
				r = lint_report(lint, unit, line,
						"not \"key=value\"; systemd ignores it");
			else if (!*assignment->key && assignment->value)
				r = lint_report(lint, unit, line, "a value without a key");
		}
	}
	return r;
}

const struct lint_rule lint_rules[] = {
	{"same-path", check_same_path},
	{"conflicts-order", check_conflicts_order},
	{"conflicts-twin", check_conflicts_twin},
	{"remove-on-stop", check_remove_on_stop},
	{"also-remote", check_also_remote},
	{"also-local", check_also_local},
	{"missing-unit", check_missing_unit},
	{"requires-order", check_requires_order},
	{"inferred", check_inferred},
	{"syntax", check_syntax},
};

const size_t lint_rule_count = array_size(lint_rules);
