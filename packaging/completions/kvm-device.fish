# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of kvm-device's commands and options for fish.

complete -c kvm-device -f
complete -c kvm-device -n __fish_use_subcommand -a status -d 'Show the nodes and the policy'
complete -c kvm-device -n __fish_use_subcommand -a apply -d 'Bring the nodes to the policy'
complete -c kvm-device -n __fish_use_subcommand -a wait -d 'Wait until /dev/kvm can be opened'
complete -c kvm-device -n __fish_use_subcommand -a monitor -d 'Print VMs as they come and go'
complete -c kvm-device -l create -d 'apply: create nodes that are missing'
complete -c kvm-device -s n -l dry-run -d 'apply: say what would be done'
complete -c kvm-device -l json -d 'status, monitor: print JSON'
complete -c kvm-device -l root -x -a '(__fish_complete_directories)' -d 'status, apply: another root'
complete -c kvm-device -l sysroot -x -a '(__fish_complete_directories)' -d 'status, apply: another root'
complete -c kvm-device -l timeout -x -d 'apply, wait: give up after so many seconds'
complete -c kvm-device -s h -l help -d 'Print the commands and options and end'
complete -c kvm-device -l version -d 'Print the version and end'
