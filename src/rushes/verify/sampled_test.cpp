// Forms that cases may have beside the golden ones of the project, made of those: outputs of which a sample is
// recorded, and weights that hold no more than the recorded outputs need.
#include "rushes/verify/sampled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/scratch_folder.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::verify {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using Names = std::vector<std::string>;

/// A golden case with other outputs and fewer weights.
class Variant {
 public:
  explicit Variant(const std::string& name) : golden_(fs::path(RUSHES_SOURCE_DIR "/tests/golden") / name) {
    std::ifstream in(golden_ / "config.json");
    config_ = json::parse(in);
    tensors_ = tensor::load_safetensors(golden_ / "io.safetensors").tensors();
    if (config_["weights"].is_string())
      weights_ = tensor::load_safetensors(golden_ / config_["weights"].get<std::string>()).tensors();
  }

  /// Only these outputs are recorded; as "X_stridedN", and of the `frames` of an axis, with their list in hyper.
  Variant& record(const Names& outputs) {
    const json listed = config_["tensors"];
    for (const auto& [name, description] : listed.items())
      if (description["role"] != "input" && std::find(outputs.begin(), outputs.end(), name) == outputs.end())
        config_["tensors"].erase(name);
    for (const std::string& output : outputs) config_["tensors"][output]["role"] = "output";
    return *this;
  }
  Variant& sample(const std::string& output, int64_t rows, int64_t stride, const std::string& list = "",
                  int64_t frame_axis = 0, const std::vector<int64_t>& frames = {}) {
    at::Tensor part = tensors_.at(output).slice(rows, 0, std::nullopt, stride).slice(rows + 1, 0, std::nullopt, stride);
    if (!frames.empty()) {
      part = at::index_select(part, frame_axis, at::tensor(frames));
      config_["hyper"][list] = frames;
    }
    const std::string name = output + "_strided" + std::to_string(stride);
    config_["tensors"][name] = config_["tensors"][output];
    config_["tensors"].erase(output);
    tensors_[name] = part.contiguous();
    return *this;
  }
  Variant& without_weights(const Names& prefixes) {
    std::erase_if(weights_, [&](const auto& entry) {
      return std::any_of(prefixes.begin(), prefixes.end(),
                         [&](const std::string& prefix) { return entry.first.starts_with(prefix); });
    });
    return *this;
  }
  Variant& change(const std::string& tensor, double by) {
    tensors_[tensor] = tensors_.at(tensor) + by;
    return *this;
  }

  CaseResult run() {
    const ScratchFolder scratch;
    std::erase_if(tensors_, [&](const auto& entry) { return !config_["tensors"].contains(entry.first); });
    tensor::save_safetensors(scratch.path / "io.safetensors", tensors_);
    tensor::save_safetensors(scratch.path / "weights.safetensors", weights_);
    config_["weights"] = "weights.safetensors";
    for (auto& [name, source] : config_["inputs_from"].items())
      source["file"] = fs::weakly_canonical(golden_ / source["file"].get<std::string>()).string();
    if (config_["inputs_from"].is_null()) config_.erase("inputs_from");
    std::ofstream(scratch.path / "config.json") << config_;
    return run_case(scratch.path, {});
  }

 private:
  fs::path golden_;
  json config_;
  std::map<std::string, at::Tensor> tensors_, weights_;
};

std::string account(const CaseResult& result) {
  std::string text = result.error;
  for (const TensorResult& tensor : result.tensors) text += " " + tensor.name + ": " + tensor.detail;
  for (const Check& check : result.checks) text += " " + check.what + ": " + check.detail;
  return text;
}

TEST(SampledOutputs, rows_columns_and_frames_of_every_layout_are_compared) {
  const auto expect_passed = [](const char* what, Variant variant) {
    SCOPED_TRACE(what);
    const CaseResult result = variant.run();
    EXPECT_TRUE(result.passed) << account(result);
    EXPECT_FALSE(result.tensors.empty());
  };
  expect_passed("pixels last, frames of a list",
                Variant("wan/pipeline_few_step").sample("frames_u8", 1, 3, "frames_u8_index", 0, {0, 4, 5}));
  expect_passed("pixels last, all frames", Variant("wan/inferix_segments").sample("frames_u8", 1, 2));
  expect_passed("a picture", Variant("wan/image_preprocess").sample("resized_u8", 0, 5));
  expect_passed("channels before frames", Variant("wan/vae_decode_stream").sample("pixels_whole", 3, 2));
  expect_passed("channels before frames, of a list",
                Variant("wan/vae_decode_stream").sample("pixels_whole", 3, 2, "video_index", 2, {1, 2}));
  expect_passed("frames before channels", Variant("wan/taehv").sample("decoded", 3, 4, "decoded_index", 1, {0, 19}));
  expect_passed("floats of pictures", Variant("wan/pipeline_few_step").sample("frames_float_head", 3, 2));
  expect_passed("a frame of the renderer", Variant("imtalker/renderer_forward").sample("out.frame", 2, 7));
  expect_passed("a frame without number", Variant("imtalker/renderer_512_layout"));
  expect_passed("a list that the case has already", Variant("imtalker/e2e_video_driven").sample("out.frames_u8", 1, 4));
  expect_passed("the first rows of a picture",
                Variant("imtalker/image_preprocess").sample("out.no_crop_bicubic", 0, 3));
}

TEST(SampledOutputs, a_wrong_sample_is_no_match) {
  for (const auto& [name, output, rows] : {std::tuple("wan/vae_decode_stream", "pixels_whole", 3),
                                           std::tuple("imtalker/renderer_forward", "out.frame", 2)}) {
    SCOPED_TRACE(name);
    Variant variant(name);
    const CaseResult result = variant.sample(output, rows, 2).change(std::string(output) + "_strided2", 0.01).run();
    EXPECT_FALSE(result.passed);
    EXPECT_THAT(account(result), HasSubstr("of the elements within"));
  }
}

TEST(AbsentWeights, what_no_recorded_output_needs_may_be_absent) {
  const struct {
    const char* name;
    Names outputs, absent;
  } rows[] = {
      {"wan/pipeline_i2v", {"latents"}, {"vae.model.decoder.", "vae.model.conv2."}},
      {"wan/pipeline_few_step", {"latents", "num_model_calls"}, {"vae."}},
      {"wan/inferix_segments", {"latents_seg0", "latents_seg1"}, {"vae."}},
      {"wan/inferix_interactive", {"latents_seg0", "frames_per_callback", "video_total_frames"}, {"vae."}},
      {"wan/taehv", {"decoded"}, {"encoder."}},
      {"wan/taehv", {"encoded"}, {"decoder."}},
      {"wan/time_embedding", {"e"}, {"time_projection."}},
      {"wan/causal_block", {"k_cache", "v_cache"}, {"ffn.", "cross_attn.", "norm3.", "self_attn.o."}},
      {"wan/causal_model_cache", {"end_indices"}, {"head."}},
      {"wan/umt5_encoder", {"rel_bucket"}, {""}},
      {"wan/vae_encode", {"latent"}, {"decoder.", "conv2."}},
      {"wan/vae_decode_stream", {"pixels_whole"}, {"encoder.", "conv1."}},
      {"imtalker/renderer_forward", {"out.t_c"}, {"dense_feature_encoder.", "frame_decoder.", "imt.", "adapt."}},
      {"imtalker/motion_decoder", {"out.map_0"}, {"latent_token_decoder.style_conv_layers.12."}},
      {"imtalker/cond_projection", {"out.audio"}, {"gaze_projection.", "pose_projection.", "cam_projection."}},
      {"imtalker/fm_window_equivalence", {"out.long"}, {"gaze_projection.", "pose_projection.", "cam_projection."}},
      {"imtalker/e2e_audio_driven", {"out.frame_means"}, {"model.gaze_projection.", "model.cam_projection."}},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(std::string(row.name) + " " + row.outputs.front());
    const CaseResult result = Variant(row.name).record(row.outputs).without_weights(row.absent).run();
    EXPECT_TRUE(result.passed) << account(result);
    EXPECT_EQ(result.tensors.size(), row.outputs.size());
  }
}

TEST(AbsentWeights, what_a_recorded_output_needs_is_missed) {
  for (const auto& [name, absent] : {std::pair("wan/causal_block", "ffn.0.weight"),
                                     std::pair("imtalker/motion_encoder", "latent_token_encoder.conv1.bias")}) {
    SCOPED_TRACE(name);
    const CaseResult result = Variant(name).without_weights({absent}).run();
    EXPECT_FALSE(result.passed);
    EXPECT_THAT(account(result), HasSubstr("does the case lack a weight?"));
  }
}

}  // namespace
}  // namespace rushes::verify
