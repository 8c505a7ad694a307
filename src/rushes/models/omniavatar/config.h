// What the transformer of an OmniAvatar model looks like: Wan's, with more input channels and with speech. Defaults are
// the published 1.3B model. Text encoder, autoencoder and tokenizer are Wan's own.
#pragma once
#include <algorithm>
#include <cstdint>

#include "rushes/models/wan/config.h"
#include "rushes/models/wav2vec/config.h"

namespace rushes::omniavatar {

/// Blocks 2, 3, .. of the transformer get the speech.
inline constexpr int64_t kFirstSpeechLayer = 2;

/// Width of the features of a video frame: all hidden states of the speech encoder, the last one twice.
inline int64_t speech_feature_dim(const wav2vec::Config& config) {
  return (config.num_hidden_layers + 2) * config.hidden_size;
}

/// How the transformer takes speech: features of `group` video frames become one vector for their latent frame.
struct SpeechConfig {
  int64_t feature_dim = 10752;  // of one video frame: 14 hidden states of 768
  int64_t hidden_size = 32;     // of a packed latent frame
  int64_t group = 4;            // video frames of a latent frame
  bool operator==(const SpeechConfig&) const = default;
};

struct TransformerConfig {
  wan::TransformerConfig wan = {.in_dim = 33};  // out_dim latent channels, out_dim of the reference picture, one mask
  SpeechConfig speech;

  /// Blocks that get the speech: those up to the middle one but the first two.
  int64_t speech_layers() const { return std::max<int64_t>(0, wan.num_layers / 2 - 1); }
  /// Channels beside the latents: the reference picture's and a mask.
  int64_t condition_channels() const { return wan.in_dim - wan.out_dim; }
  bool operator==(const TransformerConfig&) const = default;
};

}  // namespace rushes::omniavatar
