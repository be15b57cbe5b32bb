# How the folders of src/ become libraries and tests.

add_library(fakequant_options INTERFACE)
target_compile_features(fakequant_options INTERFACE cxx_std_20)
# No fused multiply-adds behind our back: every instruction set is to give the same bits.
target_compile_options(fakequant_options INTERFACE -Wall -Wextra -Wconversion -Werror -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlaps where there are none (GCC bug 105651).
  target_compile_options(fakequant_options INTERFACE -Wno-restrict)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # No garbage collection below 1 GB, which no file here needs: it takes an eighth of the time.
  target_compile_options(fakequant_options INTERFACE "SHELL:--param ggc-min-heapsize=1000000")
endif()
# SSSE3 alone is on processors of before 2008: these take the scalar kernels.
target_compile_definitions(fakequant_options INTERFACE HWY_DISABLED_TARGETS=HWY_SSSE3)
# The same objects are for the program and for the shared libraries, which show what is marked FAKEQUANT_API alone.
target_compile_options(fakequant_options INTERFACE -fPIC -fvisibility=hidden -fvisibility-inlines-hidden)
target_compile_definitions(fakequant_options INTERFACE FAKEQUANT_INSIDE)
target_include_directories(fakequant_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(fakequant_options INTERFACE fmt::fmt)
if(FAKEQUANT_PROGRAM)
  target_link_libraries(fakequant_options INTERFACE nlohmann_json::nlohmann_json OpenMP::OpenMP_CXX)
endif()

# Headers that most files read, compiled once: this halves the time of a build from nothing.
file(WRITE ${PROJECT_BINARY_DIR}/precompiled.cc "")
if(FAKEQUANT_PROGRAM)
  add_library(fakequant_precompiled STATIC ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_link_libraries(fakequant_precompiled PUBLIC fakequant_options)
  target_precompile_headers(fakequant_precompiled PRIVATE <algorithm> <cmath> <filesystem> <functional> <map> <memory> <string>
                            <vector> <fmt/format.h> <fmt/ranges.h> ${PROJECT_SOURCE_DIR}/src/json.h)
endif()
if(FAKEQUANT_TESTS)
  add_library(fakequant_precompiled_test STATIC ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_link_libraries(fakequant_precompiled_test PUBLIC fakequant_options GTest::gmock)
  target_precompile_headers(fakequant_precompiled_test PRIVATE <algorithm> <cmath> <string> <vector> <fmt/format.h>
                            <gmock/gmock.h> <gtest/gtest.h> ${PROJECT_SOURCE_DIR}/src/json.h)
endif()

function(fakequant_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${FAKEQUANT_UNITY} UNITY_BUILD_BATCH_SIZE 0)
endfunction()

# fakequant_library(NAME SOURCES ... HOT ... KERNELS ... TESTS ... DEPENDS ...): a library of a folder, and a test program of
# its unit tests.
#
# SOURCES are compiled together (a unity build) and with -Og (CMakeLists.txt), which takes half the time: names in unnamed
# namespaces must differ within a folder. FAKEQUANT_UNITY=OFF compiles each by itself. HOT are sources in which the
# program spends time, and KERNELS those that Highway compiles once for each instruction set. Both are compiled with -O2,
# alone, and without the precompiled headers: GCC 12 crashes where these were compiled with -Og, and of kernels an inline
# function of a header would be compiled for one instruction set and linked into code for another.
function(fakequant_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;HOT;KERNELS;TESTS;DEPENDS" ${ARGN})
  add_library(fakequant_${name} STATIC ${ARG_KERNELS} ${ARG_HOT} ${ARG_SOURCES})
  target_link_libraries(fakequant_${name} PUBLIC fakequant_options ${ARG_DEPENDS})
  if(TARGET fakequant_precompiled)
    target_precompile_headers(fakequant_${name} REUSE_FROM fakequant_precompiled)
  endif()
  fakequant_unity(fakequant_${name})
  foreach(source ${ARG_HOT} ${ARG_KERNELS})
    set_source_files_properties(${source} PROPERTIES
      COMPILE_OPTIONS "$<$<CONFIG:Release>:-O2>" SKIP_UNITY_BUILD_INCLUSION ON SKIP_PRECOMPILE_HEADERS ON)
  endforeach()
  if(FAKEQUANT_TESTS AND ARG_TESTS)
    add_executable(${name}_test ${ARG_TESTS})
    target_link_libraries(${name}_test PRIVATE fakequant_${name} GTest::gtest_main GTest::gmock)
    target_precompile_headers(${name}_test REUSE_FROM fakequant_precompiled_test)
    add_test(NAME unit/${name} COMMAND ${name}_test)
  endif()
endfunction()
