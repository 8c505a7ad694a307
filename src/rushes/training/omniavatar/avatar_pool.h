// Encoded clips of drawn speakers, kept for a while and drawn from at random: making one costs more than a training
// step on it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/text/tokenizer.h"
#include "rushes/training/omniavatar/avatar_model.h"
#include "rushes/training/omniavatar/avatar_world.h"

namespace rushes::training {

/// The speech of `blocks` blocks from block `first` on, as the transformer takes it: [4 * 3 blocks, feature_dim].
///   wave   [S] of the whole clip from its beginning, video_frames long
///   live   each block hears its own window, as while speech arrives; else the clip is heard as a whole
at::Tensor heard_by_blocks(const wav2vec::Encoder& encoder, const at::Tensor& wave, int64_t video_frames, int64_t first,
                           int64_t blocks, bool live);

struct AvatarPoolOptions {
  int64_t latent_frames = 3;  // of a clip, whole blocks; with more than one, half of them begin in mid-speech
  int64_t capacity = 512;     // clips kept
  uint64_t seed = 1, first = 0;
  Split split = Split::train;
};

/// One thread.
class AvatarPool {
 public:
  AvatarPool(const AvatarPoolOptions& options, const tensor::WeightMap& autoencoder, const wav2vec::Encoder& encoder,
             const text::Tokenizer& tokenizer);
  /// Makes the next `count` clips.
  void refill(int64_t count);
  /// Of clips that are kept, chosen at random.
  AvatarBatch batch(int64_t size);

 private:
  struct Entry {
    at::Tensor latents, condition, features, loss_weights;
    std::vector<int64_t> ids, mask;
  };
  Entry make(uint64_t index) const;

  AvatarPoolOptions options_;
  wan::TinyEncoder autoencoder_;
  const wav2vec::Encoder& encoder_;
  const text::Tokenizer& tokenizer_;
  std::vector<Entry> entries_;
  uint64_t next_;
  Random random_;
};

}  // namespace rushes::training
