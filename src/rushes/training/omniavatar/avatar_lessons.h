// What both stages of the avatar's transformer share: pools of clips, one for each thread, and the losses' random
// parts.
#pragma once
#include <memory>
#include <vector>

#include "rushes/training/omniavatar/avatar_model.h"
#include "rushes/training/omniavatar/avatar_pool.h"
#include "rushes/training/omniavatar/avatar_training.h"

namespace rushes::training {

/// The frozen parts that make clips, and a pool for each thread that shares a batch.
class AvatarLessons {
 public:
  /// `first`: number of the first clip, so that every call sees others.
  AvatarLessons(const AvatarTrainingOptions& options, uint64_t first);

  const text::Tokenizer& tokenizer() const { return *tokenizer_; }
  int64_t parts() const { return static_cast<int64_t>(pools_.size()); }
  AvatarPool& pool(int64_t part) { return *pools_[static_cast<std::size_t>(part)]; }
  /// Caption and speech of nothing, each in the share `kDropped` of the samples.
  AvatarBatch with_things_left_out(AvatarBatch batch, const at::Generator& random) const;
  /// The same of all samples: what guidance leads away from.
  AvatarBatch of_nothing(AvatarBatch batch) const;

 private:
  std::unique_ptr<const text::Tokenizer> tokenizer_;
  std::unique_ptr<const wav2vec::Encoder> encoder_;
  Prompts nothing_;
  std::vector<std::unique_ptr<AvatarPool>> pools_;
};

/// Latents of the blocks before as generation leaves them: of half of the clips the model's own answers, from noise
/// levels `sigma` [B, F], of all a little noise and a tint, another one in each clip. Whoever learns from true latents
/// alone takes what has gone wrong for what is to be gone on with, and a long video drifts. What the condition gives
/// stays true. Without gradient.
at::Tensor as_generated(const AvatarModel& model, const AvatarBatch& batch, const at::Tensor& sigma,
                        const at::Generator& random);

/// Mean of the squared error [B, C, F, h, w], weighted as the batch says.
at::Tensor weighted(const at::Tensor& error, const AvatarBatch& batch);

}  // namespace rushes::training
