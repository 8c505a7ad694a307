// The dimensions of the shipped text-to-video model, and fresh weights for its parts.
#pragma once
#include <map>
#include <string>

#include "rushes/models/wan/config.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::training {

constexpr int64_t kShippedSide = 128;        // pixels
constexpr int64_t kShippedVocabulary = 640;  // pieces of the tokenizer

wan::TinyAutoencoderConfig shipped_autoencoder();
wan::Umt5Config shipped_text_encoder();
wan::TransformerConfig shipped_transformer();
wan::Defaults shipped_defaults();

/// He initialisation for the convolutions; the last one of a memory block is small, so that blocks begin as identities.
std::map<std::string, at::Tensor> fresh_autoencoder(const wan::TinyAutoencoderConfig& config);
std::map<std::string, at::Tensor> fresh_text_encoder(const wan::Umt5Config& config);
/// Matrices N(0, 0.02-like 1/sqrt(in)); what writes to the residual stream and the head begins near zero.
std::map<std::string, at::Tensor> fresh_transformer(const wan::TransformerConfig& config);

}  // namespace rushes::training
