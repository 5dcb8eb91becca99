# What `cmake --install` puts where, in three components for three packages:
#   program      the hearth program, and what program.cmake adds
#   library      libhearth.so.0
#   development  headers, libhearth.so, libhearth.a, hearth.pc, hearthConfig.cmake, manual pages

# The installed archive is one object in which only the public names are left, so that an internal
# one (buf_init, say) cannot meet a name of the program that links it.
set(archive ${CMAKE_BINARY_DIR}/package/libhearth.a)
add_custom_command(OUTPUT ${archive}
  COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/package
  COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
  COMMAND ${CMAKE_LINKER} -r -o ${CMAKE_BINARY_DIR}/package/hearth.o $<TARGET_OBJECTS:hearth_objects>
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${CMAKE_BINARY_DIR}/package/hearth.o
  COMMAND ${CMAKE_AR} qc ${archive} ${CMAKE_BINARY_DIR}/package/hearth.o
  COMMAND ${CMAKE_RANLIB} ${archive}
  DEPENDS hearth_objects $<TARGET_OBJECTS:hearth_objects>
  COMMAND_EXPAND_LISTS VERBATIM COMMENT "Packing libhearth.a")

file(GLOB HEARTH_HEADERS CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/hearth/*.h)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/package/man.stamp
  COMMAND ${CMAKE_SOURCE_DIR}/tools/header_man ${PROJECT_VERSION}
    ${CMAKE_BINARY_DIR}/package/man3 ${HEARTH_HEADERS}
  COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/package/man.stamp
  DEPENDS ${HEARTH_HEADERS} ${CMAKE_SOURCE_DIR}/tools/header_man
  VERBATIM COMMENT "Writing manual pages")
add_custom_target(hearth_package ALL DEPENDS ${archive} ${CMAKE_BINARY_DIR}/package/man.stamp)

# Both descriptions find the tree from where they lie, so that it may be moved or staged.
set(HEARTH_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/hearth)
set(HEARTH_PC_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH HEARTH_PC_TO_PREFIX /${HEARTH_PC_DIR} /)
string(REGEX REPLACE "/$" "" HEARTH_PC_TO_PREFIX "${HEARTH_PC_TO_PREFIX}")
configure_file(cmake/package/hearth.pc.in ${CMAKE_BINARY_DIR}/package/hearth.pc @ONLY)
include(CMakePackageConfigHelpers)
configure_package_config_file(cmake/package/hearthConfig.cmake.in
  ${CMAKE_BINARY_DIR}/package/hearthConfig.cmake INSTALL_DESTINATION ${HEARTH_CMAKE_DIR}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR NO_SET_AND_CHECK_MACRO
  NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/package/hearthConfigVersion.cmake
  VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)

install(TARGETS hearth RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
install(TARGETS hearth_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  NAMELINK_COMPONENT development)
install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/hearth DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT development)
install(FILES ${CMAKE_BINARY_DIR}/package/hearth.pc DESTINATION ${HEARTH_PC_DIR}
  COMPONENT development)
install(FILES ${CMAKE_BINARY_DIR}/package/hearthConfig.cmake
  ${CMAKE_BINARY_DIR}/package/hearthConfigVersion.cmake DESTINATION ${HEARTH_CMAKE_DIR}
  COMPONENT development)
install(DIRECTORY ${CMAKE_BINARY_DIR}/package/man3 DESTINATION ${CMAKE_INSTALL_MANDIR}
  COMPONENT development)
