# What `cmake --install` puts where, in four components for four packages:
#   program      the hearth program, and what program.cmake adds
#   library      libhearth.so.0
#   models       libhearth-models.so.0
#   development  for both: headers, .so, .a, .pc, hearthConfig.cmake, manual pages

# An installed archive is one object in which only the public names are left, so that an internal
# one (buf_init, say) cannot meet a name of the program that links it.
set(archives)
function(hearth_pack_archive name prefix)
  set(object ${CMAKE_BINARY_DIR}/package/${name}.o)
  set(archive ${CMAKE_BINARY_DIR}/package/${name}.a)
  add_custom_command(OUTPUT ${archive}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/package
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_LINKER} -r -o ${object} ${ARGN}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden --wildcard --keep-global-symbol=${prefix}* ${object}
    COMMAND ${CMAKE_AR} qc ${archive} ${object}
    COMMAND ${CMAKE_RANLIB} ${archive}
    DEPENDS ${ARGN}
    COMMAND_EXPAND_LISTS VERBATIM COMMENT "Packing ${name}.a")
  set(archives ${archives} ${archive} PARENT_SCOPE)
endfunction()
hearth_pack_archive(libhearth hearth_ $<TARGET_OBJECTS:hearth_objects>)
file(GLOB HEARTH_HEADERS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/hearth/*.h)
set(descriptions hearth)
set(libraries hearth_shared)
if(HEARTH_PROGRAMS)
  hearth_pack_archive(libhearth-models hearth_models_ ${HEARTH_MODELS_OBJECTS})
  list(APPEND descriptions hearth-models)
  list(APPEND libraries hearth_models_shared)
else()
  list(FILTER HEARTH_HEADERS EXCLUDE REGEX "/models\\.h$")
endif()

add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/package/man.stamp
  COMMAND ${CMAKE_SOURCE_DIR}/tools/header_man ${PROJECT_VERSION}
    ${CMAKE_BINARY_DIR}/package/man3 ${HEARTH_HEADERS}
  COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/package/man.stamp
  DEPENDS ${HEARTH_HEADERS} ${CMAKE_SOURCE_DIR}/tools/header_man
  VERBATIM COMMENT "Writing manual pages")
add_custom_target(hearth_package ALL DEPENDS ${archives} ${CMAKE_BINARY_DIR}/package/man.stamp
  ${libraries})

# Both descriptions find the tree from where they lie, so that it may be moved or staged.
set(HEARTH_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/hearth)
set(HEARTH_PC_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH HEARTH_PC_TO_PREFIX /${HEARTH_PC_DIR} /)
string(REGEX REPLACE "/$" "" HEARTH_PC_TO_PREFIX "${HEARTH_PC_TO_PREFIX}")
foreach(name ${descriptions})
  configure_file(cmake/package/${name}.pc.in ${CMAKE_BINARY_DIR}/package/${name}.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/package/${name}.pc DESTINATION ${HEARTH_PC_DIR}
    COMPONENT development)
endforeach()
include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/package/hearthConfig.cmake.in
  ${CMAKE_BINARY_DIR}/package/hearthConfig.cmake INSTALL_DESTINATION ${HEARTH_CMAKE_DIR}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR NO_SET_AND_CHECK_MACRO
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/hearthConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)

install(TARGETS hearth_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  NAMELINK_COMPONENT development)
if(HEARTH_PROGRAMS)
  install(TARGETS hearth RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
  install(TARGETS hearth_models_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT models
    NAMELINK_COMPONENT development)
endif()
install(FILES ${archives} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(FILES ${HEARTH_HEADERS} ${CMAKE_SOURCE_DIR}/include/hearth/sampler_options.def
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/hearth COMPONENT development)
install(FILES ${CMAKE_BINARY_DIR}/package/hearthConfig.cmake
  ${CMAKE_BINARY_DIR}/package/hearthConfigVersion.cmake DESTINATION ${HEARTH_CMAKE_DIR}
  COMPONENT development)
install(DIRECTORY ${CMAKE_BINARY_DIR}/package/man3 DESTINATION ${CMAKE_INSTALL_MANDIR}
  COMPONENT development)

# The Debian packages of these components; program.cmake has the program's, and what all share.
set(version "(= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libhearth0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_DESCRIPTION "runs language models from GGUF files, as a library
The engine of hearth inside a program of one's own: text, chats with tools, embeddings.")
set(CPACK_DEBIAN_MODELS_PACKAGE_NAME libhearth-models0)
set(CPACK_DEBIAN_MODELS_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_MODELS_PACKAGE_DEPENDS "libhearth0 ${version}")
set(CPACK_DEBIAN_MODELS_DESCRIPTION "manages the language models of this computer, as a library
A list of the GGUF files that are here; import, download, removal; and the one that is active.")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libhearth-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "libhearth0 ${version}, libhearth-models0 ${version}, \
libpcre2-dev, libutf8proc-dev, libjansson-dev, libcurl4-openssl-dev | libcurl-dev, libyaml-dev, libssl-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "headers and static libraries of libhearth and libhearth-models
What programs are built with that run language models, or manage those of this computer.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR}/lib)
