// Whether weights are all that a model needs, told in one message.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rushes/tensor/weight_map.h"

namespace rushes::tensor {

/// Names of parameters and their extents.
using Shapes = std::map<std::string, std::vector<int64_t>>;

enum class Extra {
  refuse,  // every key must be expected
  ignore,
};

/// Throws one Error(corrupt_data) that lists all missing, unexpected and misshapen keys and those that are no floating
/// point numbers; keys that differ in one number only are one line ("blocks.{0-3,7}.norm3.weight"). `where` names the
/// file and the part.
void check_complete(const WeightMap& tensors, const Shapes& expected, const std::string& where,
                    Extra extra = Extra::refuse);

}  // namespace rushes::tensor
