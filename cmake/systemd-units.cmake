# systemd_units(TARGET UNITS "NAME BASE [EXTRA...]"... [DEFINE name=value...] [OPTIONS option...]
#               [DESTINATION dir])
#
# Makes the unit NAME of the templates BASE and EXTRA for each item of UNITS, when TARGET is built,
# which "all" includes. Templates are relative to the current source directory, units go to the
# current binary directory. DEFINE has the values for @name@ of all units of this call: a unit gets
# those that its templates name, and one that no template names is an error, as for the program.
# Values have no ";", which divides CMake's lists.
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

# The text of all templates of a unit. When one of them changes, which names it has may change.
function(systemd_units_read ret_text)
    set(text "")
    foreach(template ${ARGN})
        if(NOT EXISTS ${template})
            message(FATAL_ERROR "systemd_units: there is no ${template}")
        endif()
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${template})
        file(READ ${template} content)
        # Comments above the first section are not in the unit.
        string(REGEX REPLACE "^([ \t\r]*(#[^\n]*)?\n)+" "" content "${content}")
        string(APPEND text "${content}\n")
    endforeach()
    set(${ret_text} "${text}" PARENT_SCOPE)
endfunction()

function(systemd_units target)
    cmake_parse_arguments(PARSE_ARGV 1 U "" "DESTINATION" "UNITS;DEFINE;OPTIONS")
    if(NOT U_UNITS OR U_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "systemd_units(${target}): UNITS are missing, or unknown arguments: "
                "${U_UNPARSED_ARGUMENTS}")
    endif()
    systemd_units_program(program)
    set(made "")
    set(used "")
    foreach(item IN LISTS U_UNITS)
        separate_arguments(item UNIX_COMMAND "${item}")
        list(POP_FRONT item name)
        if(NOT item)
            message(FATAL_ERROR "systemd_units(${target}): ${name} has no BASE")
        endif()
        list(TRANSFORM item PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/" REGEX "^[^/]")
        systemd_units_read(text ${item})
        set(defines "")
        foreach(define IN LISTS U_DEFINE)
            string(REGEX REPLACE "=.*" "" key "${define}")
            string(FIND "${text}" "@${key}@" position)
            if(NOT position EQUAL -1)
                list(APPEND defines -D "${define}")
                list(APPEND used "${key}")
            endif()
        endforeach()
        set(unit ${CMAKE_CURRENT_BINARY_DIR}/${name})
        add_custom_command(OUTPUT ${unit}
            COMMAND ${program} ${U_OPTIONS} ${defines} -o ${unit} ${item}
            DEPENDS ${program} ${item}
            COMMENT "Merging unit ${name}"
            VERBATIM)
        list(APPEND made ${unit})
    endforeach()
    foreach(define IN LISTS U_DEFINE)
        string(REGEX REPLACE "=.*" "" key "${define}")
        if(NOT key IN_LIST used)
            message(FATAL_ERROR "systemd_units(${target}): no template has @${key}@")
        endif()
    endforeach()
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
