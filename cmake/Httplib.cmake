# Finds cpp-httplib: its own CMake package, Debian's library, or the header alone. Makes the target fakequant_httplib.
#
# Debian's library is compiled with OpenSSL, zlib and Brotli, and the header has to see the same: classes have other
# sizes otherwise.
add_library(fakequant_httplib INTERFACE)
find_package(httplib QUIET)
if(httplib_FOUND)
  target_link_libraries(fakequant_httplib INTERFACE httplib::httplib)
else()
  find_path(HTTPLIB_INCLUDE httplib.h REQUIRED)
  find_library(HTTPLIB_LIBRARY cpp-httplib)
  target_include_directories(fakequant_httplib SYSTEM INTERFACE ${HTTPLIB_INCLUDE})
  if(HTTPLIB_LIBRARY)
    find_package(OpenSSL REQUIRED COMPONENTS SSL)
    target_link_libraries(fakequant_httplib INTERFACE ${HTTPLIB_LIBRARY} OpenSSL::SSL)
    target_compile_definitions(fakequant_httplib INTERFACE
      CPPHTTPLIB_OPENSSL_SUPPORT CPPHTTPLIB_ZLIB_SUPPORT CPPHTTPLIB_BROTLI_SUPPORT)
  endif()
endif()
find_package(Threads REQUIRED)
target_link_libraries(fakequant_httplib INTERFACE Threads::Threads)
