# SPDX-License-Identifier: GPL-2.0-or-later
"""The names that a kernel gives to what kvm_stat shows, out of its sources, and whether the table
of explanations has them all.

A name is (kind, architecture, name): as a row shows it, "" for every architecture.
"""
import collections
import fnmatch
import os
import re
import subprocess

KINDS = TRACEPOINT, EXIT, USERSPACE, STATISTIC = (
    "tracepoint", "exit reason", "reason to return to user space", "statistic")
# Rows that kvm_stat itself makes.
OWN_ROWS = {(EXIT, "", "other"), (EXIT, "", "FLAG_0x1000"), (USERSPACE, "", "restart"),
            (USERSPACE, "", "error"), (USERSPACE, "", "other")}
# Names without an explanation: {(kind, architecture, name): why}. None at present.
UNEXPLAINED = {}
IN_TAR = ["include/trace/events/kvm.h", "include/uapi/linux/kvm.h", "include/linux/kvm_host.h",
          "arch/*/kvm/*.c", "arch/*/kvm/*.h", "arch/x86/include/uapi/asm/*.h",
          "arch/arm64/include/asm/kvm_a*.h"]

Entry = collections.namedtuple("Entry", "kind archs name newer older")
Kernel = collections.namedtuple("Kernel", "version names")


def version_of(text):
    """A comparable version: (6, 12) of "6.12", "linux-source-6.12.tar.xz" and "6.12.3-amd64"."""
    return tuple(int(part) for part in re.search(r"(\d+)\.(\d+)", text).groups())


def read_table(program):
    """The table of explanations, as kvm-events-page --table prints it."""
    table = subprocess.run([program, "--table"], stdout=subprocess.PIPE, text=True, check=True)
    entries = []
    for line in table.stdout.splitlines():
        kind, archs, name, newer, older = line.split("\t")
        assert kind in KINDS, line
        entries.append(Entry(kind, archs.split(", ") if archs else [], name,
                             version_of(newer) if newer else (0, 0),
                             version_of(older) if older else (999, 0)))
    return entries


def unpack(tar, directory):
    """What the names are in, once. Returns the tree's directory."""
    tree = os.path.join(directory, os.path.basename(tar).removesuffix(".tar.xz"))
    if not os.path.exists(tree):
        part = f"{tree}.{os.getpid()}"
        os.makedirs(part)
        subprocess.run(["tar", "-xJf", tar, "-C", part, "--strip-components=1", "--wildcards",
                        *("*/" + pattern for pattern in IN_TAR)], check=True)
        os.rename(part, tree)
    return tree


def _read(tree, path):
    with open(os.path.join(tree, path), encoding="utf-8") as f:
        return f.read()


def _files(tree, pattern):
    found = []
    for where, _, names in os.walk(tree):
        found += (os.path.relpath(os.path.join(where, name), tree) for name in names)
    return [path for path in sorted(found) if re.fullmatch(pattern, path)]


def _arch(path):
    match = re.match(r"arch/(\w+)/", path)
    return {"powerpc": "ppc"}.get(match[1], match[1]) if match else ""


def _spell(text):
    return re.sub(r"[^A-Za-z0-9]", "_", text.removeprefix("KVM_EXIT_"))


def _macro(text, name):
    """The lines of a #define."""
    match = re.search(rf"#define[ \t]+{name}\b((?:.*\\\n)*.*)", text)
    return match[1] if match else ""


def _symbols(text, name):
    """(expression, text) of a table for __print_symbolic()."""
    return re.findall(r'\{\s*([^{}"]+?)\s*,\s*"([^"]+)"\s*\}', _macro(text, name))


def _defines(text):
    return {name: int(value, 0) for name, value in
            re.findall(r"#define\s+(\w+)\s+(0x[0-9a-fA-F]+|\d+)", text)}


def _tracepoints(tree):
    pattern = r"(?:TRACE_EVENT\w*\(\s*(\w+)|DEFINE_EVENT\w*\(\s*\w+,\s*(\w+))\s*[,)]"
    headers = r"include/trace/events/kvm\.h|arch/\w+/kvm/(?:\w+/)?[\w-]*trace[\w-]*\.h"
    for path in _files(tree, headers):
        text = re.sub(r"#define(?:.*\\\n)*.*", "", _read(tree, path))
        for names in re.findall(pattern, text):
            yield TRACEPOINT, _arch(path), "".join(names)


def _statistics(tree):
    for path in _files(tree, r"include/linux/kvm_host\.h|arch/\w+/kvm/(?:\w+/)?[\w-]+\.c"):
        for name in re.findall(r"(?<!define )STATS_DESC_\w+\(\s*V\w+,\s*(\w+)", _read(tree, path)):
            yield STATISTIC, _arch(path), name


def _own_names(source_dir):
    """The tables of names that kvm_stat has besides the kernel's: {table: {value: name}}."""
    text = _read(source_dir, "kvm_stat/exit_reason_names.c")
    return {table: {int(value.rstrip("U"), 0): name for value, name in
                    re.findall(r'\{(\w+), "(\w+)"\}', body)}
            for table, body in re.findall(r"reason_name (\w+)\[\] = \{(.*?)NULL\}", text, re.S)}


def _svm(tree, own):
    text = _read(tree, "arch/x86/include/uapi/asm/svm.h")
    values = {**_defines(text), **_defines(_read(tree, "arch/x86/include/uapi/asm/kvm.h"))}
    for expression, name in _symbols(text, "SVM_EXIT_REASONS"):
        value = sum(values.get(term, -1) for term in expression.split(" + "))
        yield own.get(value) or _spell(name).upper()
    yield from own.values()


def _exits(tree, source_dir):
    own = _own_names(source_dir)
    text = _read(tree, "arch/x86/include/uapi/asm/vmx.h")
    for table in "VMX_EXIT_REASONS", "VMX_EXIT_REASON_FLAGS":
        yield from (("vmx", _spell(name)) for _, name in _symbols(text, table))
    yield from (("svm", name) for name in _svm(tree, own["svm_reason_names"]))
    yield from (("riscv", name) for name in own["riscv_reason_names"].values())
    text = _read(tree, "arch/arm64/include/asm/kvm_asm.h")
    yield from (("arm64", name) for _, name in _symbols(text, "kvm_arm_exception_type")
                if name != "TRAP")
    text = _macro(_read(tree, "arch/arm64/include/asm/kvm_arm.h"), "kvm_arm_exception_class")
    yield from (("arm64", name) for name in re.findall(r"ECN\((\w+)\)", text))
    for path in _files(tree, r"arch/\w+/kvm/trace\w*\.h"):
        text = _read(tree, path)
        for table in "kvm_trace_symbol_exit", "kvm_trace_symbol_exit_types":
            yield from ((_arch(path), _spell(name)) for _, name in _symbols(text, table))


def _userspace(tree, source_dir):
    text = _read(tree, "include/uapi/linux/kvm.h")
    start = text.index("#define KVM_EXIT_UNKNOWN")
    text = text[start:text.index("#define KVM_INTERNAL_ERROR", start)]
    yield from re.findall(r"#define KVM_EXIT_(\w+)", text)
    yield from re.findall(r"ERSN\((\w+)\)", _macro(_read(tree, "include/trace/events/kvm.h"),
                                                  "kvm_trace_exit_reason"))
    # The same names whatever the kernel: an older one has no such exits.
    yield from _own_names(source_dir)["userspace_reason_names"].values()


def of_source(tree, source_dir):
    """The names in a kernel's source tree."""
    names = set(OWN_ROWS)
    names.update(_tracepoints(tree))
    names.update(_statistics(tree))
    names.update((EXIT, arch, name) for arch, name in _exits(tree, source_dir))
    names.update((USERSPACE, "", name) for name in _userspace(tree, source_dir))
    return Kernel(version_of(os.path.basename(tree)), names)


def explains(entry, kernel, kind, arch, name):
    """Whether the entry is about that name of that kernel."""
    if entry.kind != kind or not fnmatch.fnmatchcase(name, entry.name):
        return False
    # What all architectures share in the sources need not be used by all; and the table of user
    # space exits gives kernels names that are newer than they are.
    if kind == USERSPACE:
        return True
    at_home = not arch or not entry.archs or arch in entry.archs or (
        arch in ("vmx", "svm") and "x86" in entry.archs)
    return at_home and entry.newer < kernel.version < entry.older


def missing(entries, kernel):
    """The names of the kernel that nothing explains."""
    return sorted(key for key in kernel.names if key not in UNEXPLAINED and
                  not any(explains(entry, kernel, *key) for entry in entries))


def stale(entries, kernels):
    """(entry, architecture) that none of the kernels has although one could."""
    found = []
    for entry in entries:
        possible = [kernel for kernel in kernels if entry.newer < kernel.version < entry.older]
        # Architectures have come to names that others had: by 6.12 to all of the table.
        if len(entry.archs) > 1:
            possible = [kernel for kernel in possible if kernel.version >= (6, 12)]
        for arch in entry.archs or [""]:
            homes = {"x86": ("x86", "vmx", "svm", "")}.get(arch, (arch, ""))
            if possible and not any(
                    explains(entry, kernel, *key) and (key[1] in homes or not arch)
                    for kernel in possible for key in kernel.names):
                found.append((entry.kind, arch, entry.name))
    return found
