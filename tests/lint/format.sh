#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# .clang-format over all C files.
# shellcheck source=tests/lint/lib.sh
. "${0%/*}/lib.sh"

files -name '*.c' -o -name '*.h'
version=$(clang-format --version)
if [[ $version != *'version 14.'* ]]; then
	printf 'SKIP: clang-format-version: the sources are laid out by version 14, here is %s\n' "$version"
	exit 77
fi
clang-format --dry-run -Werror "${FILES[@]}" || complain "clang-format -i puts it right"
finish
