#include "rushes/models/omniavatar/speech_conditioner.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {

at::Tensor speech_features(const wav2vec::Encoder& encoder, const at::Tensor& wave, int64_t video_frames) {
  std::vector<at::Tensor> states = encoder.hidden_states(wave, video_frames);
  states.insert(states.begin(), states.back());
  return at::cat(states, 2);
}

at::Tensor with_first_group_filled(const at::Tensor& features, int64_t group) {
  require(features.dim() == 3 && features.size(1) % group == 1 % group, ErrorCode::invalid_argument,
          "features of a clip have shape [{}]; expected [B, T, C] with T one more than a multiple of {}",
          fmt::join(features.sizes(), ", "), group);
  return at::cat({features.narrow(1, 0, 1).expand({-1, group - 1, -1}), features}, 1);
}

SpeechConditioner::SpeechConditioner(const TransformerConfig& config, const tensor::WeightMap& weights)
    : config_(config.speech) {
  const int64_t A = config_.hidden_size, C = config.wan.dim;
  pack_weight_ = weights.at("audio_proj.proj.weight", {A, config_.group * config_.feature_dim});
  pack_bias_ = weights.at("audio_proj.proj.bias", {A});
  norm_weight_ = weights.at("audio_proj.norm_out.weight", {A});
  norm_bias_ = weights.at("audio_proj.norm_out.bias", {A});
  for (int64_t j = 0; j < config.speech_layers(); ++j) {
    const auto own = weights.under(fmt::format("audio_cond_projs.{}.", j));
    weights_.push_back(own.at("weight", {C, A}));
    biases_.push_back(own.at("bias", {C}));
  }
}

at::Tensor SpeechConditioner::pack(const at::Tensor& features) const {
  constexpr double kEps = 1e-5;
  const auto [feature_dim, hidden_size, group] = config_;
  require(
      features.dim() == 3 && features.size(1) > 0 && features.size(1) % group == 0 && features.size(2) == feature_dim,
      ErrorCode::invalid_argument,
      "speech features have shape [{}]; expected [B, T, {}] with T a multiple of {}: whole latent frames",
      fmt::join(features.sizes(), ", "), feature_dim, group);
  // Of a group's values the video frame changes slowest.
  const at::Tensor groups = features.to(pack_weight_.scalar_type())
                                .reshape({features.size(0), features.size(1) / group, group * feature_dim});
  return at::layer_norm(at::linear(groups, pack_weight_, pack_bias_), {hidden_size}, norm_weight_, norm_bias_, kEps);
}

wan::FrameAdditions SpeechConditioner::forward(const at::Tensor& features) const {
  const at::Tensor packed = pack(features);
  std::vector<at::Tensor> values;
  for (std::size_t j = 0; j < weights_.size(); ++j) values.push_back(at::linear(packed, weights_[j], biases_[j]));
  if (values.empty()) return {};
  return {at::stack(values), kFirstSpeechLayer};
}

wan::FrameAdditions frames_of(const wan::FrameAdditions& speech, int64_t begin, int64_t count) {
  if (!speech.values.defined()) return {};
  return {speech.values.narrow(2, begin, count), speech.first_layer};
}

wan::FrameAdditions batch_of(const std::vector<wan::FrameAdditions>& samples) {
  std::vector<at::Tensor> values;
  for (const wan::FrameAdditions& each : samples)
    if (each.values.defined()) values.push_back(each.values);
  require(values.empty() || values.size() == samples.size(), ErrorCode::invalid_argument,
          "of {} samples of a batch, {} have speech", samples.size(), values.size());
  if (values.empty()) return {};
  return {at::cat(values, 1), samples.front().first_layer};
}

}  // namespace rushes::omniavatar
