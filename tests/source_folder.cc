#include "tests/source_folder.h"

namespace aerie::tests {

std::string source_folder() { return AERIE_SOURCE_DIR; }

}  // namespace aerie::tests
