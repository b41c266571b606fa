#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies upstream's kvm_stat, out of Debian's kernel source, to where the jobs' files are."""
import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvmtest  # noqa: E402

if __name__ == "__main__":
    shutil.copy(kvmtest.need_upstream(), sys.argv[1])
