# One INTERFACE target carries language, warnings, hardening and instrumentation;
# every target of the project links it, nothing edits CMAKE_C_FLAGS.
include(CheckCCompilerFlag)

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

add_library(project_flags INTERFACE)
target_compile_features(project_flags INTERFACE c_std_17)
target_compile_definitions(project_flags INTERFACE _GNU_SOURCE)
target_include_directories(project_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)

foreach(flag
        -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wvla
        -Wwrite-strings -Wpointer-arith -Wundef -Wcast-align=strict -Wlogical-op
        -Wold-style-definition -Wimplicit-fallthrough -Wunused-result)
    string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
    check_c_compiler_flag(${flag} ${have})
    if(${have})
        target_compile_options(project_flags INTERFACE ${flag})
    endif()
endforeach()
if(WERROR)
    target_compile_options(project_flags INTERFACE -Werror)
endif()

set(instrumented OFF)
if(SANITIZE)
    set(instrumented ON)
    target_compile_options(project_flags INTERFACE
        -fsanitize=${SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(project_flags INTERFACE -fsanitize=${SANITIZE})
endif()
if(COVERAGE)
    set(instrumented ON)
    target_compile_options(project_flags INTERFACE --coverage)
    target_link_options(project_flags INTERFACE --coverage)
endif()
if(FUZZING)
    set(instrumented ON)
    if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
        message(FATAL_ERROR "FUZZING needs clang, this is ${CMAKE_C_COMPILER_ID}")
    endif()
    target_compile_options(project_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(NOT instrumented)
    foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection)
        string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
        check_c_compiler_flag(${flag} ${have})
        if(${have})
            target_compile_options(project_flags INTERFACE ${flag})
        endif()
    endforeach()
    target_compile_options(project_flags INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=3>)
    target_link_options(project_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
endif()
