// The dimensions of the shipped avatar's parts, fresh weights for them, and the pictures that its autoencoder learns
// from. In training one weight map holds the text encoder ("text.*") and the transformer ("transformer.*").
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "rushes/models/omniavatar/config.h"
#include "rushes/models/omniavatar/model_directory.h"
#include "rushes/models/wav2vec/config.h"
#include "rushes/text/tokenizer.h"
#include "rushes/training/wan/autoencoder_training.h"
#include "rushes/training/wan/caption_reading.h"

namespace rushes::training {

constexpr int64_t kAvatarVocabulary = 480;  // pieces of the tokenizer
constexpr int64_t kAvatarBlock = 3;         // latent frames that are made together
constexpr int64_t kAvatarWindow = 6;        // that a block looks back on, itself included

wan::TinyAutoencoderConfig avatar_autoencoder();
wan::Umt5Config avatar_text_encoder();
omniavatar::TransformerConfig avatar_transformer();
/// That of the shipped talking head, whose weights it has: both hear the same voices.
wav2vec::Config avatar_speech_encoder();
omniavatar::Defaults avatar_defaults();

/// Text encoder, transformer and the probe that reads captions.
std::map<std::string, at::Tensor> fresh_avatar();
/// Trained on captions of the world and some ordinary words, unless the file is there already.
std::unique_ptr<const text::Tokenizer> avatar_tokenizer(const std::filesystem::path& file, uint64_t seed);
/// Captions that say everything.
CaptionWorld captions_of_speakers(uint64_t seed);

/// Crops of drawn speakers, most of them around the mouth, whose lips move as fast as in speech.
PictureWorld drawn_speakers(const AutoencoderOptions& options);

}  // namespace rushes::training
