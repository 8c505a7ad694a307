// Golden cases: recorded inputs, weights and outputs of the reference implementations, one folder each
// (config.json of schema 1, io.safetensors or io.json, weights.safetensors). `rushes verify` and the tests run them.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::verify {

/// Where and in what type a case runs. Inputs and weights are given to runners already converted: floating tensors
/// float32 on the CPU become `dtype` on `device`; integers keep their type.
struct Target {
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;
};

struct Case {
  std::filesystem::path directory;
  std::string name;  // last two parts of the path: wan/causal_block
  std::string system, kind;
  nlohmann::json config;                       // whole config.json
  nlohmann::json hyper;                        // config["hyper"]
  nlohmann::json io;                           // io.json, or null
  tensor::WeightMap weights;                   // prefix stripped; empty if the case has none; in target.dtype
  tensor::WeightMap exact_weights;             // the same as recorded: a whole model chooses what follows target.dtype
  std::map<std::string, at::Tensor> inputs;    // in target.dtype
  std::map<std::string, at::Tensor> recorded;  // the inputs as recorded: times, which bfloat16 would round
  std::map<std::string, at::Tensor> expected;  // role output, as recorded
  std::map<std::string, at::Tensor> intermediate;
  Target target;

  /// The output `whole` or a sample of it (sampled.h) is to be compared: what nobody wants need not be computed, and
  /// the weights for it may be absent.
  bool wants(std::string_view whole) const { return wanted(whole) != nullptr; }
  /// What is recorded of it; null if nothing is.
  const at::Tensor* wanted(std::string_view whole) const;
  /// `weights` with the parameters of `shapes` that they lack as NaN, for modules that take all of theirs at once: an
  /// output that needs one of them after all cannot pass.
  tensor::WeightMap completed(const tensor::WeightMap& weights, const tensor::Shapes& shapes,
                              std::string_view prefix = "") const;

  /// inputs.at(name) with an error that names the case. Throws Error(corrupt_data).
  const at::Tensor& input(const std::string& tensor_name) const;
  /// The same as recorded.
  const at::Tensor& exact_input(const std::string& tensor_name) const;
  bool has_input(const std::string& tensor_name) const { return inputs.count(tensor_name) > 0; }
};

/// Throws Error(not_found / corrupt_data / unsupported) naming the file and the field.
Case load_case(const std::filesystem::path& directory, const Target& target);

/// A comparison that is not of one recorded tensor: entries of io.json, derived laws.
struct Check {
  std::string what;
  bool passed;
  std::string detail;  // when not passed: got and wanted
};

/// What a runner computed: one tensor for every output of the case, and its other checks.
struct Produced {
  std::map<std::string, at::Tensor> tensors;
  std::vector<Check> checks;
};

/// Computes a case of one kind, taking all dimensions from `hyper`. Chosen by (system, kind).
using Runner = std::function<Produced(const Case&)>;
using Registry = std::map<std::pair<std::string, std::string>, Runner>;

/// All runners that this build has.
const Registry& runners();

struct TensorResult {
  std::string name;
  bool passed;
  double max_abs_error = 0;  // NaN if shapes differ or the tensor is missing
  double rel_l2 = 0;
  double worst_ratio = 0;  // max over elements of |a - b| / (atol + rtol |b|); bf16: rel_l2 / allowed rel_l2
  std::string detail;      // for people: shape mismatch, missing, first bad index
};

struct CaseResult {
  std::string name, kind;
  bool passed = false;
  std::vector<TensorResult> tensors;
  std::vector<Check> checks;
  std::string error;  // exception text, if the runner threw
  double seconds = 0;
};

/// How many times the reference's own bfloat16 deviation (rel_l2) a bfloat16 run may have. A case records it, or it is
/// measured with libtorch's operators (stock_deviation.h).
inline constexpr double kBfloat16Factor = 2.0;
/// The most that a measured bound may be. Where a model runs by libtorch's operators anyway, what is measured is the
/// run itself, however wrong. The references themselves, in the 66 outputs for which they recorded it, deviate by 0.021
/// at most.
inline constexpr double kBfloat16MostRelL2 = 0.1;

/// Runs one case and compares every output. Never throws for what the case holds or the runner does.
CaseResult run_case(const std::filesystem::path& directory, const Target& target);

/// Every folder with a config.json at or below `root`, sorted; none for a file. Throws Error(not_found).
std::vector<std::filesystem::path> find_cases(const std::filesystem::path& root);

}  // namespace rushes::verify
