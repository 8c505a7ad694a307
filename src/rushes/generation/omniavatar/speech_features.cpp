#include "rushes/generation/omniavatar/speech_features.h"

#include "rushes/models/omniavatar/speech_conditioner.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

/// [1, samples], followed by zeros up to `least`.
at::Tensor wave_of(std::span<const float> samples, int64_t least) {
  const auto count = static_cast<int64_t>(samples.size());
  at::Tensor wave = at::zeros({1, std::max(count, least)}, at::kFloat);
  std::copy(samples.begin(), samples.end(), wave.mutable_data_ptr<float>());
  return wave;
}

at::Tensor features(const wav2vec::Encoder& encoder, const at::Tensor& wave, int64_t video_frames) {
  return omniavatar::speech_features(encoder, wave.to(encoder.device(), encoder.dtype()), video_frames).to(at::kFloat);
}

}  // namespace

at::Tensor window_features(const wav2vec::Encoder& encoder, std::span<const float> samples, omniavatar::Span heard,
                           omniavatar::Span shown, int64_t least_samples) {
  const at::Tensor wave = wav2vec::normalise(wave_of(samples, least_samples));
  return features(encoder, wave, heard.size()).narrow(1, shown.first - heard.first, shown.size());
}

at::Tensor clip_features(const wav2vec::Encoder& encoder, std::span<const float> samples, int64_t padded_samples,
                         int64_t video_frames) {
  const at::Tensor wave = wav2vec::normalise(wave_of(samples, 0));
  const int64_t silence = std::max<int64_t>(0, padded_samples - wave.size(1));
  return features(encoder, at::constant_pad_nd(wave, {0, silence}, 0), video_frames);
}

}  // namespace rushes::generation
