// The parts of a Foresight model in memory, and how they are written to a folder in the layouts that are published: for
// whoever makes a model (training, tests).
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "rushes/generation/foresight/model_directory.h"
#include "rushes/generation/foresight/parts.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/models/ltx/config.h"
#include "rushes/models/qwen/config.h"
#include "rushes/models/t5/config.h"
#include "rushes/tensor/weight_map.h"
#include "rushes/text/byte_level_bpe.h"

namespace rushes::generation {

struct LanguageFiles {
  qwen::Config config;
  tensor::WeightMap weights;  // under published names: qwen::parameter_shapes()
  text::BpeFiles tokenizer;
};

struct VideoFiles {
  ltx::Config config;
  tensor::WeightMap transformer, vae;
  t5::Config text_config;
  tensor::WeightMap text;
  std::filesystem::path tokenizer;  // a sentencepiece model, which is copied
};

struct AdapterFiles {
  dinov2::Config spatial_config;  // in the authors' layout
  tensor::WeightMap spatial;
  foresight::AdapterConfig config;
  tensor::WeightMap adapter;
  int64_t square = 224;
};

struct ForesightFiles {
  std::string name;
  std::optional<LanguageFiles> language;
  std::optional<VideoFiles> video;
  std::optional<AdapterFiles> adapter;
  ForesightSettings defaults;
  TrainedFor trained_for = {};
  KnownWords words = {};
};

/// language/ as the transformers library writes it, video/ as the diffusers library does, dinov2.safetensors,
/// adapter.safetensors, model.yaml. Weights in the types that they have. Throws Error(unavailable) if the disk refuses.
void write_foresight_model(const std::filesystem::path& directory, const ForesightFiles& files);

}  // namespace rushes::generation
