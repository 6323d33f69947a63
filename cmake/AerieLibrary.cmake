# aerie_library(folder [LINK targets…] [PRECOMPILE headers…]): one static library per folder from its *.cc files. LINK names the
# folders it may include (as aerie_x) and third-party targets; nothing else is reachable.
function(aerie_library folder)
  cmake_parse_arguments(ARG "" "" "LINK;PRECOMPILE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cc")
  list(FILTER sources EXCLUDE REGEX "_main\\.cc$")
  if(NOT sources)  # a folder that has only headers yet
    set(sources "${CMAKE_CURRENT_BINARY_DIR}/empty.cc")
    file(WRITE "${sources}" "")
  endif()
  add_library(aerie_${folder} STATIC ${sources})
  target_include_directories(aerie_${folder} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(aerie_${folder} PUBLIC ${ARG_LINK})
  if(ARG_PRECOMPILE)
    target_precompile_headers(aerie_${folder} PRIVATE ${ARG_PRECOMPILE})
  endif()
endfunction()

# aerie_tests(folder [LINK targets…]): the test binary <folder>_tests of tests/<folder>/*_test.cc, one CTest entry per file.
function(aerie_tests folder)
  cmake_parse_arguments(ARG "" "" "LINK;LABELS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*_test.cc")
  file(GLOB support CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/support/*.cc")
  if(NOT sources)
    return()
  endif()
  add_executable(${folder}_tests ${sources} ${support})
  target_link_libraries(${folder}_tests PRIVATE aerie_${folder} aerie_test_main ${ARG_LINK})
  target_compile_definitions(${folder}_tests PRIVATE AERIE_SOURCE_DIR="${CMAKE_SOURCE_DIR}"
                             AERIE_BINARY_DIR="${CMAKE_BINARY_DIR}")
  target_precompile_headers(${folder}_tests REUSE_FROM aerie_test_precompiled)
  foreach(source ${sources})
    get_filename_component(name "${source}" NAME_WE)
    add_test(NAME ${folder}.${name} COMMAND ${folder}_tests -\# "[#${name}]" -w NoTests
             WORKING_DIRECTORY "${CMAKE_BINARY_DIR}")
    set_tests_properties(${folder}.${name} PROPERTIES LABELS "unit;${folder}" TIMEOUT 300)
  endforeach()
endfunction()
