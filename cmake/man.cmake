# man_page(NAME SECTION [GENERATOR target]): man/NAME.SECTION.scd, or what the target writes on
# standard output, becomes an installed man page.
find_program(SCDOC scdoc)
if(WITH_MAN STREQUAL "ON" AND NOT SCDOC)
    message(FATAL_ERROR "WITH_MAN=ON needs scdoc, which was not found")
endif()
if(WITH_MAN STREQUAL "OFF" OR NOT SCDOC)
    set(build_man OFF)
else()
    set(build_man ON)
endif()
add_feature_info(man-pages build_man "man pages, by scdoc")

function(man_page name section)
    cmake_parse_arguments(P "" "GENERATOR" "" ${ARGN})
    if(NOT build_man)
        return()
    endif()
    set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.${section}.scd)
    set(page ${CMAKE_CURRENT_BINARY_DIR}/${name}.${section})
    if(P_GENERATOR AND CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
        if(WITH_MAN STREQUAL "ON")
            message(FATAL_ERROR "${name}(${section}) needs CMAKE_CROSSCOMPILING_EMULATOR, to run "
                "what writes it")
        endif()
        message(WARNING "${name}(${section}) is not built: no CMAKE_CROSSCOMPILING_EMULATOR")
        return()
    endif()
    if(P_GENERATOR)
        # A target as command: with CMAKE_CROSSCOMPILING_EMULATOR where it is for another machine.
        set(source ${page}.scd)
        add_custom_command(OUTPUT ${source}
            COMMAND ${P_GENERATOR} > ${source}
            DEPENDS ${P_GENERATOR} VERBATIM)
    endif()
    add_custom_command(OUTPUT ${page}
        COMMAND ${SCDOC} < ${source} > ${page}
        DEPENDS ${source} VERBATIM)
    add_custom_target(man-${name}.${section} ALL DEPENDS ${page})
    install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endfunction()

# man_alias(NAME SECTION PAGE): NAME(SECTION) shows PAGE(SECTION), which describes both.
function(man_alias name section page)
    if(NOT build_man)
        return()
    endif()
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.${section} ".so man${section}/${page}.${section}\n")
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.${section}
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endfunction()
