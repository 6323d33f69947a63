#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace aerie {

void check_failed(const char* file, int line, const char* condition, std::string_view why) {
  std::fprintf(stderr, "BUG: %s:%d: %s: %.*s\n", file, line, condition,
               static_cast<int>(why.size()), why.data());
  std::abort();
}

}  // namespace aerie
