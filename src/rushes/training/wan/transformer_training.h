// Trains text encoder and causal transformer together: rectified flow, teacher forcing over blocks of three latent
// frames, every block with its own noise level, slightly corrupted context.
#pragma once
#include "rushes/training/run.h"

namespace rushes::training {

struct TransformerOptions {
  RunOptions run;
  int64_t side = 128;          // pixels; smaller ones are a cheap start
  int64_t latent_frames = 3;   // 3: beginnings only; 6, 9: with context
  int64_t fresh_per_step = 8;  // clips encoded per update; the rest of a batch was seen before
  int64_t text_seconds = 40;   // at the very start: the text encoder alone learns to name what captions say
};

/// Continues from DIRECTORY/t2v.state.safetensors; needs DIRECTORY/autoencoder.safetensors. Writes the state, the
/// moving average (t2v.safetensors), transformer.csv and transformer.png (four-step samples of held-out captions).
void train_transformer(const TransformerOptions& options);

struct DistillOptions {
  RunOptions run;
  int64_t side = 128, latent_frames = 9;
  double guidance = 2.5;       // of the teacher
  int64_t teacher_steps = 12;  // Euler steps of a trajectory
  int64_t fresh_per_step = 4;  // trajectories made per update; the rest of a batch was seen before
};

/// Makes four steps enough: the student, which begins as the teacher (t2v.safetensors), learns to name the end of the
/// teacher's guided trajectories from each of the points where the few-step sampler stands; all blocks of a clip at
/// once, each after the drawn ones before it. Continues from DIRECTORY/student.state.safetensors; writes
/// student.safetensors, distill.csv and distill.png. Source: ODE initialisation of arXiv:2412.07772 and
/// arXiv:2506.08009.
void distill(const DistillOptions& options);

/// Writes the shipped model: model.yaml, transformer, text_encoder and autoencoder safetensors, tokenizer.model.
void export_model(const std::filesystem::path& directory, const std::string& weights,
                  const std::filesystem::path& output);

}  // namespace rushes::training
