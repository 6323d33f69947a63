#pragma once

#include <string>

namespace aerie::tests {

/// The root of the source tree, without a slash at the end. Asked at run time, so that only one
/// file of the tests is compiled differently in every checkout.
std::string source_folder();

}  // namespace aerie::tests
