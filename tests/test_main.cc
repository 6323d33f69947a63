// The one translation unit that compiles Catch2's runner.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>

// ThreadSanitizer sees Debian's RocksDB only where it calls back into libc: frees without the locks
// and atomics around them.
extern "C" __attribute__((visibility("default"))) const char*
__tsan_default_suppressions();  // NOLINT
extern "C" const char* __tsan_default_suppressions() {
  return "race:rocksdb::Version::Unref\n"
         "called_from_lib:librocksdb.so\n";
}
