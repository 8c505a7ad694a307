# `cmake --install build/release --prefix P`: the programs in P/bin; their models, page, documents and licences in
# P/share/rushes, where default_model() and default_web_root() of apps/rushes look. The page is taken from web/dist as it is
# at that moment; without it the server says so. The Python package has rules of its own (python/CMakeLists.txt).
option(RUSHES_INSTALL_LIBTORCH "Install libtorch's libraries too (about 440 MB), so that the prefix can be moved" OFF)

# Beside the program first, then where the linker found it: a prefix needs no second libtorch on the machine it is built on.
# The Python package's wheel gets it from site-packages instead: scikit-build sets SKBUILD in this very build folder, and
# the preset clears it again.
if(NOT SKBUILD)
  set_property(TARGET rushes APPEND PROPERTY INSTALL_RPATH "$ORIGIN/../lib/rushes" ${torch_dir}/lib ${torch_nvidia_lib_dirs})
endif()

install(TARGETS rushes RUNTIME)
if(TARGET rushes-find-face)
  install(TARGETS rushes-find-face RUNTIME)
endif()
if(TARGET rushes-run-onnx)
  install(TARGETS rushes-run-onnx RUNTIME)
endif()
install(DIRECTORY models/shipped-t2v models/shipped-talk models/shipped-ditto models/shipped-avatar models/shipped-foresight
        DESTINATION share/rushes/models)
if(RUSHES_PAGE)
  install(DIRECTORY web/dist/ DESTINATION share/rushes/web OPTIONAL)
endif()
install(FILES LICENSE NOTICE THIRD_PARTY.md DESTINATION share/rushes/licences)
install(FILES README.md CHANGELOG.md SECURITY.md DESTINATION share/rushes/doc)
install(DIRECTORY docs/ DESTINATION share/rushes/doc/docs)
# The wheel's CPU library needs the CUDA run time and its profiler also where there is no GPU.
file(GLOB libtorch_files ${torch_dir}/lib/libtorch_cpu.so ${torch_dir}/lib/libc10.so ${torch_dir}/lib/libgomp.so.1
     ${RUSHES_SITE_PACKAGES}/nvidia/*/lib/libcudart.so.* ${RUSHES_SITE_PACKAGES}/nvidia/*/lib/libcupti.so.*)
set(libtorch_install COMPONENT libtorch)
if(NOT RUSHES_INSTALL_LIBTORCH)
  list(APPEND libtorch_install EXCLUDE_FROM_ALL)  # packages ask for it by the component's name
endif()
install(FILES ${libtorch_files} DESTINATION lib/rushes ${libtorch_install})
