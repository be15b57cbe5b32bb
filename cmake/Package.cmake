# The Debian package, which `make deb` makes with CPack.
#
# It depends on the libraries of Debian that the program was linked with (PreparePackage.cmake). llama.cpp is among them
# where the program was built with Debian's; where scripts/fetch-llama fetched it, its libraries are in the package, in
# /usr/lib/fakequant (Install.cmake).
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME fakequant)
set(CPACK_PACKAGE_CONTACT "The developers of fakequant")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "simulated quantization of language models in GGUF files")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"fakequant rounds the values that you name to another number format, weights
in a GGUF file or activations while llama.cpp runs the model, and measures
what that changes: perplexity, KL divergence, answers, texts and speed. It
writes rounded and quantized models, finds the layers that are sensitive to
a format, and plans the best mix of formats for a size. The formats are BF16,
FP16, FP8 and any other small float, INT2 to INT16, the MX formats, NVFP4 and
ggml's types.
.
The libraries for C and C++, with their headers, are included.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/PreparePackage.cmake)
set(CPACK_STRIP_FILES ON)
file(WRITE ${PROJECT_BINARY_DIR}/package/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_BINARY_DIR}/package/triggers)
# The program names its loader by its path in the prefix: so it is installed there, below another root.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
include(CPack)
