#include "rushes/generation/talk_directory.h"

#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <fstream>
#include <iterator>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/models/wav2vec/checkpoint.h"
#include "rushes/tensor/file_bytes.h"
#include "rushes/text/utf8.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxManifestBytes = 1'000'000;
constexpr std::size_t kMaxListEntries = 64;

struct Range {
  double least, most;
};
// Far above every published model; small enough that no product of two overflows.
constexpr Range kExtent{1, 1 << 16};

template <typename Config, typename Visitor>
void visit_renderer(Config& config, Visitor&& visit) {
  visit("feature_dims", config.feature_dims, kExtent);
  visit("spatial_dims", config.spatial_dims, Range{1, 2048});
  visit("dim_motion", config.dim_motion, kExtent);
  visit("dim_app", config.dim_app, kExtent);
  visit("motion_encoder_initial", config.motion_encoder_initial, kExtent);
  visit("motion_encoder_channels", config.motion_encoder_channels, kExtent);
  visit("const_dim", config.const_dim, kExtent);
  visit("const_size", config.const_size, Range{1, 64});
  visit("swin_res_threshold", config.swin_res_threshold, Range{1, 4096});
  visit("window_size", config.window_size, Range{1, 64});
  visit("num_heads", config.num_heads, Range{1, 1024});
}

template <typename Config, typename Visitor>
void visit_generator(Config& config, Visitor&& visit) {
  visit("fps", config.fps, Range{1, 240});
  visit("sampling_rate", config.sampling_rate, Range{1000, 192'000});
  visit("window_seconds", config.window_seconds, Range{0.01, 60});
  visit("num_prev_frames", config.num_prev_frames, Range{1, 1000});
  visit("dim_audio", config.dim_audio, kExtent);
  visit("dim_condition", config.dim_condition, kExtent);
  visit("dim_motion", config.dim_motion, kExtent);
  visit("dim_hidden", config.dim_hidden, kExtent);
  visit("num_heads", config.num_heads, Range{1, 1024});
  visit("depth", config.depth, Range{1, 1000});
  visit("mlp_ratio", config.mlp_ratio, Range{0.1, 64});
}

template <typename Config, typename Visitor>
void visit_audio(Config& config, Visitor&& visit) {
  visit("hidden_size", config.hidden_size, kExtent);
  visit("num_hidden_layers", config.num_hidden_layers, Range{1, 1000});
  visit("num_attention_heads", config.num_attention_heads, Range{1, 1024});
  visit("intermediate_size", config.intermediate_size, kExtent);
  visit("conv_dim", config.conv_dim, kExtent);
  visit("conv_kernel", config.conv_kernel, Range{1, 1024});
  visit("conv_stride", config.conv_stride, Range{1, 1024});
  visit("num_conv_pos_embeddings", config.num_conv_pos_embeddings, Range{1, 4096});
  visit("num_conv_pos_embedding_groups", config.num_conv_pos_embedding_groups, Range{1, 4096});
  visit("layer_norm_eps", config.layer_norm_eps, Range{0, 1});
}

template <typename Config, typename Visitor>
void visit_defaults(Config& defaults, Visitor&& visit) {
  visit("nfe", defaults.nfe, Range{2, 1000});
  visit("cfg_scale", defaults.cfg_scale, Range{0, 20});
  visit("motion_scale", defaults.motion_scale, Range{0, 4});
  visit("normalise_audio", defaults.normalise_audio, Range{0, 1});
  visit("chunk_seconds", defaults.chunk_seconds, Range{0.04, 10});
}

/// Reads the fields of one section, leaving defaults where nothing is given.
class SectionReader {
 public:
  SectionReader(const YAML::Node& node, std::string name, const std::string& source)
      : node_(node), name_(std::move(name)), source_(source) {
    require(!node_.IsDefined() || node_.IsMap(), ErrorCode::invalid_argument,
            "{}: '{}' must be a mapping of keys to values", source_, name_);
  }

  template <typename T>
  void operator()(const char* key, T& value, Range range) {
    known_.push_back(key);
    if (node_.IsDefined() && node_[key].IsDefined()) read(node_[key], fmt::format("{}.{}", name_, key), value, range);
  }

  /// Throws for keys that nobody asked for.
  void finish() const {
    if (!node_.IsDefined()) return;
    for (const auto& entry : node_) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : std::string("?");
      require(std::find(known_.begin(), known_.end(), key) != known_.end(), ErrorCode::invalid_argument,
              "{}: '{}.{}' is not a known key; allowed here: {}", source_, name_, tensor::printable(key),
              fmt::join(known_, ", "));
    }
  }

 private:
  template <typename T>
  void read(const YAML::Node& node, const std::string& where, T& value, Range range) const {
    require(node.IsScalar() && YAML::convert<T>::decode(node, value), ErrorCode::invalid_argument,
            "{}: '{}' must be {}{}", source_, where,
            std::same_as<T, bool>      ? "true or false"
            : std::same_as<T, int64_t> ? "a whole number"
                                       : "a number",
            node.IsScalar() ? ", not '" + tensor::printable(node.Scalar()) + "'" : "");
    const auto number = static_cast<double>(value);
    require(std::isfinite(number) && number >= range.least && number <= range.most, ErrorCode::invalid_argument,
            "{}: '{}' is {}, allowed are {} to {}", source_, where, number, range.least, range.most);
  }
  void read(const YAML::Node& node, const std::string& where, std::vector<int64_t>& list, Range range) const {
    require(node.IsSequence() && node.size() >= 1 && node.size() <= kMaxListEntries, ErrorCode::invalid_argument,
            "{}: '{}' must be a list of 1 to {} numbers", source_, where, kMaxListEntries);
    list.clear();
    for (std::size_t i = 0; i < node.size(); ++i) {
      int64_t value = 0;
      read(node[i], fmt::format("{}[{}]", where, i), value, range);
      list.push_back(value);
    }
  }

  YAML::Node node_;
  std::string name_;
  const std::string& source_;
  std::vector<std::string> known_;
};

/// Prints the fields of one section.
class SectionWriter {
 public:
  explicit SectionWriter(const char* name) : text_(fmt::format("{}:\n", name)) {}
  template <typename T>
  void operator()(const char* key, const T& value, Range) {
    if constexpr (std::same_as<T, std::vector<int64_t>>)
      text_ += fmt::format("  {}: [{}]\n", key, fmt::join(value, ", "));
    else
      text_ += fmt::format("  {}: {}\n", key, value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void check_dimensions(const TalkDirectory& model, const std::string& source) {
  const auto& [renderer, generator, audio] =
      std::tie(model.renderer_config, model.generator_config, model.audio_config);
  const auto equal = [&](const char* first, int64_t a, const char* second, int64_t b) {
    require(a == b, ErrorCode::invalid_argument, "{}: {} is {}, but {} is {}; they must be equal", source, first, a,
            second, b);
  };
  equal("renderer.dim_motion", renderer.dim_motion, "motion_generator.dim_motion", generator.dim_motion);
  equal("motion_generator.dim_audio", generator.dim_audio, "audio_encoder.hidden_size", audio.hidden_size);
  equal("the length of renderer.feature_dims", renderer.levels(), "that of renderer.spatial_dims",
        static_cast<int64_t>(renderer.spatial_dims.size()));
  equal("the length of audio_encoder.conv_dim", static_cast<int64_t>(audio.conv_dim.size()), "that of conv_kernel",
        static_cast<int64_t>(audio.conv_kernel.size()));
  equal("the length of audio_encoder.conv_dim", static_cast<int64_t>(audio.conv_dim.size()), "that of conv_stride",
        static_cast<int64_t>(audio.conv_stride.size()));
  const double samples = static_cast<double>(generator.sampling_rate) / generator.fps;
  require(samples == std::floor(samples), ErrorCode::unsupported,
          "{}: motion_generator: {} samples a second are no whole number for each of {} video frames", source,
          generator.sampling_rate, generator.fps);
}

TalkDirectory published_layout(const fs::path& directory) {
  TalkDirectory model;
  model.directory = directory;
  model.name = directory.filename().string();
  model.renderer = directory / "renderer.ckpt";
  model.motion_generator = directory / "generator.ckpt";
  model.audio_encoder = directory / "wav2vec2-base-960h";
  for (const fs::path& file : {model.renderer, model.motion_generator, model.audio_encoder})
    require(fs::exists(file), ErrorCode::not_found,
            "'{}' is no talking-head model: it has neither {} nor, as published, {}", directory.string(),
            kTalkManifestName, file.filename().string());
  model.audio_config = wav2vec::read_config(model.audio_encoder);
  model.generator_config.dim_audio = model.audio_config.hidden_size;
  model.defaults.motion_scale = 0.6;
  check_dimensions(model, directory.string());
  return model;
}

std::optional<fs::path> find_detector(const fs::path& directory) {
  for (const char* name : {"face_detector.safetensors", "s3fd.pth"})
    if (fs::exists(directory / name)) return directory / name;
  return std::nullopt;
}

}  // namespace

TalkDirectory parse_talk_manifest(const std::string& yaml, const fs::path& directory, const std::string& source) {
  require(yaml.size() <= kMaxManifestBytes && !text::find_invalid_utf8(yaml), ErrorCode::invalid_argument,
          "{}: not a text of at most {} bytes", source, kMaxManifestBytes);
  YAML::Node root;
  try {
    root = YAML::Load(yaml);
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::invalid_argument, "{}: not YAML: {}", source, error.what());
  }
  require(root.IsMap(), ErrorCode::invalid_argument, "{}: the file must be a mapping of keys to values", source);
  const auto word = [&](const char* key) {
    require(root[key].IsDefined() && root[key].IsScalar(), ErrorCode::invalid_argument, "{}: '{}' is missing", source,
            key);
    return root[key].Scalar();
  };
  require(word("kind") == "imtalker", ErrorCode::unsupported, "{}: 'kind' is '{}'; imtalker is the only one known",
          source, tensor::printable(word("kind")));
  TalkDirectory model;
  model.directory = directory;
  model.name = word("name");
  for (const auto& entry : root) {
    constexpr std::string_view kKeys[] = {"kind", "name", "renderer", "motion_generator", "audio_encoder", "defaults"};
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : std::string("?");
    require(std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys), ErrorCode::invalid_argument,
            "{}: '{}' is not a known key; allowed here: {}", source, tensor::printable(key), fmt::join(kKeys, ", "));
  }
  SectionReader renderer(root["renderer"], "renderer", source),
      generator(root["motion_generator"], "motion_generator", source),
      audio(root["audio_encoder"], "audio_encoder", source), defaults(root["defaults"], "defaults", source);
  visit_renderer(model.renderer_config, renderer);
  visit_generator(model.generator_config, generator);
  visit_audio(model.audio_config, audio);
  visit_defaults(model.defaults, defaults);
  for (const SectionReader* section : {&renderer, &generator, &audio, &defaults}) section->finish();
  check_dimensions(model, source);
  model.renderer = directory / "renderer.safetensors";
  model.motion_generator = directory / "motion_generator.safetensors";
  model.audio_encoder = directory / "audio_encoder.safetensors";
  model.face_detector = find_detector(directory);
  return model;
}

TalkDirectory open_talk_directory(const fs::path& directory) {
  require(fs::is_directory(directory), ErrorCode::not_found, "'{}' is no directory; name a talking-head model",
          directory.string());
  const fs::path manifest = directory / kTalkManifestName;
  if (!fs::exists(manifest)) {
    TalkDirectory model = published_layout(directory);
    model.face_detector = find_detector(directory);
    return model;
  }
  std::ifstream file(manifest, std::ios::binary);
  const std::string yaml{std::istreambuf_iterator<char>(file), {}};
  require(file.good() || file.eof(), ErrorCode::not_found, "cannot read {}", manifest.string());
  return parse_talk_manifest(yaml, directory, manifest.string());
}

std::string talk_manifest_yaml(const TalkDirectory& model) {
  YAML::Emitter name;
  name << YAML::DoubleQuoted << model.name;
  SectionWriter renderer("renderer"), generator("motion_generator"), audio("audio_encoder"), defaults("defaults");
  visit_renderer(model.renderer_config, renderer);
  visit_generator(model.generator_config, generator);
  visit_audio(model.audio_config, audio);
  visit_defaults(model.defaults, defaults);
  return fmt::format("kind: imtalker\nname: {}\n{}{}{}{}", name.c_str(), renderer.text(), generator.text(),
                     audio.text(), defaults.text());
}

bool is_talk_directory(const fs::path& directory) {
  std::error_code status;
  return fs::exists(directory / kTalkManifestName, status) ||
         (fs::exists(directory / "renderer.ckpt", status) && fs::exists(directory / "generator.ckpt", status));
}

}  // namespace rushes::generation
