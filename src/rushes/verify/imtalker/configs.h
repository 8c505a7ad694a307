// IMTalker models from golden cases: sizes from `hyper` (what it does not name has its default), and the parts joined.
#pragma once
#include <ATen/core/Tensor.h>

#include <nlohmann/json.hpp>

#include "rushes/models/imtalker/config.h"
#include "rushes/models/imtalker/motion_generator.h"
#include "rushes/models/imtalker/renderer.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/verify/case.h"

namespace rushes::verify {

imtalker::RendererConfig renderer_config(const nlohmann::json& hyper);
/// `weights` tell the width of the speech features.
imtalker::GeneratorConfig generator_config(const nlohmann::json& generator, const tensor::WeightMap& weights);
wav2vec::Config wav2vec_config(const nlohmann::json& hyper);
imtalker::Renderer renderer_of(const Case& c, const nlohmann::json& hyper, const tensor::WeightMap& weights);
imtalker::MotionGenerator generator_of(const Case& c, const tensor::WeightMap& weights);
/// Guidance and solver from the `hyper` of a whole case.
imtalker::MotionOptions motion_options(const nlohmann::json& hyper);

/// The speech encoder and the motion generator of a case.
struct Speaker {
  /// `hyper` of the case with generator and wav2vec2, weights with audio_encoder.wav2vec2.* beside the generator's.
  Speaker(const Case& c, const tensor::WeightMap& weights);
  /// wave [1, S] at the generator's sampling rate. Returns one row for each video frame that it fills: [1, T,
  /// dim_audio].
  at::Tensor features(const at::Tensor& wave) const;

  imtalker::MotionGenerator generator;
  wav2vec::Encoder encoder;
};

/// Pictures [H, W, 3] or [T, H, W, 3] uint8 as the networks take them: [B, 3, H, W] in [0, 1], in the case's dtype.
at::Tensor network_picture(const at::Tensor& pixels, const Target& target);

}  // namespace rushes::verify
