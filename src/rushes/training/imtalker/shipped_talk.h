// The dimensions of the shipped talking head, fresh weights for its parts, and the files that its training leaves.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "rushes/models/imtalker/config.h"
#include "rushes/models/wav2vec/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::training {

imtalker::RendererConfig shipped_renderer();
imtalker::GeneratorConfig shipped_motion_generator();
wav2vec::Config shipped_audio_encoder();

/// The renderer's running means and variances stay at 0 and 1: the drawn data needs no batch statistics, and what is
/// folded into a convolution costs nothing.
bool is_running_statistic(const std::string& key);

/// Weights that their layer divides by sqrt(fan in): an update moves them by as much less. Training multiplies their
/// part of the update by kEqualisedGain: it holds them divided by it.
bool is_equalised(const std::string& key);
constexpr double kEqualisedGain = 12.0;

/// The renderer is trained in three parts, each by a stage of its own: where the motion transfer looks (motion maps,
/// adaptation, queries and keys), what it carries and how frames are made of it, and reading a picture's motion.
enum class RendererPart { positions, picture, motion_encoder };
RendererPart renderer_part(const std::string& key);

/// Those of `tensors` that belong to a part, equalised weights divided by their gain: what an optimiser holds.
std::map<std::string, at::Tensor> held_for_training(const std::map<std::string, at::Tensor>& tensors,
                                                    RendererPart part);
/// The opposite: what modules take. Differentiable. Keeps whether they are trainable.
tensor::WeightMap presented(const tensor::WeightMap& held);

/// W with W covariance W^T = 1, for a covariance [n, n] that is positive definite.
at::Tensor whitening(const at::Tensor& covariance);

/// The cell of every coarse level that a query looks at where the mouth is open: no source shows its inside. The
/// appearance features mark it for the frame decoder.
constexpr int64_t kMouthCell = 0;

/// Equalised layers N(0, 1), others He; residual branches small; motion transfer begins as "stay where you are": keys
/// and queries are the same projection, which tells places apart, and values pass unchanged.
std::map<std::string, at::Tensor> fresh_renderer(const imtalker::RendererConfig& config);
/// N(0, 1/sqrt(in)); gates, shifts and the last layer begin near zero.
std::map<std::string, at::Tensor> fresh_motion_generator(const imtalker::GeneratorConfig& config);
std::map<std::string, at::Tensor> fresh_audio_encoder(const wav2vec::Config& config);

/// Adds the running statistics to a renderer's trained tensors. Keeps whether they are trainable.
tensor::WeightMap with_running_statistics(const tensor::WeightMap& trained, const imtalker::RendererConfig& config);

}  // namespace rushes::training
