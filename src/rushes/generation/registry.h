// The families of models: one line each in families.cpp. A family recognises its files, loads them and makes a tiny
// model with random weights for tests. No libtorch here.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/generation/model.h"

namespace rushes::generation {

struct ModelOptions {
  std::string path;        // model directory or official layout; "random", "random:FAMILY": random weights, for tests
  std::string checkpoint;  // optional: weights that replace the transformer's (self_forcing_dmd.pt)
  std::string configuration;  // optional: file with defaults of sessions, over the model's own
  bool use_ema = false;
  std::string dtype = "auto";  // float32, bfloat16, auto
  std::string device = "cpu";
  std::string decoder = "auto";  // vae, tiny, auto: which autoencoder decodes
  // few_step, many_step, auto: how the transformer's weights were trained to be sampled; auto: as their files say
  std::string sampler = "auto";
  bool strict = false;  // refuses files with tensors that the model does not have
};

struct Inspection;  // inspection.h

struct Family {
  std::string_view name;
  Capabilities capabilities;  // of its models, as published
  /// The options of its models, with the defaults of the published one.
  std::span<const OptionField> (*options)();
  /// The directory is one of its models: its manifest says so, or it has the published layout. Reads no weights and
  /// throws nothing.
  bool (*recognise)(const std::filesystem::path& directory);
  /// Shows progress through the log. Throws Error.
  std::shared_ptr<const Model> (*load)(const ModelOptions& options);
  /// Small enough for tests, ready in milliseconds, deterministic. Sets libtorch to one thread.
  std::shared_ptr<const Model> (*tiny)(uint64_t seed);
  /// What a model directory is, without reading a weight; without one, what a checkpoint alone is. Throws Error.
  Inspection (*inspect)(const std::filesystem::path& directory);
  /// The options of the model there, with the defaults that its manifest gives them, without reading a weight. Throws
  /// Error. Null: its models have those of options().
  std::vector<OptionField> (*options_of)(const std::filesystem::path& directory) = nullptr;
  /// The format of what the model there would make of a request, as its manifest tells, without reading a weight.
  /// Throws Error. Null: only the model itself tells.
  VideoFormat (*format_of)(const std::filesystem::path& directory, const Request& request) = nullptr;
};

/// The first one is "random", and says what is missing in a directory that none recognises.
std::span<const Family> families();
/// Throws Error(not_found) naming those that exist.
const Family& family_named(std::string_view name);

/// The family of a ModelOptions::path; null: none recognises it.
const Family* family_of(const std::string& path);
/// The same of a directory. A family that is made of earlier ones comes after them and is asked first, since they
/// recognise its parts, too.
const Family* family_at(const std::filesystem::path& directory);

/// Loads a model of whatever family. Throws Error(not_found) if no family knows the directory, and what loading throws.
std::shared_ptr<const Model> load_model(const ModelOptions& options);

/// The options of the families that `wanted` chooses, each name once, with the names of the families that have it. For
/// flags and documents that must be known before a model is.
struct FamilyOption {
  const OptionField* field;
  std::vector<std::string_view> families;
};
std::vector<FamilyOption> family_options(const std::function<bool(const Family&)>& wanted);

}  // namespace rushes::generation
