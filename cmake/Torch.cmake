# libtorch from the PyPI wheel, linked by path: TorchConfig.cmake would drag in CUDA and MKL checks that a CPU
# build does not need. `tools/setup` puts the wheel into .deps/venv; RUSHES_SITE_PACKAGES points elsewhere.
file(GLOB rushes_default_site ${CMAKE_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages)
set(RUSHES_SITE_PACKAGES "${rushes_default_site}" CACHE PATH "folder that holds torch/ and nvidia/")
set(torch_dir ${RUSHES_SITE_PACKAGES}/torch)
if(NOT EXISTS ${torch_dir}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "libtorch not found under '${RUSHES_SITE_PACKAGES}'. Run tools/setup, or set RUSHES_SITE_PACKAGES "
                      "to a Python site-packages folder with torch==2.11.0.")
endif()
file(GLOB torch_nvidia_lib_dirs ${RUSHES_SITE_PACKAGES}/nvidia/*/lib)

file(STRINGS ${torch_dir}/version.py RUSHES_TORCH_VERSION REGEX "^__version__")
string(REGEX REPLACE ".*'(.*)'.*" "\\1" RUSHES_TORCH_VERSION "${RUSHES_TORCH_VERSION}")

add_library(torch_wheel INTERFACE)
# After the system's folders: the wheel brings its own copies of fmt and others, which must not shadow Debian's.
target_compile_options(torch_wheel INTERFACE "SHELL:-idirafter ${torch_dir}/include")
# A slip to the heavy ATen/ATen.h or torch/torch.h becomes a compile error.
target_compile_definitions(torch_wheel INTERFACE AT_PER_OPERATOR_HEADERS TORCH_ASSERT_ONLY_METHOD_OPERATORS)
# -fopenmp at compile time only: at::parallel_for is serial without it; the wheel's own libgomp serves at link time.
# Clang, which only the asan preset uses, has no omp.h on Debian: their loops are serial.
target_compile_options(torch_wheel INTERFACE $<$<CXX_COMPILER_ID:GNU>:-fopenmp> $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
target_link_libraries(torch_wheel INTERFACE ${torch_dir}/lib/libtorch_cpu.so ${torch_dir}/lib/libc10.so
                                            ${torch_dir}/lib/libgomp.so.1)
target_link_options(torch_wheel INTERFACE -Wl,--allow-shlib-undefined)
if(RUSHES_CUDA)
  target_link_options(torch_wheel INTERFACE -Wl,--no-as-needed)
  target_link_libraries(torch_wheel INTERFACE ${torch_dir}/lib/libtorch_cuda.so ${torch_dir}/lib/libc10_cuda.so)
  target_compile_definitions(torch_wheel INTERFACE RUSHES_CUDA)
endif()
list(APPEND CMAKE_BUILD_RPATH ${torch_dir}/lib ${torch_nvidia_lib_dirs})
