// The stages that train the avatar's transformer. All continue from their state in the run's directory.
#pragma once
#include <filesystem>

#include "rushes/training/run.h"

namespace rushes::training {

struct AvatarTrainingOptions {
  RunOptions run;
  std::filesystem::path speech_encoder;  // safetensors of the shipped talking head's layout
  int64_t latent_frames = 3;             // 3: beginnings only, cheap; 6: with the block before
  int64_t fresh_per_step = 4;            // clips made per update; the rest of a batch was seen before
  int64_t text_seconds = 60;             // at the very start: the text encoder alone learns to name what captions say
  int64_t sheet_rows = 6;                // speakers of the contact sheet that is drawn whenever the state is saved
  // Of the distillation alone.
  double guidance = 1.5;       // of the teacher, towards caption and speech
  int64_t teacher_steps = 12;  // Euler steps of a trajectory, a multiple of the sampler's
};

/// Rectified flow, every block with its own noise level, teacher forcing; captions and speech are left out now and
/// then. Needs DIRECTORY/autoencoder.safetensors; writes avatar.safetensors (moving average), transformer.csv and
/// transformer.png (four-step samples of held-out speakers under their drawings).
void train_avatar(const AvatarTrainingOptions& options);

/// Makes four steps enough: the student, which begins as the teacher (avatar.safetensors), learns to name the end of
/// the teacher's trajectories from the points where the sampler stands. Writes student.safetensors, distill.csv and
/// distill.png. Source: ODE initialisation of arXiv:2412.07772 and arXiv:2506.08009.
void distill_avatar(const AvatarTrainingOptions& options);

/// Four-step samples of held-out speakers with the weights in the file `weights` of the directory, each under its
/// drawing, as the contact sheet `picture`.
void save_avatar_sheet(const AvatarTrainingOptions& options, const std::string& weights,
                       const std::filesystem::path& picture);

/// Writes the shipped model: model.yaml, the parts' weights in bfloat16, the tokenizer.
void export_avatar(const std::filesystem::path& directory, const std::string& weights,
                   const std::filesystem::path& speech_encoder, const std::filesystem::path& output);

}  // namespace rushes::training
