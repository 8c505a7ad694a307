# `tools/package deb`, or `cpack --config build/release/CPackConfig.cmake`: a Debian package of what is installed, with
# libtorch and packaging/debian. CPack compiles nothing: build the target `rushes` and the page before.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME rushes)
set(CPACK_PACKAGE_CONTACT "rushes maintainers <rushes@localhost>" CACHE STRING "maintainer in packages, as NAME <ADDRESS>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "streaming server for video that is still being generated")
set(CPACK_PACKAGE_DESCRIPTION "rushes generates video block by block from text, pictures and speech, and
serves it while it is generated: to browsers, by HLS, WebSocket, WebRTC, RTMP
and growing MP4. Small models, the page and libtorch for the CPU are included.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES OFF)  # stage.cmake does, of what was compiled here
# libtorch is a component that `cmake --install` leaves out.
set(CPACK_INSTALL_CMAKE_PROJECTS "${CMAKE_BINARY_DIR};rushes;ALL;/;${CMAKE_BINARY_DIR};rushes;libtorch;/")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION video)
set(CPACK_DEBIAN_COMPRESSION_TYPE zstd)  # half a gigabyte of libtorch in two seconds instead of two minutes
set(CPACK_THREADS 0)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS adduser)
# WebRTC, faces in portraits, and text that is spoken: without them the server says what it lacks.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "gstreamer1.0-plugins-base, gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad, gstreamer1.0-nice, opencv-data, libespeak-ng1, espeak-ng-data")
set(debian_files ${CMAKE_SOURCE_DIR}/packaging/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${debian_files}/conffiles ${debian_files}/postinst ${debian_files}/prerm ${debian_files}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS ${debian_files}/stage.cmake)
set(CPACK_RUSHES_SOURCE_DIR ${CMAKE_SOURCE_DIR})
set(CPACK_RUSHES_SITE_PACKAGES ${RUSHES_SITE_PACKAGES})
include(CPack)
