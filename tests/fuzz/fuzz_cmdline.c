/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A VMM's command line: the guest's name, cleaned for the terminal and written as CSV. */
#include "tests/fuzz/fuzz.h"

#include <locale.h>

#include "host/guest.h"
#include "host/text.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	promise(setlocale(LC_ALL, "C.UTF-8"));
	return 0;
}

static void check_clean(const char *text)
{
	char *clean = text_clean(text), *again;
	size_t length = strlen(clean), fits;
	int width = text_width(clean), columns, fitted;
	const char *p;

	for (p = clean; *p; p++)
		promise((unsigned char)*p >= 0x20 && *p != 0x7f);
	promise(mbstowcs(NULL, clean, 0) != (size_t)-1);
	again = text_clean(clean);
	promise(strcmp(clean, again) == 0);
	promise(width >= 0 && (size_t)width <= 2 * length);
	for (columns = 0; columns < 12; columns++) {
		fits = text_fit(clean, columns, &fitted);
		promise(fits <= length && fitted <= columns && fitted >= 0);
		promise(((unsigned char)clean[fits] & 0xc0) != 0x80);
	}
	free(again);
	free(clean);
}

/* One field, whatever it holds: unquoted without anything special, or closed by its last quote. */
static void check_csv(const char *text)
{
	char *field = NULL;
	size_t length = 0, i;
	FILE *stream = open_memstream(&field, &length);

	promise(stream);
	promise(text_csv_write(stream, text) == 0);
	promise(fclose(stream) == 0);
	if (*field != '"') {
		promise(!strpbrk(field, ",\"\r\n"));
	} else {
		promise(length >= 2 && field[length - 1] == '"');
		for (i = 1; i < length - 1; i++) {
			if (field[i] == '"')
				promise(field[++i] == '"' && i < length - 1);
		}
	}
	free(field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	/* As long as the input is and not a byte longer: the last argument may lack its NUL. */
	char *cmdline = malloc(size ? size : 1);
	char *name;

	promise(cmdline);
	memcpy(cmdline, data, size);
	name = guest_name_from_cmdline(cmdline, size);
	promise(!name || *name);
	if (name) {
		check_clean(name);
		check_csv(name);
	}
	check_clean(text);
	check_csv(text);
	free(name);
	free(cmdline);
	free(text);
	return 0;
}
