# Makes what was installed a Debian package's content, and finds the packages that it depends on.
#
# CPack runs it before it packs what is below CPACK_TEMPORARY_DIRECTORY.
set(root ${CPACK_TEMPORARY_DIRECTORY}/usr)
file(RENAME ${root}/share/doc/fakequant/LICENSE ${root}/share/doc/fakequant/copyright)
file(GLOB pages ${root}/share/man/man1/*.1)
if(pages)
  execute_process(COMMAND gzip -9n ${pages} COMMAND_ERROR_IS_FATAL ANY)
endif()

# The packages are those of the libraries that the program and the libraries load. (CPack would also ask what the libraries
# in the package need: a C library wants its own loader, of exactly its version.)
set(work ${CPACK_TOPLEVEL_DIRECTORY}/depends)
file(WRITE ${work}/debian/control "Source: fakequant\n\nPackage: fakequant\nArchitecture: any\n")
file(GLOB binaries ${root}/bin/* ${root}/lib/*.so.*.*.*)
execute_process(
  COMMAND dpkg-shlibdeps -O --ignore-missing-info -l${root}/lib/fakequant ${binaries}
  WORKING_DIRECTORY ${work} OUTPUT_VARIABLE depends ERROR_VARIABLE said COMMAND_ERROR_IS_FATAL ANY)
if(NOT depends MATCHES "shlibs:Depends=([^\n]+)")
  message(FATAL_ERROR "dpkg-shlibdeps found no dependencies: ${said}")
endif()
set(CPACK_DEBIAN_PACKAGE_DEPENDS "${CMAKE_MATCH_1}")
