# Installs the libraries of llama.cpp that scripts/fetch-llama fetched, and tells the installed program, and the library for
# C++ where there is one, to use them.
#
# It is run by `cmake --install`, where Install.cmake has set: `program`, as built; `fetched` and `fetched_libraries`, the
# folder that was fetched and the one of its libraries; `bin`, `libdir`, `private` and `doc`, folders of the prefix for
# programs, libraries, these libraries and documents; `patchelf`.
if(IS_ABSOLUTE "${bin}" OR IS_ABSOLUTE "${private}")
  message(FATAL_ERROR "CMAKE_INSTALL_BINDIR and CMAKE_INSTALL_LIBDIR have to be relative to the prefix")
endif()

# What the program and ggml's back ends load, as far as it was fetched. Programs of the system never use it.
file(GLOB backends RELATIVE ${fetched_libraries} ${fetched_libraries}/ggml/*/*.so)
list(TRANSFORM backends PREPEND ${fetched_libraries}/ OUTPUT_VARIABLE backend_files)
file(GET_RUNTIME_DEPENDENCIES
  EXECUTABLES ${program} LIBRARIES ${backend_files}
  RESOLVED_DEPENDENCIES_VAR loaded UNRESOLVED_DEPENDENCIES_VAR missing CONFLICTING_DEPENDENCIES_PREFIX conflicts)
if(missing)
  message(FATAL_ERROR "These libraries are missing: ${missing}")
endif()
set(libraries "")
foreach(library ${loaded} ${conflicts_FILENAMES})
  cmake_path(GET library FILENAME name)
  if(EXISTS ${fetched_libraries}/${name})
    list(APPEND libraries ${fetched_libraries}/${name})
  endif()
endforeach()
file(GLOB loader ${fetched_libraries}/ld-linux*.so.* ${fetched}/usr/lib64/ld-linux*.so.*)
list(GET loader 0 loader)

set(destination ${CMAKE_INSTALL_PREFIX}/${private})
file(INSTALL ${libraries} ${loader} DESTINATION ${destination} USE_SOURCE_PERMISSIONS FOLLOW_SYMLINK_CHAIN)
foreach(backend ${backends})
  cmake_path(GET backend PARENT_PATH folder)
  file(INSTALL ${fetched_libraries}/${backend} DESTINATION ${destination}/${folder} USE_SOURCE_PERMISSIONS)
endforeach()

# Their licences. Folders that were fetched by earlier versions are without.
file(GLOB licences ${fetched}/usr/share/doc/*/copyright)
if(NOT licences)
  message(WARNING "The licences of llama.cpp's libraries were not fetched: run scripts/fetch-llama --force before you pass this on")
endif()
foreach(licence ${licences})
  cmake_path(GET licence PARENT_PATH package)
  cmake_path(GET package FILENAME package)
  file(INSTALL ${licence} DESTINATION ${CMAKE_INSTALL_PREFIX}/${doc}/licences RENAME ${package})
endforeach()

# The loader's path cannot be relative; that of the libraries can.
cmake_path(GET loader FILENAME loader)
file(RELATIVE_PATH from_program /${bin} /${private})
execute_process(
  COMMAND ${patchelf} --set-interpreter ${destination}/${loader} --set-rpath "\$ORIGIN/${from_program}"
          $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/${bin}/fakequant
  COMMAND_ERROR_IS_FATAL ANY)

file(GLOB for_cpp $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/${libdir}/libfakequant.so.*.*.*)
if(for_cpp)
  file(RELATIVE_PATH from_library /${libdir} /${private})
  execute_process(COMMAND ${patchelf} --set-rpath "\$ORIGIN/${from_library}" ${for_cpp} COMMAND_ERROR_IS_FATAL ANY)
endif()
