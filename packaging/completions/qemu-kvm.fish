# SPDX-License-Identifier: GPL-2.0-or-later
# The options are QEMU's, so QEMU is asked for them, as for the names of machines and the like.

function __qemu_kvm_options
    qemu-kvm -help 2>/dev/null | string match -gr '^(-[a-zA-Z][a-zA-Z0-9_-]*)' | sort -u
end

# The names that "OPTION help" lists: "pc-q35-7.2   Standard PC ...", "x86 qemu64 ...", "kvm".
function __qemu_kvm_names
    qemu-kvm $argv[1] help 2>/dev/null | string match -gr '^(?:x86 +)?([a-zA-Z0-9][a-zA-Z0-9._-]*)(?: .*[^:])?$'
end

function __qemu_kvm_devices
    qemu-kvm -device help 2>/dev/null | string match -gr '^name "([^"]*)"'
end

function __qemu_kvm_after
    contains -- (commandline -opc)[-1] $argv
end

complete -c qemu-kvm -n 'string match -q -- "-*" (commandline -ct)' -f -a '(__qemu_kvm_options)'
complete -c qemu-kvm -n 'test (count (commandline -opc)) -eq 1; and string match -q -- "-*" (commandline -ct)' -f -a --kvm-explain -d 'Say what would be executed'
complete -c qemu-kvm -n '__qemu_kvm_after -machine -M' -f -a '(__qemu_kvm_names -machine)'
complete -c qemu-kvm -n '__qemu_kvm_after -cpu' -f -a '(__qemu_kvm_names -cpu)'
complete -c qemu-kvm -n '__qemu_kvm_after -accel' -f -a '(__qemu_kvm_names -accel)'
complete -c qemu-kvm -n '__qemu_kvm_after -device' -f -a '(__qemu_kvm_devices)'
