#include "rushes/verify/stock_deviation.h"

#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/scratch_folder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::verify {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A golden case that records no bfloat16 deviation, its outputs times `factor`.
CaseResult run_without_record(const std::string& name, double factor) {
  const ScratchFolder folder;
  const fs::path golden = fs::path(RUSHES_SOURCE_DIR "/tests/golden") / name;
  std::ifstream in(golden / "config.json");
  json config = json::parse(in);
  config.erase("statistics");
  config["weights"] = (golden / config["weights"].get<std::string>()).string();
  auto tensors = tensor::load_safetensors(golden / "io.safetensors").tensors();
  for (const auto& [key, description] : config["tensors"].items())
    if (description["role"] == "output" && tensors.at(key).is_floating_point()) tensors[key] = tensors[key] * factor;
  tensor::save_safetensors(folder.path / "io.safetensors", tensors);
  std::ofstream(folder.path / "config.json") << config.dump();
  return run_case(folder.path, Target{.dtype = at::kBFloat16});
}

constexpr const char* kCases[] = {"imtalker/styled_conv", "imtalker/fmt_forward", "imtalker/renderer_forward",
                                  "wan/causal_block"};

TEST(StockDeviation, is_the_bound_of_a_case_that_records_none) {
  for (const char* name : kCases) EXPECT_TRUE(run_without_record(name, 1.0).passed) << name;
}

TEST(StockDeviation, does_not_excuse_a_wrong_output) {
  for (const char* name : kCases) EXPECT_FALSE(run_without_record(name, 1.2).passed) << name;
}

TEST(StockDeviation, leaves_indices_and_counts_exact) {
  for (const char* name : {"imtalker/imt_coarse", "imtalker/face_detector_s3fd"}) {
    const CaseResult result = run_without_record(name, 1.0);
    EXPECT_TRUE(result.passed) << name;
    for (const TensorResult& tensor : result.tensors)
      if (tensor.name == "out.mean_attn_argmax" || tensor.name == "out.candidates") {
        EXPECT_EQ(tensor.max_abs_error, 0) << name;
      }
  }
}

}  // namespace
}  // namespace rushes::verify
