// A Wan model as people have it, without a manifest: the folders that the Wan repository and diffusers publish, and
// files of any names (ComfyUI's folders, a single file), told apart by what is in them.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "rushes/models/wan/model_directory.h"

namespace rushes::wan {

struct PublishedFiles {
  std::filesystem::path transformer, text_encoder, vae;  // files, indices of shards, or folders of one checkpoint
  std::filesystem::path
      tokenizer;  // the text encoder's file where it brings the tokenizer along (embedded_tokenizer())
};

/// The files of the model in `directory`, by the published names, else by contents in it and the folders below it.
/// `checkpoint` stands in for the transformer. Throws Error(not_found) naming what is missing,
/// Error(invalid_argument) naming those among which only the user can choose, Error(unsupported) for the pipeline of
/// another kind of model.
PublishedFiles find_published(const std::filesystem::path& directory,
                              const std::optional<std::filesystem::path>& checkpoint);

/// The tokenizer in `directory` or the folders below it, by the names that tokenizers are published under; empty: none.
std::filesystem::path find_tokenizer(const std::filesystem::path& directory);

/// The files of a Wan model are there, or so many that what is missing can be told. Reads headers, no weight; throws
/// nothing.
bool has_published_layout(const std::filesystem::path& directory);

/// How weights were trained to be sampled, as far as their files tell.
struct SamplerChoice {
  bool few_step = false;
  bool assumed = false;  // nothing tells
  std::string reason;    // who says so, for people
};
/// From the contents of the transformer's file (the branches of a few-step training, its metadata) and the JSON files
/// that published models have beside it. Its name decides nothing. Throws what reading the file throws.
SamplerChoice choose_sampler(const std::filesystem::path& directory, const std::filesystem::path& transformer);

/// What the scheduler's configuration of a diffusers pipeline says, into `defaults`.
void apply_scheduler_config(const std::filesystem::path& directory, Defaults& defaults);

}  // namespace rushes::wan
