// The video half of the shipped Foresight model: its dimensions, fresh weights, its tokenizer, its files in a folder of
// training.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "rushes/generation/foresight/model_files.h"
#include "rushes/models/ltx/config.h"
#include "rushes/models/ltx/vae.h"
#include "rushes/models/t5/config.h"
#include "rushes/tensor/weight_map.h"
#include "rushes/text/tokenizer.h"

namespace rushes::training {

constexpr int64_t kForesightVocabulary = 400;  // pieces of the text encoder's tokenizer

/// 32 x smaller in height and width, 8 x in time, as published, so that a clip is few tokens. The decoder is causal:
/// the picture's frame, which is shown first, is that of the video.
ltx::VaeConfig foresight_autoencoder();
ltx::TransformerConfig foresight_transformer();
ltx::SchedulerConfig foresight_scheduler();
t5::Config foresight_text_encoder();
/// Of a session that says nothing.
generation::ForesightSettings foresight_defaults();

/// Convolutions that keep the size of what goes through them; what adds to a shortcut begins small. Without statistics.
std::map<std::string, at::Tensor> fresh_foresight_autoencoder();
/// Text encoder ("text.*") and transformer ("transformer.*").
std::map<std::string, at::Tensor> fresh_foresight_video();

/// Trained on questions of the world and ordinary words, unless DIRECTORY/spiece.model is there already.
std::unique_ptr<const text::Tokenizer> foresight_spiece(const std::filesystem::path& directory, uint64_t seed);

/// The autoencoder that training wrote into `directory` (autoencoder.safetensors), in bfloat16 where the processor
/// multiplies that. Throws Error(not_found).
ltx::Vae trained_autoencoder(const std::filesystem::path& directory);
/// What training wrote (autoencoder.safetensors, video.safetensors, spiece.model), weights in bfloat16: for
/// write_foresight_model().
generation::VideoFiles trained_video(const std::filesystem::path& directory);

/// Frames [T, 3, H, W] in [0, 1] as the autoencoder takes them, [1, 3, T, H, W] in [-1, 1], and back (not clamped).
at::Tensor to_video(const at::Tensor& frames);
at::Tensor to_frames(const at::Tensor& video);

}  // namespace rushes::training
