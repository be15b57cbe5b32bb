# Finds llama.cpp: first an installed one (a system package, Homebrew, conda, Nix, or a prefix in CMAKE_PREFIX_PATH), and
# on a Debian machine that has none, the one that scripts/fetch-llama fetches.
#
# Sets FAKEQUANT_BACKEND_DIR, where ggml's back ends are loaded from (empty: where the library itself looks),
# FAKEQUANT_LLAMA_FETCHED, the folder that was fetched, FAKEQUANT_LLAMA_LIBRARIES, that of its libraries, and FAKEQUANT_LOADER,
# the loader that these need (empty: none was),
# FAKEQUANT_LLAMA_TOOLS and FAKEQUANT_GGUF_PYTHON, where llama.cpp's tools and python3-gguf are (empty: on the PATH), and
# FAKEQUANT_ARCHITECTURES, llama.cpp's generator of test models (empty: there is none, or no test is built).

set(FAKEQUANT_LLAMA_OLDEST 0.7.0)
set(FAKEQUANT_LLAMA_TESTED 0.7)

set(FAKEQUANT_BACKEND_DIR "")
set(FAKEQUANT_LLAMA_TOOLS "")
set(FAKEQUANT_GGUF_PYTHON "")
set(FAKEQUANT_ARCHITECTURES "")
set(FAKEQUANT_LLAMA_FETCHED "")
set(FAKEQUANT_LLAMA_LIBRARIES "")
set(FAKEQUANT_LOADER "")

find_package(llama QUIET NO_CMAKE_PACKAGE_REGISTRY)
if(NOT llama_FOUND)
  execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/fetch-llama
                  OUTPUT_VARIABLE fetched OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "llama.cpp is not installed and could not be fetched: install it, or name its prefix in "
                        "CMAKE_PREFIX_PATH")
  endif()
  file(GLOB llama_config ${fetched}/usr/lib/*/cmake/llama ${fetched}/usr/lib/cmake/llama)
  file(GLOB ggml_config ${fetched}/usr/lib/*/cmake/ggml ${fetched}/usr/lib/cmake/ggml)
  list(GET llama_config 0 llama_DIR)
  list(GET ggml_config 0 ggml_DIR)
  list(PREPEND CMAKE_PREFIX_PATH ${fetched}/usr)
  cmake_path(GET llama_DIR PARENT_PATH library_folder)
  cmake_path(GET library_folder PARENT_PATH library_folder)
  find_package(llama REQUIRED)

  set(FAKEQUANT_LLAMA_FETCHED ${fetched})
  set(FAKEQUANT_LLAMA_LIBRARIES ${library_folder})
  file(GLOB FAKEQUANT_BACKEND_DIR ${library_folder}/ggml/backends*)
  set(FAKEQUANT_LLAMA_TOOLS ${fetched}/usr/bin)
  set(FAKEQUANT_GGUF_PYTHON ${fetched}/usr/lib/python3/dist-packages)

  if(FAKEQUANT_TESTS)
    execute_process(COMMAND ${PROJECT_SOURCE_DIR}/scripts/fetch-llama --tests
                    OUTPUT_VARIABLE FAKEQUANT_ARCHITECTURES OUTPUT_STRIP_TRAILING_WHITESPACE)
  endif()

  # The fetched libraries need their own, newer C library, and so its loader.
  file(GLOB loader ${library_folder}/ld-linux*.so.* ${fetched}/usr/lib64/ld-linux*.so.*)
  list(GET loader 0 FAKEQUANT_LOADER)
  # (The run path is given to the linker directly: CMake would warn of each library that this machine has as well.)
  set(CMAKE_SKIP_RPATH ON)
  add_link_options(LINKER:--dynamic-linker=${FAKEQUANT_LOADER} LINKER:--allow-shlib-undefined LINKER:-rpath,${library_folder})
endif()

if(LLAMA_VERSION VERSION_LESS FAKEQUANT_LLAMA_OLDEST)
  message(FATAL_ERROR "llama.cpp ${LLAMA_VERSION} is too old: ${FAKEQUANT_LLAMA_OLDEST} or newer is needed")
endif()
if(NOT LLAMA_VERSION MATCHES "^${FAKEQUANT_LLAMA_TESTED}\\.")
  message(WARNING "llama.cpp ${LLAMA_VERSION} is not among the tested versions (${FAKEQUANT_LLAMA_TESTED}.x)")
endif()
message(STATUS "llama.cpp ${LLAMA_VERSION} in ${llama_DIR}")
