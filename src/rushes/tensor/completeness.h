// Whether the tensors of a file are all that a model needs, told in one message; and those of them that it needs.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "rushes/tensor/weight_map.h"

namespace rushes::tensor {

/// Names of parameters and their extents.
using Shapes = std::map<std::string, std::vector<int64_t>>;

/// Of all of them.
int64_t parameter_count(const Shapes& shapes);

/// What becomes of tensors that the model does not have. Files hold them for many reasons (a tokenizer, statistics,
/// buffers, another head), so only whoever wants to be sure of a file refuses them.
enum class Extra {
  report,  // left out: one line in the log
  refuse,
};

/// Throws one Error(corrupt_data) that lists all missing and misshapen keys, those of a type that nothing computes
/// with, those of more layers than expected (the configuration is another model's) and, with Extra::refuse, all others
/// that are not expected; keys that differ in one number only are one line
/// ("blocks.{0-3,7}.norm3.weight"). `where` names the file and the part. Reads no tensor.
void check_complete(const WeightMap& tensors, const Shapes& expected, const std::string& where,
                    Extra extra = Extra::report);

/// Keys of `tensors` that are not expected. The scales of 8-bit floats and what quantising tools write beside them
/// ("scaled_fp8", "x.scale_input", "x.comfy_quant") count as parts of their weights.
std::vector<std::string> extra_keys(const WeightMap& tensors, const Shapes& expected);

/// The expected tensors, after check_complete(), in their own types and where they are: convert with WeightMap::to().
/// 8-bit floats "x.weight" with a scale beside them ("x.scale_weight" or "x.weight_scale": one number, or one per row)
/// are WeightMap::set_scaled(). Also throws Error(corrupt_data) for a scale of another shape. Reads no tensor.
WeightMap take_complete(const WeightMap& tensors, const Shapes& expected, const std::string& where,
                        Extra extra = Extra::report);

}  // namespace rushes::tensor
