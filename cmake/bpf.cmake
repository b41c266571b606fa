# bpf_skeleton(NAME SOURCE HEADERS...): the library NAME_skeleton, whose header NAME.skel.h holds the
# BPF program compiled from SOURCE. No type of the running kernel goes into it.
find_program(BPF_CLANG NAMES clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14)
find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin)
set(BPF_FOUND OFF)
if(NOT WITH_BPF STREQUAL "OFF")
    pkg_check_modules(LIBBPF IMPORTED_TARGET libbpf>=1.0)
    if(LIBBPF_FOUND AND BPF_CLANG AND BPFTOOL)
        set(BPF_FOUND ON)
    elseif(WITH_BPF STREQUAL "ON")
        message(FATAL_ERROR "WITH_BPF=ON needs libbpf 1.0, clang and bpftool, which were not found")
    endif()
endif()
add_feature_info(bpf BPF_FOUND "counting in the kernel, by libbpf, clang and bpftool")

function(bpf_skeleton name source)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
    set(header ${CMAKE_CURRENT_BINARY_DIR}/skeleton/${name}.skel.h)
    # Debian keeps asm/types.h where only its own compilers look.
    set(includes -I${PROJECT_SOURCE_DIR})
    if(CMAKE_LIBRARY_ARCHITECTURE)
        list(APPEND includes -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
    endif()
    file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/skeleton)
    list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    # v3 has compare-and-exchange: Linux 5.12 on x86_64, 5.13 on s390x, 5.18 on aarch64, 6.0 on ppc64.
    # -g is for the types of maps, which libbpf reads; "gen object" leaves the debugger's part out.
    add_custom_command(OUTPUT ${object}
        COMMAND ${BPF_CLANG} --target=bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror ${includes}
            -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.
            -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
        DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source} ${ARGN} VERBATIM)
    add_custom_command(OUTPUT ${header}
        COMMAND ${BPFTOOL} gen object ${object}.linked ${object}
        COMMAND ${BPFTOOL} gen skeleton ${object}.linked name ${name} > ${header}
        DEPENDS ${object} VERBATIM)
    add_custom_target(${name}_skeleton_header DEPENDS ${header})
    add_library(${name}_skeleton INTERFACE)
    # bpftool's own code is not held to our warnings.
    target_include_directories(${name}_skeleton SYSTEM INTERFACE
        ${CMAKE_CURRENT_BINARY_DIR}/skeleton)
    add_dependencies(${name}_skeleton ${name}_skeleton_header)
endfunction()
