// Outputs of which a case records a sample: "X_stridedN" is every N-th row and column of X, and where `hyper` has a
// list
// "..._index", only these frames of it. Runners produce X.
#pragma once
#include <string>
#include <string_view>

#include "rushes/verify/case.h"

namespace rushes::verify {

/// "out.frames" of "out.frames_strided4" and "out.frames_strided"; any other name itself.
std::string_view whole_name(std::string_view output);

/// What of `produced` the output `name` of the shape `wanted` is compared with: the tensor of that name or else of
/// whole_name(), as it is or sampled, whichever has that shape. N that the name does not tell is hyper.X_stride. Rows
/// and columns are the last two axes, or those before the last one of pixels. Undefined if nothing was produced.
at::Tensor sampled(const Case& c, const std::string& name, at::IntArrayRef wanted, const Produced& produced);

}  // namespace rushes::verify
