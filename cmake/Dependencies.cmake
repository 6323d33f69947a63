# Everything comes from Debian 12; tools/install-dependencies names the packages.
find_package(Threads REQUIRED)
# CMake 3.25's own FindBoost does not know 1.81.
find_package(Boost 1.81 CONFIG REQUIRED COMPONENTS json url)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(ZLIB REQUIRED)
find_package(RocksDB REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET jemalloc)
find_library(SNAPPY_LIBRARY snappy REQUIRED)
find_library(DEFLATE_LIBRARY deflate REQUIRED)
find_library(ROARING_LIBRARY roaring REQUIRED)
find_package(Catch2 2 REQUIRED)

# XXH3 is used header-only so that it is inlined.
add_compile_definitions(XXH_INLINE_ALL BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION
                        BOOST_BEAST_SEPARATE_COMPILATION SPDLOG_FMT_EXTERNAL SPDLOG_COMPILED_LIB)
