# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of kvm-modprobe's options and modules for fish.

complete -c kvm-modprobe -f -a 'kvm kvm_intel kvm_amd kvm_hv kvm_pr vhost_net vhost_vsock tun'
complete -c kvm-modprobe -l boot -d 'A host without virtualisation is no failure'
complete -c kvm-modprobe -l check -d 'Say whether the modules are loaded'
complete -c kvm-modprobe -s n -l dry-run -d 'Say what would be loaded'
complete -c kvm-modprobe -l list -d 'Print the parameters in effect'
complete -c kvm-modprobe -l json -d 'Print the result as JSON'
complete -c kvm-modprobe -s v -l verbose -d 'Say what is loaded'
complete -c kvm-modprobe -l sysroot -x -a '(__fish_complete_directories)' -d 'Read another root'
complete -c kvm-modprobe -l modules-dir -x -a '(__fish_complete_directories)' -d 'Take the modules of this directory'
complete -c kvm-modprobe -s h -l help -d 'Print the options and end'
complete -c kvm-modprobe -l version -d 'Print the version and end'
