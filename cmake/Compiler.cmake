# Language, warnings, sanitizers, compiler cache: the same for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(AERIE_WERROR "Treat warnings as errors" ON)
set(AERIE_SANITIZE "" CACHE STRING "Value of -fsanitize= for all targets, for example address,undefined")
option(AERIE_LIBFUZZER "Link the fuzzers with libFuzzer (clang) instead of the built-in driver" OFF)

# -ffp-contract=off: a fused multiply-add would change the last bit of PromQL results between machines.
add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
                    -fno-omit-frame-pointer -ffp-contract=off -fvisibility=hidden -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(AERIE_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports these inside libstdc++ and Boost for code that is correct (GCC bugs 105651, 105329, 107852).
  add_compile_options(-Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds -Wno-maybe-uninitialized
                      -Wno-dangling-pointer -Wno-missing-field-initializers)
  add_compile_options(-fpch-preprocess)  # lets ccache see through precompiled headers
else()
  add_compile_options(-Wno-missing-field-initializers)
endif()
if(AERIE_SANITIZE)
  add_compile_options(-fsanitize=${AERIE_SANITIZE} -fno-sanitize-recover=all)
  if(AERIE_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # Asio's fences, which this sanitizer does not model; its queues hold locks besides
  endif()
  if(AERIE_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-fno-sanitize=function)  # Clang 14 cannot assemble coroutines with it (LLVM issue 49689)
  endif()
  add_link_options(-fsanitize=${AERIE_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Relative paths and no directory hash: another checkout of the same sources hits the cache.
  set(ccache_launcher ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  set(CMAKE_C_COMPILER_LAUNCHER ${ccache_launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ccache_launcher})
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM AND NOT AERIE_SANITIZE)
  add_link_options(-fuse-ld=mold)
endif()
