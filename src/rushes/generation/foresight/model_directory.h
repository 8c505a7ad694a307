// A Foresight model on disk: where its parts are, and the values that a request starts from. Read from a manifest
// `model.yaml`, or found in a folder that holds the published models. Nothing is loaded here.
//
//   schema: 1
//   name: shipped-foresight
//   family: foresight
//   language: {folder: qwen}                                       # of the transformers library
//   video:    {folder: ltx}                                        # of the diffusers library, or `file` of one file
//   spatial:  {file: dinov2_vitl14_pretrain.pth}                   # or `folder`; only with an adapter
//   adapter:  {file: adapter.safetensors, num_heads: 6}
//   defaults: {height: 512, width: 512, frames: 30, fps: 15, steps: 30, ...}
//   trained_for: {sizes: [128x128], frames: 33}                    # optional
//   words: [What will happen, the, red, ball, ...]                 # optional
//
// A video model of one file also has `text_encoder` and `tokenizer`, a folder and a file. Language or video may be left
// out; spatial and adapter are one.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "rushes/base/known_words.h"
#include "rushes/base/trained_for.h"
#include "rushes/generation/foresight/settings.h"

namespace rushes::generation {

struct ForesightDirectory {
  std::filesystem::path directory;  // absolute; every path below is absolute too, and empty for what is not there
  std::string name;
  std::filesystem::path language;
  std::filesystem::path video, text_encoder, tokenizer;
  std::filesystem::path spatial, adapter;
  int64_t adapter_heads = 0;     // 0: as its form has
  int64_t spatial_square = 224;  // side of the picture that the vision transformer sees
  ForesightSettings defaults;
  TrainedFor trained_for;
  KnownWords words;
  std::vector<std::string> assumptions;  // what no file tells: what was taken, and how to say otherwise; for people
  bool operator==(const ForesightDirectory&) const = default;
};

/// Throws Error(not_found) with what is missing, Error(invalid_argument) naming the file and the field, or the files
/// that are equally good.
ForesightDirectory open_foresight_directory(const std::filesystem::path& directory);

/// A manifest of this family, or a published language model or video model of it. Reads headers, no weight; throws
/// nothing.
bool is_foresight_directory(const std::filesystem::path& directory);

/// The manifest of `model`, with every field.
std::string foresight_manifest(const ForesightDirectory& model);

}  // namespace rushes::generation
