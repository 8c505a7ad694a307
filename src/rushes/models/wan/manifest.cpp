// model.yaml, read strictly: every key is known, every value has its type and range, every file lies below the folder.
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <set>

#include "rushes/base/error.h"
#include "rushes/models/wan/config_fields.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/tensor/file_bytes.h"
#include "rushes/text/utf8.h"

namespace rushes::wan {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t kMaxManifestBytes = 1'000'000;
constexpr std::size_t kMaxListEntries = 100'000;
constexpr int kSchema = 1;

// One mapping of the manifest, with the path to it for messages. Knows which of its keys were asked for.
class Section {
 public:
  Section(YAML::Node node, std::string path, const std::string& source, const fs::path& directory)
      : node_(std::move(node)), path_(std::move(path)), source_(source), directory_(directory) {
    require(node_.IsMap(), ErrorCode::invalid_argument, "{}: {} must be a mapping of keys to values", source_,
            path_.empty() ? "the file" : "'" + path_ + "'");
    std::set<std::string> keys;
    for (const auto& entry : node_) {
      require(entry.first.IsScalar(), ErrorCode::invalid_argument, "{}: {} has a key that is no word", source_,
              path_.empty() ? "the file" : path_);
      require(keys.insert(entry.first.Scalar()).second, ErrorCode::invalid_argument, "{}: '{}' is given twice", source_,
              field(tensor::printable(entry.first.Scalar())));
    }
  }

  bool has(const std::string& key) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.push_back(key);
    return node_[key].IsDefined();
  }
  Section section(const std::string& key) {
    require(has(key), ErrorCode::invalid_argument, "{}: '{}' is missing", source_, field(key));
    return Section(node_[key], field(key), source_, directory_);
  }
  std::string text(const std::string& key) {
    require(has(key), ErrorCode::invalid_argument, "{}: '{}' is missing", source_, field(key));
    return scalar<std::string>(node_[key], field(key), "a text");
  }
  /// A file or folder below the model's directory. Checked as text: links that the folder's owner made are theirs.
  fs::path file(const std::string& key) {
    const fs::path given = text(key);
    bool is_inside = given.is_relative() && !given.empty();
    for (const auto& part : given) is_inside = is_inside && part != "..";
    require(is_inside, ErrorCode::invalid_argument,
            "{}: '{}' is '{}'; give a path below the manifest's own folder, without '..'", source_, field(key),
            tensor::printable(given.string()));
    fs::path path = (directory_ / given).lexically_normal();
    std::error_code unreachable;  // a name too long, a loop of links
    require(fs::exists(path, unreachable), ErrorCode::not_found, "{}: '{}' names '{}', which does not exist", source_,
            field(key), tensor::printable(path.string()));
    return path;
  }

  // As a visitor of config_fields.h: reads what is given, leaves the default elsewhere.
  template <typename T>
  void operator()(const char* key, T& value, FieldRange range = kAny) {
    if (has(key)) read(node_[key], field(key), value, range);
  }

  /// Throws for keys that nobody asked for. Call last.
  void finish() const {
    for (const auto& entry : node_) {
      const std::string& key = entry.first.Scalar();
      require(std::find(known_.begin(), known_.end(), key) != known_.end(), ErrorCode::invalid_argument,
              "{}: '{}' is not a known key; allowed here: {}", source_, field(tensor::printable(key)),
              fmt::join(known_, ", "));
    }
  }
  std::string field(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  const std::string& source() const { return source_; }

 private:
  template <typename T>
  T scalar(const YAML::Node& node, const std::string& where, const char* kind) const {
    // A quoted "3" is a text, and stays one.
    const bool is_quoted = node.IsScalar() && node.Tag() == "!";
    T value{};
    require(node.IsScalar() && (!is_quoted || std::same_as<T, std::string>)&&YAML::convert<T>::decode(node, value),
            ErrorCode::invalid_argument, "{}: '{}' must be {}{}", source_, where, kind,
            node.IsScalar() ? ", not '" + tensor::printable(node.Scalar()) + "'" : "");
    if constexpr (std::same_as<T, std::string>)
      require(!text::find_invalid_utf8(value), ErrorCode::invalid_argument, "{}: '{}' is not UTF-8: '{}'", source_,
              where, tensor::printable(value));
    return value;
  }
  void check_range(double value, const std::string& where, FieldRange range) const {
    require(std::isfinite(value) && value >= range.least && value <= range.most, ErrorCode::invalid_argument,
            "{}: '{}' is {}, allowed are {} to {}", source_, where, value, range.least, range.most);
  }

  void read(const YAML::Node& node, const std::string& where, std::string& value, FieldRange) const {
    value = scalar<std::string>(node, where, "a text");
  }
  void read(const YAML::Node& node, const std::string& where, bool& value, FieldRange) const {
    value = scalar<bool>(node, where, "true or false");
  }
  void read(const YAML::Node& node, const std::string& where, int64_t& value, FieldRange range) const {
    value = scalar<int64_t>(node, where, "a whole number");
    check_range(static_cast<double>(value), where, range);
  }
  void read(const YAML::Node& node, const std::string& where, double& value, FieldRange range) const {
    value = scalar<double>(node, where, "a number");
    check_range(value, where, range);
  }
  void read(const YAML::Node& node, const std::string& where, ModelType& value, FieldRange) const {
    const auto word = scalar<std::string>(node, where, "t2v or i2v");
    require(word == "t2v" || word == "i2v", ErrorCode::invalid_argument, "{}: '{}' is '{}', allowed are t2v and i2v",
            source_, where, tensor::printable(word));
    value = word == "t2v" ? ModelType::t2v : ModelType::i2v;
  }
  template <typename T>
  void read(const YAML::Node& node, const std::string& where, std::vector<T>& list, FieldRange range) const {
    require(node.IsSequence() && node.size() <= kMaxListEntries, ErrorCode::invalid_argument, "{}: '{}' must be a list",
            source_, where);
    list.clear();
    for (std::size_t i = 0; i < node.size(); ++i) {
      T value{};
      read(node[i], fmt::format("{}[{}]", where, i), value, range);
      list.push_back(value);
    }
  }
  void read(const YAML::Node& node, const std::string& where, std::array<int64_t, 3>& triple, FieldRange range) const {
    std::vector<int64_t> list;
    read(node, where, list, range);
    require(list.size() == 3, ErrorCode::invalid_argument, "{}: '{}' must be three numbers: frames, rows, columns",
            source_, where);
    std::copy(list.begin(), list.end(), triple.begin());
  }

  YAML::Node node_;
  std::string path_;
  const std::string& source_;
  const fs::path& directory_;
  std::vector<std::string> known_;
};

// What no single field shows.
template <typename... Args>
void check(bool ok, const Section& section, const char* key, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok)
    fail(ErrorCode::invalid_argument, "{}: '{}' {}", section.source(), section.field(key),
         fmt::format(format, std::forward<Args>(args)...));
}

TransformerPart read_transformer(Section section) {
  TransformerPart part;
  part.file = section.file("file");
  if (section.has("branch")) {
    const std::string branch = section.text("branch");
    check(branch == "generator" || branch == "generator_ema", section, "branch", "must be generator or generator_ema");
    part.branch = branch == "generator" ? Branch::generator : Branch::generator_ema;
  }
  TransformerConfig& config = part.config;
  visit_transformer_fields(config, section);
  section.finish();
  check(config.dim % config.num_heads == 0, section, "num_heads", "{} does not divide dim {}", config.num_heads,
        config.dim);
  check(config.head_size() % 2 == 0, section, "num_heads",
        "gives heads of size {}; rotary embedding needs an even size", config.head_size());
  check(config.freq_dim % 2 == 0, section, "freq_dim", "must be even, not {}", config.freq_dim);
  check(config.local_attn_size != 0, section, "local_attn_size", "must be -1 (all) or at least 1");
  check(config.local_attn_size < 0 || config.sink_size < config.local_attn_size, section, "sink_size",
        "{} leaves nothing of a window of {} latent frames", config.sink_size, config.local_attn_size);
  return part;
}

TextEncoderPart read_text_encoder(Section section) {
  TextEncoderPart part;
  part.file = section.file("file");
  Umt5Config& config = part.config;
  visit_umt5_fields(config, section);
  section.finish();
  check(config.dim_attn % config.num_heads == 0, section, "num_heads", "{} does not divide dim_attn {}",
        config.num_heads, config.dim_attn);
  check(config.num_buckets % 4 == 0, section, "num_buckets", "must be a multiple of 4, not {}", config.num_buckets);
  return part;
}

AutoencoderPart read_autoencoder(Section section) {
  AutoencoderPart part;
  const std::string kind = section.text("kind");
  check(kind == "vae" || kind == "tiny", section, "kind", "is '{}', allowed are vae and tiny", tensor::printable(kind));
  part.kind = kind == "vae" ? AutoencoderKind::vae : AutoencoderKind::tiny;
  part.file = section.file("file");
  if (part.kind == AutoencoderKind::vae) {
    VaeConfig& config = part.vae;
    visit_vae_fields(config, section);
    section.finish();
    const auto channels = static_cast<std::size_t>(config.z_dim);
    check(config.mean.size() == channels, section, "mean", "needs one number for each of the {} latent channels",
          channels);
    check(config.std.size() == channels, section, "std", "needs one number for each of the {} latent channels",
          channels);
    check(!config.dim_mult.empty() && config.dim_mult.size() <= 8, section, "dim_mult", "needs 1 to 8 levels");
    check(config.temporal_downsample.size() + 1 == config.dim_mult.size(), section, "temporal_downsample",
          "needs {} entries, one fewer than dim_mult", config.dim_mult.size() - 1);
  } else {
    TinyAutoencoderConfig& config = part.tiny;
    visit_tiny_autoencoder_fields(config, section);
    section.finish();
    check(config.decoder_widths.size() == 4, section, "decoder_widths", "needs 4 numbers");
    check(config.decoder_time_upscale.size() == 2, section, "decoder_time_upscale", "needs 2 entries");
    check(config.decoder_space_upscale.size() == 3, section, "decoder_space_upscale", "needs 3 entries");
  }
  return part;
}

Defaults read_defaults(Section section) {
  Defaults defaults;
  visit_default_fields(defaults, section);
  section.finish();
  const auto& list = defaults.denoising_step_list;
  for (std::size_t i = 0; i < list.size(); ++i) {
    check(list[i] <= static_cast<double>(defaults.num_train_timestep), section, "denoising_step_list",
          "has {}, more than num_train_timestep {}", list[i], defaults.num_train_timestep);
    check(i == 0 || list[i] < list[i - 1], section, "denoising_step_list",
          "must fall from entry to entry ({} follows {})", list[i], list[i == 0 ? 0 : i - 1]);
  }
  const int64_t block = defaults.num_frame_per_block, first = defaults.independent_first_frame ? 1 : 0;
  check((defaults.segment_latent_frames - first) % block == 0, section, "segment_length",
        "must be {} multiple of {} (got {})", first != 0 ? "1 more than a" : "a", block,
        defaults.segment_latent_frames);
  check(defaults.overlap_latent_frames < defaults.segment_latent_frames, section, "overlap_frames",
        "{} must be less than segment_length {}", defaults.overlap_latent_frames, defaults.segment_latent_frames);
  return defaults;
}

int64_t channels(const AutoencoderPart& part) {
  return part.kind == AutoencoderKind::vae ? part.vae.z_dim : part.tiny.latent_channels;
}

// As a visitor: writes each field of a configuration.
struct Writer {
  YAML::Emitter& out;
  template <typename T>
  void operator()(const char* key, const T& value, FieldRange = kAny) {
    out << YAML::Key << key << YAML::Value;
    write(value);
  }
  void write(int64_t value) { out << value; }
  void write(bool value) { out << value; }
  void write(double value) { out << fmt::format("{}", value); }  // shortest text that reads back the same
  void write(const std::string& value) { out << YAML::DoubleQuoted << value; }
  void write(ModelType value) { out << (value == ModelType::t2v ? "t2v" : "i2v"); }
  template <typename List>
  requires requires(const List& list) { list.begin(); }
  void write(const List& list) {
    out << YAML::Flow << YAML::BeginSeq;
    for (const auto entry : list) write(entry);
    out << YAML::EndSeq;
  }
};

void write_autoencoder(YAML::Emitter& out, const char* key, const AutoencoderPart& part, const fs::path& directory) {
  const bool is_vae = part.kind == AutoencoderKind::vae;
  out << YAML::Key << key << YAML::Value << YAML::BeginMap;
  out << YAML::Key << "kind" << YAML::Value << (is_vae ? "vae" : "tiny");
  out << YAML::Key << "file" << YAML::Value << YAML::DoubleQuoted << part.file.lexically_relative(directory).string();
  if (is_vae)
    visit_vae_fields(part.vae, Writer{out});
  else
    visit_tiny_autoencoder_fields(part.tiny, Writer{out});
  out << YAML::EndMap;
}

}  // namespace

ModelDirectory parse_manifest(const std::string& yaml, const fs::path& directory, const std::string& source) {
  require(yaml.size() <= kMaxManifestBytes, ErrorCode::too_large, "{} has {} bytes, a manifest at most {}", source,
          yaml.size(), kMaxManifestBytes);
  ModelDirectory model;
  model.directory = fs::absolute(directory).lexically_normal();
  try {
    Section top(YAML::Load(yaml), "", source, model.directory);
    int64_t schema = 0;
    require(top.has("schema"), ErrorCode::invalid_argument, "{}: 'schema' is missing; this is version {}", source,
            kSchema);
    top("schema", schema);
    require(schema == kSchema, ErrorCode::unsupported, "{}: 'schema' is {}, this build reads {}", source, schema,
            kSchema);
    model.name = top.text("name");
    require(!model.name.empty() && model.name.size() <= 100, ErrorCode::invalid_argument,
            "{}: 'name' must have 1 to 100 bytes", source);
    const std::string family = top.text("family");
    require(family == "wan", ErrorCode::unsupported, "{}: 'family' is '{}', this build knows wan", source,
            tensor::printable(family));
    model.transformer = read_transformer(top.section("transformer"));
    model.text_encoder = read_text_encoder(top.section("text_encoder"));
    model.autoencoder = read_autoencoder(top.section("autoencoder"));
    if (top.has("preview_autoencoder"))
      model.preview_autoencoder = read_autoencoder(top.section("preview_autoencoder"));
    model.tokenizer = top.file("tokenizer");
    if (top.has("defaults")) model.defaults = read_defaults(top.section("defaults"));
    top.finish();
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::invalid_argument, "{} is not valid YAML: line {}, column {}: {}", source, error.mark.line + 1,
         error.mark.column + 1, tensor::printable(error.msg));
  }
  require(model.text_encoder.config.dim == model.transformer.config.text_dim, ErrorCode::invalid_argument,
          "{}: 'transformer.text_dim' is {}, but 'text_encoder.dim' is {}; they must be equal", source,
          model.transformer.config.text_dim, model.text_encoder.config.dim);
  require(channels(model.autoencoder) == model.transformer.config.out_dim, ErrorCode::invalid_argument,
          "{}: 'transformer.out_dim' is {}, but the autoencoder has {} latent channels; they must be equal", source,
          model.transformer.config.out_dim, channels(model.autoencoder));
  require(!model.preview_autoencoder || channels(*model.preview_autoencoder) == channels(model.autoencoder),
          ErrorCode::invalid_argument,
          "{}: 'preview_autoencoder' and 'autoencoder' have different numbers of latent channels", source);
  return model;
}

std::string manifest_yaml(const ModelDirectory& model) {
  const auto relative = [&](const fs::path& file) { return file.lexically_relative(model.directory).string(); };
  YAML::Emitter out;
  out << YAML::BeginMap;
  out << YAML::Key << "schema" << YAML::Value << kSchema;
  out << YAML::Key << "name" << YAML::Value << YAML::DoubleQuoted << model.name;
  out << YAML::Key << "family" << YAML::Value << "wan";
  out << YAML::Key << "transformer" << YAML::Value << YAML::BeginMap;
  out << YAML::Key << "file" << YAML::Value << YAML::DoubleQuoted << relative(model.transformer.file);
  out << YAML::Key << "branch" << YAML::Value
      << (model.transformer.branch == Branch::generator ? "generator" : "generator_ema");
  visit_transformer_fields(model.transformer.config, Writer{out});
  out << YAML::EndMap;
  out << YAML::Key << "text_encoder" << YAML::Value << YAML::BeginMap;
  out << YAML::Key << "file" << YAML::Value << YAML::DoubleQuoted << relative(model.text_encoder.file);
  visit_umt5_fields(model.text_encoder.config, Writer{out});
  out << YAML::EndMap;
  write_autoencoder(out, "autoencoder", model.autoencoder, model.directory);
  if (model.preview_autoencoder)
    write_autoencoder(out, "preview_autoencoder", *model.preview_autoencoder, model.directory);
  out << YAML::Key << "tokenizer" << YAML::Value << YAML::DoubleQuoted << relative(model.tokenizer);
  out << YAML::Key << "defaults" << YAML::Value << YAML::BeginMap;
  visit_default_fields(model.defaults, Writer{out});
  out << YAML::EndMap << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace rushes::wan
