# Writes a C file that holds the page (ui/dist, as `npm run build` leaves it): every file as it is and
# gzipped, with its type and a tag of its contents. Without a built page the table is empty.
# ui_assets(OUT) sets OUT to the file. Runs when CMake does, and again when a file changes.
function(ui_assets out)
  set(dist ${CMAKE_SOURCE_DIR}/ui/dist)
  set(folder ${CMAKE_BINARY_DIR}/ui_assets)
  set(source ${folder}/assets.c)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${dist} ${dist}/*)
  list(FILTER files EXCLUDE REGEX "\\.(map|gz|br)$")
  find_program(GZIP gzip REQUIRED)
  file(MAKE_DIRECTORY ${folder})
  set(symbols "")
  set(externs "")
  set(rows "")
  set(depends "")
  set(i 0)
  foreach(file ${files})
    set(path ${dist}/${file})
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
    execute_process(COMMAND ${GZIP} -9nc ${path} OUTPUT_FILE ${folder}/${i}.gz
      COMMAND_ERROR_IS_FATAL ANY)
    list(APPEND depends ${path} ${folder}/${i}.gz)
    file(SHA256 ${path} sum)
    string(SUBSTRING ${sum} 0 16 sum)
    string(REGEX MATCH "[^.]*$" extension ${file})
    set(type "application/octet-stream")
    foreach(known "html;text/html\\; charset=utf-8" "js;text/javascript\\; charset=utf-8"
        "mjs;text/javascript\\; charset=utf-8" "css;text/css\\; charset=utf-8" "svg;image/svg+xml"
        "png;image/png" "ico;image/x-icon" "webp;image/webp" "json;application/json"
        "webmanifest;application/manifest+json" "woff2;font/woff2" "wasm;application/wasm"
        "txt;text/plain\\; charset=utf-8")
      list(GET known 0 name)
      if(name STREQUAL extension)
        list(GET known 1 type)
      endif()
    endforeach()
    foreach(kind "${i}_raw;${path}" "${i}_gzip;${folder}/${i}.gz")
      list(GET kind 0 name)
      list(GET kind 1 from)
      string(APPEND symbols "        \".globl asset_${name}\\nasset_${name}:\\n.incbin \\\"${from}\\\"\\n"
        ".globl asset_${name}_end\\nasset_${name}_end:\\n.byte 0\\n\"\n")
      string(APPEND externs "extern const unsigned char asset_${name}[], asset_${name}_end[];\n")
    endforeach()
    string(APPEND rows "    {\"/${file}\", \"${type}\", \"\\\"${sum}\\\"\", asset_${i}_raw, asset_${i}_raw_end,\n"
      "     asset_${i}_gzip, asset_${i}_gzip_end},\n")
    math(EXPR i "${i} + 1")
  endforeach()
  if(i EQUAL 0)
    set(text "const asset assets[1];\n")
    message(STATUS "ui/dist is not there: the program gets no page")
  else()
    set(text "__asm__(\".section .rodata\\n\"\n${symbols}        \".previous\\n\");\n${externs}const asset assets[] = {\n${rows}};\n")
  endif()
  file(CONFIGURE OUTPUT ${source} CONTENT
    "/* Made by cmake/ui_assets.cmake. */\n#include \"gateway/assets.h\"\n\n${text}const size_t n_assets = ${i};\n" @ONLY)
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${depends}")
  set(${out} ${source} PARENT_SCOPE)
endfunction()
