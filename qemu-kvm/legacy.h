/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts today's options in place of those of the old qemu-kvm, which scripts still carry. */
#pragma once

#include <stddef.h>

#include "host/cleanup.h"

/* The arguments with today's options in place of the old ones. */
struct legacy {
	char **argv;   /* NULL-terminated; the strings are the caller's, or `values` or literals */
	char **values; /* the values that had to be written anew */
	char **warnings; /* a sentence for each translation */
	char *refusal;   /* why it cannot be run: an option without successor; NULL: it can */
	size_t value_count, warning_count;
};

/*
 * Translates the old options of a NULL-terminated argv. An option that `emulator` still knows is
 * left alone; the emulator is run as "EMULATOR OPTION [VALUE] -version" to find that out, once
 * for each such option. Without an emulator (NULL) none is known.
 * Returns 0, -ENOMEM, or -errno when the emulator could not be asked (-ETIMEDOUT: no answer
 * within 10 s). *ret is to be freed with legacy_free(); it points to strings of `argv`.
 */
int legacy_translate(char *const argv[], const char *emulator, struct legacy *ret) must_check;

/* Releases what the translation owns. */
void legacy_free(struct legacy *legacy);
