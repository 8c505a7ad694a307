// What types of numbers are called: as in options and manifests, not as libtorch prints them.
#pragma once
#include <c10/core/ScalarType.h>

#include <string>

namespace rushes::tensor {

/// "float32", "bfloat16", "int64"; libtorch's own word for types that no checkpoint here has.
std::string dtype_name(at::ScalarType dtype);

/// Of tensors that are known as bytes only.
inline constexpr c10::ScalarType kUnknownDtype = c10::ScalarType::Bits8;

/// A type that weights may have in a file: they become float32 or bfloat16 before anything computes with them.
bool is_weight_dtype(c10::ScalarType dtype);
/// The 8-bit floats, which may come with a scale beside them.
bool is_fp8(c10::ScalarType dtype);

}  // namespace rushes::tensor
