// What types of numbers are called: as in options and manifests, not as libtorch prints them.
#pragma once
#include <c10/core/ScalarType.h>

#include <string>

namespace rushes::tensor {

/// "float32", "bfloat16", "int64"; libtorch's own word for types that no checkpoint here has.
std::string dtype_name(at::ScalarType dtype);

}  // namespace rushes::tensor
