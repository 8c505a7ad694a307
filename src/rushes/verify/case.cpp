#include "rushes/verify/case.h"

#include <fmt/ranges.h>

#include <chrono>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/verify/sampled.h"
#include "rushes/verify/stock_deviation.h"

namespace rushes::verify {
namespace {

using json = nlohmann::json;
namespace fs = std::filesystem;

json read_json(const fs::path& file) {
  std::ifstream in(file);
  require(in.good(), ErrorCode::not_found, "cannot open '{}'", file.string());
  json parsed = json::parse(in, nullptr, /*allow_exceptions=*/false);
  require(!parsed.is_discarded(), ErrorCode::corrupt_data, "'{}' is not JSON", file.string());
  return parsed;
}

at::Tensor to_target(const at::Tensor& tensor, const Target& target) {
  // float64 inputs are tables and times that the specification computes in double: they keep their type.
  const bool convert = tensor.is_floating_point() && tensor.scalar_type() != at::kDouble;
  return convert ? tensor.to(target.device, target.dtype) : tensor.to(target.device);
}

void load_tensors(Case& loaded) {
  const json listed = loaded.config.value("tensors", json::object());
  const json borrowed = loaded.config.value("inputs_from", json::object());
  const fs::path file = loaded.directory / "io.safetensors";
  if (fs::exists(file)) {
    const auto io = tensor::load_safetensors(file);
    for (const auto& [name, description] : listed.items()) {
      const std::string role = description.value("role", "");
      const at::Tensor& value = io.at(name);
      if (role == "input") loaded.inputs.emplace(name, to_target(value, loaded.target));
      if (role == "input") loaded.recorded.emplace(name, value.to(loaded.target.device));
      if (role == "output") loaded.expected.emplace(name, value);
      if (role == "intermediate") loaded.intermediate.emplace(name, value);
    }
  }
  for (const auto& [name, source] : borrowed.items()) {
    const auto other = tensor::load_safetensors(loaded.directory / source.at("file").get<std::string>());
    const at::Tensor& value = other.at(source.value("tensor", name));
    loaded.inputs.insert_or_assign(name, to_target(value, loaded.target));
    loaded.recorded.insert_or_assign(name, value.to(loaded.target.device));
  }
}

struct Bound {
  double atol, rtol, fraction;
  int64_t skip_ends;
};

Bound bound_of(const json& config, const std::string& name) {
  const json tolerance = config.value("tolerance", json::object());
  Bound bound{tolerance.value("atol", 2e-5), tolerance.value("rtol", 1e-4), 1.0, 0};
  const json per_tensor = tolerance.value("per_tensor", json::object());
  // A sample that has no bound of its own has that of the whole.
  for (const std::string& key : {std::string(whole_name(name)), name}) {
    if (!per_tensor.contains(key)) continue;
    const json& own = per_tensor[key];
    bound.atol = own.value("atol", bound.atol);
    bound.rtol = own.value("rtol", bound.rtol);
    bound.fraction = own.value("fraction", 1.0);
    bound.skip_ends = own.value("skip_ends", int64_t{0});
  }
  return bound;
}

/// Largest rel_l2 of each output that a bfloat16 run may have (Note: kBfloat16Factor).
class Bfloat16Bounds {
 public:
  explicit Bfloat16Bounds(const Case& c)
      : case_(c),
        recorded_(c.config.value("statistics", json::object()).value("bfloat16_reference_deviation", json::object())) {}

  double of(const std::string& name) {
    for (const std::string& key : {name, std::string(whole_name(name))})  // a sample has the bound of the whole
      if (recorded_.contains(key) && recorded_[key].contains("rel_l2"))
        return at_least_rounding(recorded_[key]["rel_l2"].get<double>());
    if (!measured_) measured_ = stock_deviations(case_);
    const auto found = measured_->find(name);
    return std::min(kBfloat16MostRelL2, at_least_rounding(found == measured_->end() ? 0.0 : found->second.rel_l2));
  }

 private:
  static double at_least_rounding(double rel_l2) {
    return std::max(kBfloat16Factor * rel_l2, 0.004);  // half a bf16 step of rounding
  }

  const Case& case_;
  json recorded_;
  std::optional<std::map<std::string, Deviation>> measured_;  // when first asked: it takes as long as the case
};

TensorResult compare(const Case& c, const std::string& name, const at::Tensor& wanted, const at::Tensor& got,
                     Bfloat16Bounds& bfloat16_bounds) {
  TensorResult result{name, false, std::nan(""), std::nan(""), std::numeric_limits<double>::infinity(), ""};
  if (!got.defined()) {
    result.detail = "not produced";
    return result;
  }
  if (got.sizes() != wanted.sizes()) {
    result.detail =
        fmt::format("shape [{}], expected [{}]", fmt::join(got.sizes(), ", "), fmt::join(wanted.sizes(), ", "));
    return result;
  }
  Bound bound = bound_of(c.config, name);
  at::Tensor a = got.detach().to(at::kCPU, at::kDouble), b = wanted.to(at::kDouble);
  if (bound.skip_ends > 0) {
    const int64_t kept = a.size(-1) - 2 * bound.skip_ends;
    a = a.narrow(-1, bound.skip_ends, kept);
    b = b.narrow(-1, bound.skip_ends, kept);
  }
  if (a.numel() == 0) {
    result.passed = true;
    result.max_abs_error = result.rel_l2 = result.worst_ratio = 0;
    return result;
  }
  // Equal infinities are equal; a NaN is never close, so it shows as an infinite ratio.
  const at::Tensor same = a.eq(b);
  const at::Tensor error = at::where(same, at::zeros_like(a), (a - b).abs());
  const at::Tensor allowed = bound.atol + bound.rtol * b.abs();
  const at::Tensor ratio = at::where(same, at::zeros_like(a), error / allowed)
                               .masked_fill_(error.isnan(), std::numeric_limits<double>::infinity());
  result.max_abs_error = error.max().item<double>();
  const double norm = b.norm().item<double>();
  result.rel_l2 = error.norm().item<double>() / (norm > 0 ? norm : 1.0);
  result.worst_ratio = ratio.max().item<double>();
  if (std::isnan(result.max_abs_error)) {
    result.detail = "has values that are not numbers; does the case lack a weight?";
    return result;
  }
  if (c.target.dtype == at::kFloat || !wanted.is_floating_point()) {
    const double share = ratio.le(1.0).to(at::kDouble).mean().item<double>();
    result.passed = share >= bound.fraction;
    // 8-bit pictures of a bfloat16 run come from rounded inputs: judged by rel_l2. Indices and counts stay exact.
    if (c.target.dtype != at::kFloat && (bound.atol > 0 || wanted.scalar_type() == at::kByte)) {
      const double allowed_rel = bfloat16_bounds.of(name);
      result.passed = result.rel_l2 <= allowed_rel;
      result.worst_ratio = result.rel_l2 / allowed_rel;
    }
    if (!result.passed)
      result.detail = fmt::format("{:.4f} of the elements within atol {} rtol {}", share, bound.atol, bound.rtol);
  } else {
    const double allowed_rel = bfloat16_bounds.of(name);
    result.worst_ratio = result.rel_l2 / allowed_rel;
    result.passed = result.rel_l2 <= allowed_rel;
    if (!result.passed) result.detail = fmt::format("rel_l2 {:.3g}, allowed {:.3g}", result.rel_l2, allowed_rel);
  }
  return result;
}

}  // namespace

const at::Tensor* Case::wanted(std::string_view whole) const {
  for (const auto& [output, tensor] : expected)
    if (output == whole || whole_name(output) == whole) return &tensor;
  return nullptr;
}

tensor::WeightMap Case::completed(const tensor::WeightMap& own, const tensor::Shapes& shapes,
                                  std::string_view prefix) const {
  tensor::WeightMap all = own;
  const auto options = own.tensors().empty() ? at::TensorOptions(target.dtype).device(target.device)
                                             : own.tensors().begin()->second.options();
  for (const auto& [key, shape] : shapes)
    if (key.starts_with(prefix) && !all.contains(key.substr(prefix.size())))
      all.set(key.substr(prefix.size()), at::full(shape, std::nan(""), options));
  return all;
}

const at::Tensor& Case::input(const std::string& tensor_name) const {
  const auto found = inputs.find(tensor_name);
  require(found != inputs.end(), ErrorCode::corrupt_data, "case '{}' of kind '{}' has no input tensor '{}'", name, kind,
          tensor_name);
  return found->second;
}

const at::Tensor& Case::exact_input(const std::string& tensor_name) const {
  input(tensor_name);  // for its error
  return recorded.at(tensor_name);
}

Case load_case(const fs::path& directory, const Target& target) {
  Case loaded;
  loaded.directory = directory;
  loaded.target = target;
  // By way of a file in it, since a path may end in a slash.
  const fs::path absolute = fs::absolute(directory / "config.json").lexically_normal().parent_path();
  loaded.name = (absolute.parent_path().filename() / absolute.filename()).string();
  loaded.config = read_json(directory / "config.json");
  require(loaded.config.is_object() && loaded.config.value("schema", 0) == 1, ErrorCode::unsupported,
          "'{}' is not a golden case of schema 1", (directory / "config.json").string());
  loaded.system = loaded.config.value("system", "");
  loaded.kind = loaded.config.value("kind", "");
  loaded.hyper = loaded.config.value("hyper", json::object());
  if (fs::exists(directory / "io.json")) loaded.io = read_json(directory / "io.json");
  if (loaded.config.contains("weights") && loaded.config["weights"].is_string()) {
    auto weights = tensor::load_safetensors(directory / loaded.config["weights"].get<std::string>());
    if (loaded.config.contains("weights_prefix"))
      weights = weights.under(loaded.config["weights_prefix"].get<std::string>());
    loaded.weights = weights.to(target.dtype).to(target.device);
    loaded.exact_weights = weights.to(target.device);
  }
  load_tensors(loaded);
  return loaded;
}

CaseResult run_case(const fs::path& directory, const Target& target) {
  CaseResult result;
  result.name = directory.string();
  const auto start = std::chrono::steady_clock::now();
  try {
    const c10::InferenceMode inference;
    const Case c = load_case(directory, target);
    result.name = c.name;
    result.kind = c.kind;
    const auto runner = runners().find({c.system, c.kind});
    require(runner != runners().end(), ErrorCode::unsupported, "this build has no runner for kind '{}' of system '{}'",
            c.kind, c.system);
    Produced produced = runner->second(c);
    result.checks = std::move(produced.checks);
    Bfloat16Bounds bfloat16_bounds(c);
    for (const auto& [name, wanted] : c.expected)
      result.tensors.push_back(compare(c, name, wanted, sampled(c, name, wanted.sizes(), produced), bfloat16_bounds));
    // A case without anything to compare proves nothing.
    require(!result.tensors.empty() || !result.checks.empty(), ErrorCode::internal, "nothing was compared");
    result.passed = std::all_of(result.tensors.begin(), result.tensors.end(), [](const auto& t) { return t.passed; }) &&
                    std::all_of(result.checks.begin(), result.checks.end(), [](const auto& t) { return t.passed; });
  } catch (const base::Interrupted&) {
    throw;
  } catch (const c10::Error& error) {
    result.error = error.what_without_backtrace();
  } catch (const std::exception& error) {
    result.error = error.what();
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

std::vector<fs::path> find_cases(const fs::path& root) {
  require(fs::exists(root), ErrorCode::not_found, "'{}' does not exist", root.string());
  if (!fs::is_directory(root)) return {};  // a manifest beside the cases
  if (fs::exists(root / "config.json")) return {root};
  std::vector<fs::path> found;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (entry.is_regular_file() && entry.path().filename() == "config.json")
      found.push_back(entry.path().parent_path());
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace rushes::verify
