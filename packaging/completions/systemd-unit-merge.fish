# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of systemd-unit-merge's options for fish.

complete -c systemd-unit-merge -s D -l define -x -d 'Put a value in place of @name@'
complete -c systemd-unit-merge -l override -d 'Later scalars win, empty values reset lists'
complete -c systemd-unit-merge -l dedup -d 'Leave out what is said already'
complete -c systemd-unit-merge -l strict-sections -d 'Sections and lines as libvirt\'s script has them'
complete -c systemd-unit-merge -s o -l output -r -F -d 'Write this file, whole or not at all'
complete -c systemd-unit-merge -l depfile -r -F -d 'Tell make or Ninja what the file is made from'
complete -c systemd-unit-merge -l list -r -F -d 'Merge all units of this list, a line each'
complete -c systemd-unit-merge -l lint -d 'Merge nothing, say what is wrong in these units'
complete -c systemd-unit-merge -l external -x -d 'Such units are beside the set'
complete -c systemd-unit-merge -l json -d 'Print what is wrong as JSON'
complete -c systemd-unit-merge -s h -l help -d 'Print the options and end'
complete -c systemd-unit-merge -l version -d 'Print the version and end'
