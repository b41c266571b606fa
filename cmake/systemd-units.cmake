# systemd_units(TARGET UNITS "NAME BASE [EXTRA...]"... [DEFINE name=value...] [OPTIONS option...]
#               [DESTINATION dir])
#
# Makes the unit NAME of the templates BASE and EXTRA for each item of UNITS, when TARGET is built,
# which "all" includes; one run of the program makes them all. Templates are relative to the current
# source directory, units go to the current binary directory. DEFINE has the values for @name@ of
# all units of this call; one that no unit needs is an error, as for the program. Paths and values
# have no ";", which divides CMake's lists, and no tabs.
# OPTIONS are others of systemd-unit-merge(1), such as --override. With DESTINATION units are
# installed there.
#
# systemd_units_lint(TARGET units-target... [EXTERNAL pattern...])
#
# When TARGET is built, all units of those targets are linted as one set. It is not part of "all".
#
# Both use the program of this build, or the one at SYSTEMD_UNIT_MERGE, which is looked for.

# The program, and what a command that runs it depends on.
function(systemd_units_program ret_program)
    if(TARGET systemd-unit-merge)
        set(${ret_program} systemd-unit-merge PARENT_SCOPE)
        return()
    endif()
    find_program(SYSTEMD_UNIT_MERGE systemd-unit-merge REQUIRED)
    set(${ret_program} ${SYSTEMD_UNIT_MERGE} PARENT_SCOPE)
endfunction()

function(systemd_units target)
    cmake_parse_arguments(PARSE_ARGV 1 U "" "DESTINATION" "UNITS;DEFINE;OPTIONS")
    if(NOT U_UNITS OR U_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "systemd_units(${target}): UNITS are missing, or unknown arguments: "
                "${U_UNPARSED_ARGUMENTS}")
    endif()
    systemd_units_program(program)
    set(made "")
    set(templates "")
    set(lines "")
    foreach(item IN LISTS U_UNITS)
        separate_arguments(item UNIX_COMMAND "${item}")
        list(POP_FRONT item name)
        if(NOT item)
            message(FATAL_ERROR "systemd_units(${target}): ${name} has no BASE")
        endif()
        list(TRANSFORM item PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/" REGEX "^[^/]")
        set(unit ${CMAKE_CURRENT_BINARY_DIR}/${name})
        list(APPEND made ${unit})
        list(APPEND templates ${item})
        list(JOIN item "\t" files)
        string(APPEND lines "${unit}\t${files}\n")
    endforeach()
    list(REMOVE_DUPLICATES templates)
    # Written only when it is another one: units are not made again without need.
    set(list ${CMAKE_CURRENT_BINARY_DIR}/${target}.list)
    file(GENERATE OUTPUT ${list} CONTENT "${lines}")
    list(TRANSFORM U_DEFINE PREPEND "--define=")
    add_custom_command(OUTPUT ${made}
        COMMAND ${program} ${U_OPTIONS} ${U_DEFINE} --list ${list}
        DEPENDS ${program} ${list} ${templates}
        COMMENT "Merging the units of ${target}"
        VERBATIM)
    add_custom_target(${target} ALL DEPENDS ${made})
    set_property(TARGET ${target} PROPERTY SYSTEMD_UNITS ${made})
    if(U_DESTINATION)
        install(FILES ${made} DESTINATION ${U_DESTINATION})
    endif()
endfunction()

function(systemd_units_lint target)
    cmake_parse_arguments(PARSE_ARGV 1 L "" "" "EXTERNAL")
    systemd_units_program(program)
    set(units "")
    foreach(set IN LISTS L_UNPARSED_ARGUMENTS)
        get_target_property(made ${set} SYSTEMD_UNITS)
        list(APPEND units ${made})
    endforeach()
    list(TRANSFORM L_EXTERNAL PREPEND "--external=")
    add_custom_target(${target}
        COMMAND ${program} --lint ${L_EXTERNAL} ${units}
        DEPENDS ${units}
        VERBATIM)
    add_dependencies(${target} ${L_UNPARSED_ARGUMENTS})
endfunction()
