# Builds the pages, those of `report` and of the playground, and writes FOLDER/page_template.cc, the source that puts them
# into the program; FOLDER/page.built when all went well. Without npm, or where npm fails, the source says so instead (with WANTED=ON it is an error).
#
# Usage: cmake -DNPM=PATH -DWANTED=AUTO|ON|OFF -DWEB=FOLDER -DFOLDER=FOLDER -P BuildPage.cmake

# All are written as C++ raw strings.
function(write_source report playground missing)
  set(functions "")
  foreach(page "page_template" "playground_page")
    set(html "${report}")
    if(page STREQUAL "playground_page")
      set(html "${playground}")
    endif()
    string(APPEND functions
      "const PageTemplate& ${page}() {\n"
      "  static const PageTemplate page{R\"fakequant_page(${html})fakequant_page\", R\"fakequant_page(${missing})fakequant_page\"};\n"
      "  return page;\n}\n\n")
  endforeach()
  file(WRITE ${FOLDER}/page_template.cc.new
    "// Made by cmake/BuildPage.cmake.\n"
    "#include \"report/page_template.h\"\n\n"
    "namespace fakequant {\n\n${functions}}  // namespace fakequant\n")
  file(COPY_FILE ${FOLDER}/page_template.cc.new ${FOLDER}/page_template.cc ONLY_IF_DIFFERENT)
  file(REMOVE ${FOLDER}/page_template.cc.new)
endfunction()

function(give_up why)
  write_source("" "" "this fakequant was built without the page: ${why}")
endfunction()

function(run_npm result)
  execute_process(COMMAND ${NPM} ${ARGN} WORKING_DIRECTORY ${WEB} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
  set(${result} ${status} PARENT_SCOPE)
  if(NOT status EQUAL 0)
    if(WANTED STREQUAL ON)
      message(FATAL_ERROR "npm ${ARGN} failed:\n${said}")
    endif()
    message(WARNING "The program will be without the page, because npm ${ARGV1} failed:\n${said}")
  endif()
endfunction()

file(REMOVE ${FOLDER}/page.built)
if(NOT NPM)
  if(WANTED STREQUAL OFF)
    give_up("that was asked for (FAKEQUANT_PAGE=OFF): build it with FAKEQUANT_PAGE=AUTO")
  else()
    give_up("there was no npm: install Node.js 18 or later with npm, and build it again")
  endif()
  file(TOUCH ${FOLDER}/page.built)  # more cannot be done before CMake runs again
  return()
endif()

# What npm installed last is newer than the list of it.
if(NOT EXISTS ${WEB}/node_modules/.package-lock.json OR ${WEB}/package-lock.json IS_NEWER_THAN ${WEB}/node_modules/.package-lock.json)
  run_npm(status ci --no-progress --prefer-offline --fetch-retries=1 --fetch-retry-mintimeout=1000 --fetch-retry-maxtimeout=3000)
  if(NOT status EQUAL 0)
    give_up("npm could not install what it is made with: see that the network is there, and build it again")
    return()
  endif()
endif()
foreach(page index playground)
  run_npm(status run build -- --mode ${page} --outDir ${FOLDER}/${page} --emptyOutDir --logLevel warn)
  if(NOT status EQUAL 0)
    give_up("Vite could not build it: see the build's warnings")
    return()
  endif()
  file(READ ${FOLDER}/${page}/${page}.html ${page})
endforeach()
write_source("${index}" "${playground}" "")
file(TOUCH ${FOLDER}/page.built)
