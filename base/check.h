#pragma once

#include <string_view>

namespace aerie {

/// Prints the broken invariant with its place to standard error and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view why);

}  // namespace aerie

/// Stops the process when an invariant of the code is broken, in every build. Never used on input
/// from network or disk.
#define AERIE_CHECK(condition, why)                               \
  do {                                                            \
    if (!(condition)) [[unlikely]]                                \
      ::aerie::check_failed(__FILE__, __LINE__, #condition, why); \
  } while (false)

/// The same for checks too costly for release builds.
#ifdef NDEBUG
#define AERIE_DCHECK(condition, why) \
  do {                               \
  } while (false && (condition))
#else
#define AERIE_DCHECK(condition, why) AERIE_CHECK(condition, why)
#endif
