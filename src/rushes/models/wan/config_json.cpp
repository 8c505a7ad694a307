#include "rushes/models/wan/config_json.h"

#include <cmath>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/tensor/checkpoint_folder.h"

namespace rushes::wan {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uintmax_t kMaxBytes = 1'000'000;

fs::path config_file(const fs::path& checkpoint) {
  std::error_code ignored;
  return (fs::is_directory(checkpoint, ignored) ? checkpoint : checkpoint.parent_path()) / "config.json";
}

/// Reads the fields of one file, as far as it has them.
class Fields {
 public:
  explicit Fields(const fs::path& checkpoint)
      : values_(config_json_beside(checkpoint)), file_(config_file(checkpoint).string()) {}

  void integer(const char* key, int64_t& value) const {
    if (!values_.contains(key) || !values_[key].is_number_unsigned()) return;
    const auto given = values_[key].get<uint64_t>();
    require(given >= 1 && given <= 1'000'000, ErrorCode::invalid_argument,
            "'{}': {} is {}; it must be from 1 to 1000000", file_, key, given);
    value = static_cast<int64_t>(given);
  }
  void real(const char* key, double& value) const {
    if (values_.contains(key) && values_[key].is_number()) value = values_[key].get<double>();
  }
  /// A list of exactly as many numbers as there are.
  void reals(const char* key, std::vector<double>& list) const {
    if (!values_.contains(key) || !values_[key].is_array()) return;
    const json& given = values_[key];
    require(given.size() == list.size(), ErrorCode::invalid_argument, "'{}': {} has {} numbers; it must have {}", file_,
            key, given.size(), list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      require(given[i].is_number() && std::isfinite(given[i].get<double>()), ErrorCode::invalid_argument,
              "'{}': {}[{}] is not a number", file_, key, i);
      list[i] = given[i].get<double>();
    }
  }
  /// The field is absent, or this.
  bool agrees(const char* key, int64_t value) const { return !values_.contains(key) || values_[key] == value; }
  int64_t integer_or(const char* key, int64_t standard) const {
    integer(key, standard);
    return standard;
  }
  const std::string& file() const { return file_; }

 private:
  json values_;
  std::string file_;
};

}  // namespace

json read_json_object(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored) || fs::file_size(file, ignored) > kMaxBytes) return json::object();
  std::ifstream in(file);
  json value = json::parse(in, nullptr, /*allow_exceptions=*/false);
  return value.is_object() ? value : json::object();
}

json config_json_beside(const fs::path& checkpoint) { return read_json_object(config_file(checkpoint)); }

json config_json_of(const fs::path& checkpoint) {
  std::error_code ignored;
  if (fs::is_directory(checkpoint, ignored)) return config_json_beside(checkpoint);
  const auto files = tensor::checkpoints_in(checkpoint.parent_path());
  const bool is_other_name = files.empty() || files.front().rank.is_other_name;
  if (is_other_name || files.front().path.filename() != checkpoint.filename()) return json::object();
  return config_json_beside(checkpoint);
}

void apply_config_json(const fs::path& checkpoint, TransformerConfig& config) {
  const Fields fields(checkpoint);
  int64_t heads = config.num_heads;
  fields.integer("num_heads", heads);            // Wan
  fields.integer("num_attention_heads", heads);  // diffusers
  const int64_t head_size = fields.integer_or("attention_head_dim", 0);
  if (!fields.agrees("dim", config.dim) || (head_size > 0 && head_size * heads != config.dim)) return;
  config.num_heads = heads;
  fields.integer("text_len", config.text_len);
  fields.real("eps", config.eps);
}

void apply_config_json(const fs::path& checkpoint, Umt5Config& config) {
  const Fields fields(checkpoint);
  if (!fields.agrees("d_model", config.dim) || !fields.agrees("num_heads", config.num_heads)) return;
  fields.integer("relative_attention_max_distance", config.max_distance);
  fields.real("layer_norm_epsilon", config.eps);
}

void apply_config_json(const fs::path& checkpoint, VaeConfig& config) {
  const Fields fields(checkpoint);
  if (!fields.agrees("base_dim", config.dim) || !fields.agrees("z_dim", config.z_dim)) return;
  fields.reals("latents_mean", config.mean);
  fields.reals("latents_std", config.std);
  for (const double std : config.std)
    require(std > 0, ErrorCode::invalid_argument, "'{}': latents_std has {}; it must be more than 0", fields.file(),
            std);
}

}  // namespace rushes::wan
