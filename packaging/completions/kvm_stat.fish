# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of kvm_stat's options for fish.

complete -c kvm_stat -f
complete -c kvm_stat -s 1 -l once -d 'Print one second and end'
complete -c kvm_stat -l batch -d 'Print one second and end'
complete -c kvm_stat -s c -l csv -d 'Log comma-separated values'
complete -c kvm_stat -s d -l debugfs -d 'Read the statistics in debugfs'
complete -c kvm_stat -s f -l fields -x -a help -d 'Show only matching fields'
complete -c kvm_stat -s g -l guest -x -d 'Watch only the guest of this name'
complete -c kvm_stat -s h -l help -d 'Print the options and end'
complete -c kvm_stat -s i -l debugfs-include-past -d 'Start debugfs counters with their past'
complete -c kvm_stat -s l -l log -d 'Print a record for each interval'
complete -c kvm_stat -s L -l log-to-file -r -F -d 'Append the records to a file'
complete -c kvm_stat -s o -l output -r -F -d 'Keep metrics in a file'
complete -c kvm_stat -s p -l pid -x -d 'Watch only the guest of this process'
complete -c kvm_stat -s s -l set-delay -x -d 'Seconds between refreshes, 0.1 to 25.5'
complete -c kvm_stat -s t -l tracepoints -d 'Count the tracepoints of KVM'
complete -c kvm_stat -s z -l skip-zero-records -d 'Leave out records in which nothing happened'
complete -c kvm_stat -l by -x -a 'guest vcpu' -d 'One row for each guest or virtual CPU'
complete -c kvm_stat -l count -x -d 'End after so many records or refreshes'
complete -c kvm_stat -l exits -d 'Show how long exits take'
complete -c kvm_stat -l explain -x -a '(kvm_stat --explain help 2>/dev/null)' -d 'Say what a row means'
complete -c kvm_stat -l format -x -a 'text csv json openmetrics prometheus' -d 'What to write'
complete -c kvm_stat -l limit -x -d 'At most so many series of metrics'
complete -c kvm_stat -l source -x -a 'debugfs stats tracepoints debugfs,tracepoints stats,tracepoints' -d 'Use exactly these sources'
complete -c kvm_stat -l sysroot -x -a '(__fish_complete_directories)' -d "Read another machine's copy"
complete -c kvm_stat -l via -x -a 'bpf perf' -d 'Count tracepoints only via this'
complete -c kvm_stat -l version -d 'Print the version and end'
