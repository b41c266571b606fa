# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of kvm-check's options for fish.

complete -c kvm-check -f
complete -c kvm-check -s h -l help -d 'Print the options and end'
complete -c kvm-check -l json -d 'Print the results as JSON'
complete -c kvm-check -s q -l quiet -d 'Print nothing'
complete -c kvm-check -l report -r -F -d 'Write a report for support'
complete -c kvm-check -l with-guests -d 'Let the report have names and command lines of guests'
complete -c kvm-check -l sysroot -x -a '(__fish_complete_directories)' -d 'Check a copy of another host'
complete -c kvm-check -l version -d 'Print the version and end'
