# Instruction sets as RUSHES_ISA names them (base/instruction_set.h), and those that the processor here has: the tests run
# where they are built.
set(rushes_instruction_sets avx2 avx512 avx512_bf16)
set(rushes_own_instruction_sets avx2)
file(STRINGS /proc/cpuinfo cpu_flags REGEX "^flags" LIMIT_COUNT 1)
if(cpu_flags MATCHES " avx512f " AND cpu_flags MATCHES " avx512bw " AND cpu_flags MATCHES " avx512dq " AND cpu_flags MATCHES " avx512vl ")
  list(APPEND rushes_own_instruction_sets avx512)
  if(cpu_flags MATCHES " avx512_bf16 ")
    list(APPEND rushes_own_instruction_sets avx512_bf16)
  endif()
endif()

# As the program itself does (apps/rushes/main.cpp): threads of libgomp that spin for long after each loop make tests side
# by side ten times slower than one after the other.
set(short_spins GOMP_SPINCOUNT=1000)

# rushes_library(NAME SOURCES ... [TESTS ...] [BENCHES ...] [DEPENDS PUBLIC ... PRIVATE ...] [NO_TORCH] [EVERY_ISA]
#                [SHARDS N])
# One static target per folder (or part of a folder), alias rushes::NAME; NAME_test and NAME_bench from the files
# beside the sources. NO_TORCH: the folder must not see libtorch (base, media, delivery, server). EVERY_ISA: the tests
# run once without a limit, as NAME, which is with the widest set that the processor has, and once with each narrower one,
# as NAME_avx2 and so on; ctest sums up their time by set, and names those that the processor lacks as disabled.
# SHARDS: tests that mostly wait run as N parts side by side, NAME_1 to NAME_N.
function(rushes_library name)
  cmake_parse_arguments(arg "NO_TORCH;EVERY_ISA" "SHARDS" "SOURCES;TESTS;BENCHES;DEPENDS" ${ARGN})
  add_library(rushes_${name} STATIC ${arg_SOURCES})
  add_library(rushes::${name} ALIAS rushes_${name})
  target_include_directories(rushes_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  if(arg_DEPENDS)
    target_link_libraries(rushes_${name} ${arg_DEPENDS})
  endif()
  if(NOT arg_NO_TORCH)
    target_link_libraries(rushes_${name} PUBLIC torch_wheel)
    target_precompile_headers(rushes_${name} REUSE_FROM rushes_torch_pch)
  endif()
  if(arg_TESTS AND RUSHES_TESTS)
    add_executable(${name}_test ${arg_TESTS})
    target_link_libraries(${name}_test PRIVATE rushes_${name} GTest::gtest GTest::gmock GTest::gtest_main)
    rushes_test_flags(${name}_test)
    if(arg_NO_TORCH)
      target_precompile_headers(${name}_test REUSE_FROM rushes_test_pch)
    else()
      target_precompile_headers(${name}_test REUSE_FROM rushes_torch_test_pch)
    endif()
    target_compile_definitions(${name}_test PRIVATE RUSHES_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    if(arg_SHARDS)
      foreach(shard RANGE 1 ${arg_SHARDS})
        math(EXPR index "${shard} - 1")
        add_test(NAME ${name}_${shard} COMMAND ${name}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
        set_tests_properties(${name}_${shard} PROPERTIES TIMEOUT 1200
          ENVIRONMENT "GTEST_TOTAL_SHARDS=${arg_SHARDS};GTEST_SHARD_INDEX=${index};${short_spins}")
      endforeach()
    else()
      add_test(NAME ${name} COMMAND ${name}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
      set_tests_properties(${name} PROPERTIES TIMEOUT 1200 ENVIRONMENT "${short_spins}")
    endif()
    if(arg_EVERY_ISA)
      list(GET rushes_own_instruction_sets -1 widest)
      set_tests_properties(${name} PROPERTIES LABELS ${widest})
      set(narrower ${rushes_instruction_sets})
      list(REMOVE_ITEM narrower ${widest})
      # The same with every set: memory, and pipelines in bfloat16, whose every module has a case of its own.
      set(on_widest_only "*takes_about_the_memory_that*:*passes_in_bfloat16/*_pipeline*")
      foreach(set IN LISTS narrower)
        add_test(NAME ${name}_${set} COMMAND ${name}_test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
        set_tests_properties(${name}_${set} PROPERTIES TIMEOUT 1200 LABELS ${set}
          ENVIRONMENT "RUSHES_ISA=${set};GTEST_FILTER=-${on_widest_only};${short_spins}")
        if(NOT set IN_LIST rushes_own_instruction_sets)
          set_tests_properties(${name}_${set} PROPERTIES DISABLED TRUE)
        endif()
      endforeach()
    endif()
  endif()
  if(arg_BENCHES AND RUSHES_BENCHES)
    add_executable(${name}_bench ${arg_BENCHES})
    target_link_libraries(${name}_bench PRIVATE rushes_${name} benchmark::benchmark_main)
    if(NOT arg_NO_TORCH)
      target_precompile_headers(${name}_bench REUSE_FROM rushes_torch_pch)
    endif()
  endif()
endfunction()

# rushes_part(LIBRARY SOURCES ... [TESTS ...] [DEPENDS PUBLIC ... PRIVATE ...])
# More files of rushes_LIBRARY and LIBRARY_test, from a folder below theirs: a family's. Its files stay beside their list.
function(rushes_part library)
  cmake_parse_arguments(arg "" "" "SOURCES;TESTS;DEPENDS" ${ARGN})
  target_sources(rushes_${library} PRIVATE ${arg_SOURCES})
  if(arg_DEPENDS)
    target_link_libraries(rushes_${library} ${arg_DEPENDS})
  endif()
  if(arg_TESTS AND TARGET ${library}_test)
    target_sources(${library}_test PRIVATE ${arg_TESTS})
  endif()
endfunction()

# rushes_add_folders(PATTERN): each folder that fits and has a CMakeLists.txt, so that a new family needs no line here.
function(rushes_add_folders pattern)
  file(GLOB lists CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${pattern}/CMakeLists.txt)
  foreach(list IN LISTS lists)
    get_filename_component(folder ${list} DIRECTORY)
    add_subdirectory(${folder})
  endforeach()
endfunction()

# rushes_embed(FILE NAME HEADER): a header with the text of a file as the constant NAME.
function(rushes_embed file name header)
  add_custom_command(OUTPUT ${header}
    COMMAND ${CMAKE_COMMAND} -DINPUT=${CMAKE_CURRENT_SOURCE_DIR}/${file} -DNAME=${name} -DOUTPUT=${header}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake
    DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/embed_text.cmake VERBATIM)
endfunction()

# rushes_openapi(LIBRARY [PAGE]): puts the openapi.json of this folder into the library, as
# "rushes/server/api/FOLDER/openapi.json.h", and so a page, whose constant is kDemoPage.
function(rushes_openapi library)
  get_filename_component(api ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  set(folder ${CMAKE_BINARY_DIR}/openapi/rushes/server/api/${api})
  set(headers ${folder}/openapi.json.h)
  rushes_embed(openapi.json kOpenApi ${folder}/openapi.json.h)
  foreach(page IN LISTS ARGN)
    rushes_embed(${page} kDemoPage ${folder}/${page}.h)
    list(APPEND headers ${folder}/${page}.h)
  endforeach()
  add_custom_target(${library}_${api}_openapi DEPENDS ${headers})  # the library is of another folder: a source would not do
  add_dependencies(rushes_${library} ${library}_${api}_openapi)
  if(NOT TARGET openapi_headers)
    add_custom_target(openapi_headers)  # all of them: clang-tidy reads sources in a tree that is not built
  endif()
  add_dependencies(openapi_headers ${library}_${api}_openapi)
  target_include_directories(rushes_${library} PRIVATE ${CMAKE_BINARY_DIR}/openapi)
endfunction()

# Tests gain nothing from optimisation, and take half the time to compile without.
function(rushes_test_flags target)
  target_compile_options(${target} PRIVATE -O0)
endfunction()
