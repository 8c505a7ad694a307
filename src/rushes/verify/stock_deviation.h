// What bfloat16 costs a case whoever computes it: the bound of a bfloat16 run where the case records none.
#pragma once
#include <map>
#include <string>

#include "rushes/verify/case.h"

namespace rushes::verify {

struct Deviation {
  double max_abs, rel_l2;  // of an output from the recorded one; rel_l2 = |a - b| / |b|
};

/// Of each floating or 8-bit output, with libtorch's operators one by one in place of our kernels (nn::StockOperators);
/// weights, inputs and the parts that stay float32 are the same. An output of another shape is left out. Throws what
/// the runner throws.
std::map<std::string, Deviation> stock_deviations(const Case& c);

}  // namespace rushes::verify
