# What `cmake --install` puts into a prefix beside the program and the libraries: manual pages, completions for shells,
# recipes, documents, and, where scripts/fetch-llama fetched llama.cpp, its libraries.
#
# Manual pages and completions are made of the program's help when it is installed, by Python 3.

set(command_reference ${PROJECT_BINARY_DIR}/command-reference)
if(FAKEQUANT_PYTHON)
  install(CODE "
    file(REMOVE_RECURSE ${command_reference})
    execute_process(COMMAND ${FAKEQUANT_PYTHON} ${PROJECT_SOURCE_DIR}/scripts/command-reference $<TARGET_FILE:fakequant>
                            ${command_reference} COMMAND_ERROR_IS_FATAL ANY)")
  install(DIRECTORY ${command_reference}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR})
  install(FILES ${command_reference}/bash-completion/fakequant DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
  install(FILES ${command_reference}/zsh/_fakequant DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES ${command_reference}/fish/fakequant.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
else()
  install(CODE "message(STATUS \"No manual pages and completions: they are made by Python 3, which is not there\")")
endif()

install(DIRECTORY recipes DESTINATION ${CMAKE_INSTALL_DATADIR}/fakequant)
install(PROGRAMS scripts/slurm-sweep DESTINATION ${CMAKE_INSTALL_DATADIR}/fakequant)
install(FILES LICENSE README.md README.zh-TW.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})

# For find_package(fakequant): the targets fakequant::fakequant and fakequant::formats of the libraries that were built.
if(TARGET fakequant_api OR TARGET fakequant_formats)
  set(config ${CMAKE_INSTALL_LIBDIR}/cmake/fakequant)
  install(EXPORT fakequant NAMESPACE fakequant:: DESTINATION ${config} FILE fakequantConfig.cmake)
  include(CMakePackageConfigHelpers)
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/fakequantConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/fakequantConfigVersion.cmake DESTINATION ${config})
endif()

if(FAKEQUANT_LLAMA_FETCHED)
  # The program needs the loader and the C library that llama.cpp was built for: so they come along, in a folder of their
  # own, where nothing else finds them.
  find_program(FAKEQUANT_PATCHELF patchelf REQUIRED)
  install(CODE "
    set(program $<TARGET_FILE:fakequant>)
    set(libdir ${CMAKE_INSTALL_LIBDIR})
    set(fetched ${FAKEQUANT_LLAMA_FETCHED})
    set(fetched_libraries ${FAKEQUANT_LLAMA_LIBRARIES})
    set(bin ${CMAKE_INSTALL_BINDIR})
    set(private ${FAKEQUANT_PRIVATE_DIR})
    set(doc ${CMAKE_INSTALL_DOCDIR})
    set(patchelf ${FAKEQUANT_PATCHELF})")
  install(SCRIPT cmake/InstallLlama.cmake)
endif()
