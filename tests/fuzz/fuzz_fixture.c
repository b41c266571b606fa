/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host whose guests come, count and go as the input says, read in both ways: guest by guest, and
 * by the kernel's sums. As long as none ended and no file was garbage, both must say the same; at
 * no time may a total fall.
 */
#include "tests/fuzz/fuzz.h"

#include <unistd.h>

#include "kvm_stat/rates.h"
#include "kvm_stat/source.h"
#include "tests/unit/tree.h"

#define VMS   4
#define STEPS 24

static const char *const fields[] = {"exits", "halt_wait_ns", "pages_4k"};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))
#define GAUGE  2 /* index of pages_4k */

struct host {
	struct tree tree;
	bool alive[VMS];
	uint64_t values[VMS][FIELDS];
	bool certain; /* both ways must agree */
};

/* A way to read, and what it said last. */
struct reader {
	struct source *source;
	struct selection selection;
	struct sample sample;
	struct rates rates;
	uint64_t last[FIELDS];
};

static const char *vm_name(unsigned int vm)
{
	static const char *const names[VMS] = {"1-9", "11-9", "100001-9", "11-10"};

	return names[vm];
}

static void put_vm(struct host *host, unsigned int vm)
{
	size_t i;

	for (i = 0; i < FIELDS; i++)
		tree_stat(&host->tree, vm_name(vm), fields[i], i == GAUGE, host->values[vm][i]);
}

static void put_sums(struct host *host)
{
	size_t i, vm;

	for (i = 0; i < FIELDS; i++) {
		uint64_t sum = 0;

		for (vm = 0; vm < VMS; vm++)
			sum += host->alive[vm] ? host->values[vm][i] : 0;
		tree_stat(&host->tree, "", fields[i], i == GAUGE, sum);
	}
}

static void delete_vm(struct host *host, unsigned int vm)
{
	char path[64];

	snprintf(path, sizeof(path), TREE_KVM "/%s", vm_name(vm));
	tree_delete(&host->tree, path);
	host->certain &= !host->alive[vm];
	host->alive[vm] = false;
}

static void put_garbage(struct host *host, unsigned int vm, struct fuzz_supply *supply)
{
	char path[96], text[16];
	size_t i, length = fuzz_byte(supply) % sizeof(text);

	for (i = 0; i < length; i++)
		text[i] = (char)fuzz_byte(supply);
	if (host->alive[vm])
		snprintf(path, sizeof(path), TREE_KVM "/%s/exits", vm_name(vm));
	else
		snprintf(path, sizeof(path), TREE_KVM "/exits");
	tree_write(&host->tree, path, 0644, text, length);
	host->certain = false;
}

/* One thing that happens on the host. */
static void step(struct host *host, struct fuzz_supply *supply)
{
	uint8_t what = fuzz_byte(supply);
	unsigned int vm = what >> 4 & 3;
	size_t i;

	switch (what & 15) {
	case 0:
		delete_vm(host, vm);
		put_sums(host);
		break;
	case 1:
		put_garbage(host, vm, supply);
		break;
	default:
		/* It is born, or counts on; states go up and down. */
		for (i = 0; i < FIELDS; i++)
			host->values[vm][i] = (host->alive[vm] && i != GAUGE ? host->values[vm][i]
									     : 0) +
					      fuzz_number(supply, 1 + (what & 1));
		host->alive[vm] = true;
		put_vm(host, vm);
		put_sums(host);
	}
}

static void reader_open(struct reader *reader, const struct host *host, bool each_guest, bool past)
{
	struct source_error error;

	memset(reader, 0, sizeof(*reader));
	reader->selection.each_guest = each_guest;
	promise(source_debugfs_open(&host->tree.root, past, &reader->source, &error) == 0);
	promise(source_select(reader->source, &reader->selection, &error) == 0);
}

static void reader_read(struct reader *reader)
{
	struct source_health health;
	size_t i, j;

	sample_clear(&reader->sample);
	promise(source_read(reader->source, &reader->sample) == 0);
	sample_sort(&reader->sample);
	reader->sample.time_ns = reader->rates.before.time_ns + 1000000000;
	promise(rates_update(&reader->rates, &reader->sample) == 0);
	for (i = 0; i < reader->rates.count; i++) {
		const struct rate *rate = &reader->rates.rows[i];

		promise(rate->delta >= 0 || rate->kind == FIELD_GAUGE);
		for (j = 0; j < FIELDS; j++) {
			if (strcmp(fields[j], rate->name))
				continue;
			promise(j == GAUGE || rate->total >= reader->last[j]);
			reader->last[j] = rate->total;
		}
	}
	health = source_health(reader->source);
	promise(health.fields == FIELDS && health.unreadable <= FIELDS);
	promise(reader->rates.count == health.fields - health.unreadable);
}

static void reader_reset(struct reader *reader)
{
	source_reset(reader->source);
	rates_restart(&reader->rates);
	memset(reader->last, 0, sizeof(reader->last));
}

static void reader_close(struct reader *reader)
{
	source_close(reader->source);
	sample_done(&reader->sample);
	rates_done(&reader->rates);
}

static void check_agreement(const struct host *host, const struct reader *a, const struct reader *b)
{
	size_t i;

	for (i = 0; host->certain && i < FIELDS; i++)
		promise(a->last[i] == b->last[i]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* In memory, where there is room: each input makes hundreds of files. */
	if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_supply supply = {data, size};
	struct host host = {.certain = true};
	struct reader each, sums;
	uint8_t start = fuzz_byte(&supply);
	unsigned int i;

	tree_make(&host.tree);
	put_sums(&host);
	for (i = 0; i < (start >> 1 & 3); i++)
		step(&host, &supply);
	put_sums(&host);
	host.certain = true; /* what ended before is nobody's concern */
	for (i = 0; i < VMS; i++) {
		if (host.alive[i])
			put_vm(&host, i);
	}
	reader_open(&each, &host, true, start & 1);
	reader_open(&sums, &host, false, start & 1);
	for (i = 0; i < STEPS && supply.left; i++) {
		reader_read(&each);
		reader_read(&sums);
		check_agreement(&host, &each, &sums);
		step(&host, &supply);
		if (supply.left && *supply.data == 0xff) {
			reader_reset(&each);
			reader_reset(&sums);
			fuzz_byte(&supply);
		}
	}
	reader_close(&each);
	reader_close(&sums);
	tree_remove(&host.tree);
	return 0;
}
