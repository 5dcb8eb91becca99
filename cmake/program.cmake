# What belongs to the program on a system beside its file: manual pages and completions, which it writes itself, the
# service, and the Debian package (cpack -G DEB).
set(pages ${CMAKE_BINARY_DIR}/package)
add_custom_command(OUTPUT ${pages}/pages.stamp
  COMMAND ${CMAKE_COMMAND} -E make_directory ${pages}/man1
  COMMAND hearth man ${pages}/man1
  COMMAND sh -c "gzip -9nf '${pages}'/man1/*.1"
  COMMAND hearth completions bash > ${pages}/hearth.bash
  COMMAND hearth completions zsh > ${pages}/_hearth
  COMMAND hearth completions fish > ${pages}/hearth.fish
  COMMAND ${CMAKE_COMMAND} -E touch ${pages}/pages.stamp
  DEPENDS hearth VERBATIM)
add_custom_target(hearth_pages DEPENDS ${pages}/pages.stamp)

install(DIRECTORY ${pages}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT program)
install(FILES ${pages}/hearth.bash RENAME hearth COMPONENT program
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${pages}/_hearth COMPONENT program
  DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${pages}/hearth.fish COMPONENT program
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
# Whose the program is, and whose the libraries in its page.
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE RENAME copyright COMPONENT program
  DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/hearth)
install(FILES ${CMAKE_SOURCE_DIR}/ui/dist/licenses.txt RENAME licenses-of-the-page OPTIONAL
  COMPONENT program DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/hearth)
install(FILES ${CMAKE_SOURCE_DIR}/packaging/hearth.sysusers RENAME hearth.conf COMPONENT program
  DESTINATION lib/sysusers.d)
# The prefix is known when it is installed, and not before.
set(unit ${CMAKE_SOURCE_DIR}/packaging/hearth.service)
install(CODE "
  file(READ \"${unit}\" text)
  string(REPLACE \"@BINDIR@\" \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\" text \"\${text}\")
  set(to \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/lib/systemd/system/hearth.service\")
  file(WRITE \"\${to}\" \"\${text}\")
  message(STATUS \"Installing: \${to}\")
" COMPONENT program)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME hearth)
set(CPACK_PACKAGE_CONTACT "The Hearth developers <hearth@localhost>")
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "runs language models on this computer
An inference engine for GGUF models, a server with the APIs of OpenAI,
Anthropic, llama-server and Ollama, and a page to chat with. The service
hearth runs it under a user of its own: systemctl enable --now hearth")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program library models development)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME hearth)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/packaging/debian/postinst
  ${CMAKE_SOURCE_DIR}/packaging/debian/prerm ${CMAKE_SOURCE_DIR}/packaging/debian/postrm)
include(CPack)
