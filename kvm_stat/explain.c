/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kvm_stat/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "host/message.h"
#include "host/mounts.h"
#include "host/number.h"
#include "host/text.h"
#include "kvm_stat/explanations.h"
#include "kvm_stat/tracepoint_event.h"

#define WIDTH_DEFAULT 80
#define WIDTH_MIN     40 /* below that, lines break anyhow */
#define WIDTH_MAX     1000
#define INDENT        4
#define SIMILAR_MAX   8
#define PREFIX_MIN    4 /* characters that names have to share to be called similar */

static int text_columns(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t width;

	if (columns && number_parse_u64(columns, WIDTH_MIN, WIDTH_MAX, &width) == 0)
		return (int)width;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= WIDTH_MIN &&
	    size.ws_col <= WIDTH_MAX)
		return size.ws_col;
	return WIDTH_DEFAULT;
}

/* Prints text, wrapped, that begins with `label`; each line is indented. All of it is ASCII. */
static void print_wrapped(int indent, const char *label, const char *text)
{
	int width = text_columns(), column = indent + (int)strlen(label);
	bool first = true;

	printf("%*s%s", indent, "", label);
	while (*text) {
		int length = (int)strcspn(text, " ");

		if (!first && column + 1 + length > width) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (!first) {
			putchar(' ');
			column++;
		}
		printf("%.*s", length, text);
		column += length;
		first = false;
		text += length;
		text += *text == ' ';
	}
	putchar('\n');
}

static void print_paragraph(const char *label, const char *text)
{
	print_wrapped(INDENT, label, text);
}

static void print_versions(const struct explanation *entry)
{
	cleanup_free char *text = NULL;

	if (entry->newer_than && entry->older_than)
		text = text_format("newer than %s and older than %s", entry->newer_than,
				   entry->older_than);
	else if (entry->newer_than)
		text = text_format("newer than %s", entry->newer_than);
	else if (entry->older_than)
		text = text_format("older than %s", entry->older_than);
	if (text)
		print_paragraph("Kernels: ", text);
}

static void print_explanation(const struct explanation *entry)
{
	cleanup_free char *kind = text_format("(%s%s%s)", explanation_kind_name(entry->kind),
					      entry->arch ? "; " : "",
					      entry->arch ? entry->arch : "");
	cleanup_free char *name = text_format("%s ", entry->name);

	print_wrapped(0, name ? name : entry->name, kind ? kind : "");
	print_paragraph("", entry->counts);
	print_paragraph("Unit: ", explanation_unit(entry));
	if (entry->causes)
		print_paragraph("Raised by: ", entry->causes);
	if (entry->advice)
		print_paragraph("What to try: ", entry->advice);
	print_versions(entry);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All names, sorted, each once. Returns how many, or -ENOMEM. */
static ssize_t list_names(const char ***ret_names)
{
	const char **names;
	size_t i, count = 0, unique = 0;

	while (explanations_get(count))
		count++;
	names = calloc(count ? count : 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		names[i] = explanations_get(i)->name;
	qsort(names, count, sizeof(*names), compare_names);
	for (i = 0; i < count; i++) {
		if (unique == 0 || strcmp(names[unique - 1], names[i]))
			names[unique++] = names[i];
	}
	*ret_names = names;
	return (ssize_t)unique;
}

static int print_names(void)
{
	cleanup_free const char **names = NULL;
	ssize_t i, count = list_names(&names);

	if (count < 0) {
		message_error("cannot list the names: %s", strerror((int)-count));
		return 1;
	}
	for (i = 0; i < count; i++)
		puts(names[i]);
	return 0;
}

/* The part of "kvm_exit(HLT)" that names the reason; `name` itself without one. To be freed. */
static char *reason_of(const char *name)
{
	const char *open = strchr(name, '(');
	size_t length;

	if (!open)
		return strdup(name);
	length = strlen(open + 1);
	if (length && open[length] == ')')
		length--;
	return strndup(open + 1, length);
}

static bool is_number(const char *text)
{
	bool hex = strncasecmp(text, "0x", 2) == 0;
	const char *digits = text + (hex ? 2 : 0);

	return *digits &&
	       digits[strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789")] == '\0';
}

/* "kvm_exit(0x4c)": a code whose name the kernel did not print. */
static bool explain_number(const char *name)
{
	cleanup_free char *reason = reason_of(name);
	cleanup_free char *event = strndup(name, strcspn(name, "("));

	if (!reason || !event || !exit_reasons_apply(event) || !is_number(reason))
		return false;
	printf("%s (exit reason)\n", name);
	print_paragraph("",
			"The kernel gave this code no name, so its number is the row. Hardware or "
			"interface newer than the running kernel's table use such codes.");
	print_paragraph("What to try: ",
			"A newer kernel may know the name. Codes of kvm_exit are listed by the "
			"processor's manufacturer (Intel SDM volume 3 appendix C, AMD APM volume 2 "
			"appendix C), those of kvm_userspace_exit in the kernel's "
			"include/uapi/linux/kvm.h as KVM_EXIT_*.");
	return true;
}

/* What the kernel's format file tells of a tracepoint: its fields. */
static void print_fields(const struct tracepoint_event *event)
{
	cleanup_free char *text = NULL;
	size_t i, length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return;
	for (i = 0; event->format && i < event->format->field_count; i++)
		fprintf(out, "%s%s", i ? ", " : "", event->format->fields[i].name);
	if (fclose(out) == 0 && length)
		print_paragraph("Its records have the fields: ", text);
}

static bool has_reason(const struct tracepoint_event *event, const char *reason)
{
	size_t i;

	for (i = 0; event->reasons && i < event->reasons->count; i++) {
		if (strcasecmp(event->reasons->list[i].name, reason) == 0)
			return true;
	}
	return false;
}

static void print_unexplained(void)
{
	print_paragraph("", "This kernel has it; there is no explanation of it here.");
}

/* Whether "parent(reason)" or a reason alone can be one of the event. */
static bool can_be_of(const struct tracepoint_event *event, const char *name)
{
	size_t length = strcspn(name, "(");

	return !name[length] ||
	       (strlen(event->name) == length && strncmp(event->name, name, length) == 0);
}

/*
 * Looks for a tracepoint or reason among this kernel's. Returns 1 when it was described, 0, or
 * -errno of what hindered the look.
 */
static int explain_event(const struct host_root *root, const char *name)
{
	cleanup_free char *reason = reason_of(name);
	struct tracepoint_events events;
	bool ignored, described = false;
	size_t i;
	int r = tracepoint_events_open(root, &events, &ignored);

	for (i = 0; r == 0 && reason && i < events.count && !described; i++) {
		struct tracepoint_event *event = &events.list[i];

		if (strcmp(event->name, name) == 0) {
			printf("%s (tracepoint of group %s)\n", event->name, event->group);
			print_unexplained();
			r = tracepoint_event_format(&events, event);
			print_fields(event);
			described = true;
		} else if (can_be_of(event, name)) {
			r = tracepoint_event_reasons(&events, event);
			described = has_reason(event, reason);
			if (described)
				printf("%s(%s) (exit reason)\n", event->name, reason);
			if (described)
				print_unexplained();
		}
	}
	tracepoint_events_done(&events);
	return described ? 1 : r;
}

/* As explain_event(), for the statistics in debugfs. */
static int explain_statistic(const struct host_root *root, const char *name)
{
	cleanup_close int dir = -1;
	struct stat st;

	if (!text_is_field_name(name))
		return 0;
	dir = mounts_open_debugfs(root, "kvm", NULL);
	if (dir < 0)
		return dir;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	printf("%s (statistic)\n", name);
	print_unexplained();
	return 1;
}

/* How many characters two names have in common at their beginning, whatever their case. */
static size_t common_length(const char *a, const char *b)
{
	size_t length = 0;

	while (a[length] && strncasecmp(a, b, length + 1) == 0)
		length++;
	return length;
}

/* How like a proposed name is to the unknown one; 0: not at all. */
static size_t likeness(const char *name, const char *unknown)
{
	size_t length = strlen(unknown), common = common_length(name, unknown);

	if (length == 0)
		return 0;
	if (common == length)
		return SIZE_MAX; /* it begins so */
	if (strcasestr(name, unknown))
		return SIZE_MAX - 1;
	return common < PREFIX_MIN ? 0 : common;
}

/*
 * The names to propose instead of one that is unknown: those that begin with it, else contain it,
 * else share the most of its beginning. Returns "" or "; names like it: a, b", to be freed.
 */
static char *similar_names(const char *unknown)
{
	cleanup_free const char **names = NULL;
	ssize_t i, count = list_names(&names);
	size_t best = 1, shown = 0, length;
	char *text = NULL;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return NULL;
	for (i = 0; i < count; i++) {
		if (likeness(names[i], unknown) > best)
			best = likeness(names[i], unknown);
	}
	for (i = 0; i < count && shown < SIMILAR_MAX; i++) {
		if (likeness(names[i], unknown) >= best)
			fprintf(out, "%s%s", shown++ ? ", " : "; names like it: ", names[i]);
	}
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static int explain_unknown(const char *name, int event_error, int statistic_error)
{
	cleanup_free char *reason = reason_of(name);
	cleanup_free char *similar = reason ? similar_names(reason) : NULL;
	int error = event_error < 0 ? event_error : statistic_error;

	if (!similar) {
		message_error("cannot explain \"%s\": %s", name, strerror(ENOMEM));
		return 1;
	}
	message_error("\"%s\" is unknown%s; --explain help lists the names", name, similar);
	/* Without a mounted file system there is nothing that could know it either. */
	if (error < 0 && error != -ENODEV && error != -ENOENT)
		message_error("the kernel's own list of names could not be read: %s",
			      strerror(-error));
	return 1;
}

int explain_run(const char *name, const char *sysroot)
{
	const struct explanation *found[EXPLANATIONS_MAX];
	size_t i, count;
	struct host_root root;
	int event, statistic, r;

	if (strcmp(name, "help") == 0)
		return print_names();
	count = explanations_find(name, NULL, found);
	for (i = 0; i < count; i++) {
		if (i)
			putchar('\n');
		print_explanation(found[i]);
	}
	if (count || explain_number(name))
		return 0;
	r = host_root_open(sysroot, &root);
	if (r < 0) {
		message_error("cannot open %s: %s", sysroot ? sysroot : "/", strerror(-r));
		return 1;
	}
	event = explain_event(&root, name);
	statistic = event > 0 ? 0 : explain_statistic(&root, name);
	host_root_close(&root);
	return event > 0 || statistic > 0 ? 0 : explain_unknown(name, event, statistic);
}
