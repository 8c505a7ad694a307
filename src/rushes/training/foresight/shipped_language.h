// The language half of the shipped Foresight model: its dimensions, its tokenizer, its files in a folder of training.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "rushes/generation/foresight/model_files.h"
#include "rushes/models/qwen/model.h"
#include "rushes/tensor/weight_map.h"
#include "rushes/text/train_bpe.h"

namespace rushes::training {

constexpr int64_t kForesightMerges = 1000;
/// Side to which the processor brings the world's pictures: 4 x 4 tokens.
constexpr int64_t kForesightPictureSide = 112;

/// Dimensions for a tokenizer with `merges`. Every picture is one window.
qwen::Config foresight_language(const text::BpeMerges& merges);

/// Of the world's questions and answers, and of ordinary words.
text::BpeMerges train_foresight_bpe(uint64_t seed);
/// With the control tokens of conversations.
text::BpeFiles foresight_tokenizer(const text::BpeMerges& merges);

/// Random weights to begin with, float32, under published names.
std::map<std::string, at::Tensor> fresh_foresight_language(const qwen::Config& config);

/// DIRECTORY/language.merges.txt. read() throws Error(not_found) where training has not begun.
void write_merges(const std::filesystem::path& directory, const text::BpeMerges& merges);
text::BpeMerges read_merges(const std::filesystem::path& directory);

/// What training wrote into `directory` (language.merges.txt, language.safetensors), weights in bfloat16: for
/// write_foresight_model(). Throws Error(not_found).
generation::LanguageFiles trained_language(const std::filesystem::path& directory);
/// The same as a model in memory.
std::shared_ptr<const qwen::Model> model_of(const generation::LanguageFiles& files);

}  // namespace rushes::training
