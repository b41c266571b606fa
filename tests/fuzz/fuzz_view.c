/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list screen of any numbers, names and size: every span lies inside, and none on another. */
#include "tests/fuzz/fuzz.h"

#include <locale.h>

#include "host/text.h"
#include "kvm_stat/view.h"

#define ROWS_MAX  24
#define NAMES     8
#define WIDTH_MAX 160

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	promise(setlocale(LC_ALL, "C.UTF-8"));
	return 0;
}

/* Up to 15 bytes of the input, as they are. */
static char *take_text(struct fuzz_supply *supply)
{
	size_t length = fuzz_byte(supply) & 15;
	char *text;

	if (length > supply->left)
		length = supply->left;
	text = fuzz_text(supply->data, length);
	supply->data += length;
	supply->left -= length;
	return text;
}

static char *take_clean_text(struct fuzz_supply *supply)
{
	char *text = take_text(supply), *clean = text_clean(text);

	promise(clean);
	free(text);
	return clean;
}

static void take_sample(struct fuzz_supply *supply, char *const *names, struct rates *rates,
			struct sample *sample, uint64_t time_ns)
{
	unsigned int count = fuzz_byte(supply) % ROWS_MAX;

	sample_clear(sample);
	sample->time_ns = time_ns;
	while (count--) {
		uint8_t what = fuzz_byte(supply);
		struct sample_row row = {
			.name = names[what & 7], .kind = (what >> 3) % 5, .guest = what >> 6};
		struct distribution values = {.bucket_count = 64, .has_moments = true};
		unsigned int bucket = fuzz_byte(supply) % 64;

		if (what & 0x20)
			row.parent = names[fuzz_byte(supply) & 7];
		row.value = fuzz_number(supply, what % 9);
		values.scale = bucket & 1 ? DISTRIBUTION_LOG2 : DISTRIBUTION_LINEAR;
		values.bucket_size = row.value;
		values.buckets[bucket] = values.count = row.value;
		row.thread.tid = (pid_t)(row.value & 3);
		row.thread.is_vcpu = row.value & 4;
		if (what & 1)
			promise(sample_add_distribution(sample, row, &values) == 0);
		else
			promise(sample_add(sample, row) == 0);
	}
	sample_sort(sample);
	promise(rates_update(rates, sample) == 0);
}

static void check_spans(const struct view_spans *spans, int width, int height)
{
	static bool taken[256][WIDTH_MAX];
	size_t i;

	memset(taken, 0, sizeof(taken));
	for (i = 0; i < spans->count; i++) {
		const struct view_span *span = &spans->list[i];
		int col;

		promise(span->row >= 0 && span->row < height);
		promise(span->col >= 0 && span->width > 0 && span->col + span->width <= width);
		promise(text_width(span->text) == span->width);
		for (col = span->col; col < span->col + span->width; col++) {
			promise(!taken[span->row][col]);
			taken[span->row][col] = true;
		}
	}
}

static void check_layout(struct fuzz_supply *supply, struct view_model *model)
{
	struct view_spans spans = {0};
	int width = 1 + fuzz_byte(supply) % (WIDTH_MAX - 1), height = 1 + fuzz_byte(supply) % 80;

	model->selected = fuzz_byte(supply);
	if (model->selected >= model->rows->count)
		model->selected = VIEW_NO_ROW;
	model->first = fuzz_byte(supply) % (model->rows->count + 1);
	promise(view_page(model, height) >= 1);
	model->first = view_first_row(model, height);
	promise(model->first <= model->rows->count);
	if (model->selected != VIEW_NO_ROW)
		promise(model->first <= model->selected &&
			model->selected < model->first + view_page(model, height));
	view_layout(model, width, height, &spans);
	check_spans(&spans, width, height);
	view_detail_layout(model, width, height, &spans);
	check_spans(&spans, width, height);
	view_spans_done(&spans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_supply supply = {data, size};
	uint8_t flags = fuzz_byte(&supply);
	char *names[NAMES], *pattern = take_text(&supply), *notice = take_clean_text(&supply);
	struct guest list[] = {{.pid = 1}, {.pid = 2}};
	struct guests guests = {.list = list, .count = 2};
	struct rates rates = {0};
	struct sample sample = {0};
	struct view_rows rows = {0};
	struct exit_table exits = {0};
	struct history history = {0};
	struct view_model model = {.rates = &rates,
				   .exits = &exits,
				   .history = &history,
				   .rows = &rows,
				   .guests = &guests,
				   .pid = flags & 3,
				   .dead = flags & 4,
				   .pattern = pattern,
				   .sort = (enum view_sort)(flags >> 3 & 1),
				   .utf8 = flags & 16};
	size_t i;

	for (i = 0; i < NAMES; i++)
		names[i] = take_clean_text(&supply);
	list[0].name = list[0].raw_name = names[0];
	list[1].name = list[1].raw_name = names[1];
	model.guest_name = model.pid ? names[2] : NULL;
	model.only = flags & 32 ? names[3] : NULL;
	model.kind = (enum view_kind)(fuzz_byte(&supply) % 4);
	model.notice = flags & 64 ? notice : NULL;
	if (flags & 2)
		memcpy(model.position, "12:00:05 17/600 paused", 23);
	take_sample(&supply, names, &rates, &sample, 1000000000);
	take_sample(&supply, names, &rates, &sample, 1000000000 + fuzz_number(&supply, 4));
	promise(history_update(&history, &rates) == 0);
	promise(exit_table_update(&exits, &rates, (enum exit_span)(flags & 1)) == 0);
	if (model.kind == VIEW_EXITS)
		promise(view_rows_update_exits(&rows, &exits) == 0);
	else
		promise(view_rows_update(&rows, &rates, model.sort, flags & 128) == 0);
	promise(rows.count <= rates.count);
	check_layout(&supply, &model);
	view_rows_done(&rows);
	exit_table_done(&exits);
	history_clear(&history);
	rates_done(&rates);
	sample_done(&sample);
	for (i = 0; i < NAMES; i++)
		free(names[i]);
	free(pattern);
	free(notice);
	return 0;
}
