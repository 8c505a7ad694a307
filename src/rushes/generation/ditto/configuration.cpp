#include "rushes/generation/ditto/configuration.h"

#include <fmt/format.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/base/printable.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/pickle_data.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMostJson = 64 << 20;  // bytes

at::Tensor rows(const tensor::WeightMap& arrays, const char* name, int64_t width) {
  const at::Tensor& found = arrays.at(name, {-1, width});
  require(found.size(0) >= 1 && at::isfinite(found.to(at::kFloat)).all().item<bool>(), ErrorCode::corrupt_data,
          "'{}' must have a row, and finite numbers", name);
  return found.to(at::kFloat).contiguous();
}

void read_arrays(const tensor::WeightMap& arrays, DittoSettings& settings) {
  if (arrays.contains("emo")) settings.emotion = rows(arrays, "emo", 8);
  if (arrays.contains("v_min_max_for_clip")) {
    const at::Tensor bounds = rows(arrays, "v_min_max_for_clip", ditto::kMotion);
    require(bounds.size(0) >= 2, ErrorCode::corrupt_data, "'v_min_max_for_clip' must have at least two rows");
    settings.windows.lowest = bounds[0];
    settings.windows.highest = bounds[1];
  }
  if (arrays.contains("delta_eye_arr")) settings.retarget.blink = rows(arrays, "delta_eye_arr", ditto::kExpression);
  if (!arrays.contains("ch_info.x_s_info")) return;
  DittoCharacter character;
  character.motion =
      ditto::from_source_vector(arrays.at("ch_info.x_s_info", {ditto::kMotion + ditto::kExpression}).to(at::kFloat));
  character.sc = arrays.contains("ch_info.sc") ? arrays.at("ch_info.sc", {ditto::kExpression}).to(at::kFloat)
                                               : character.motion.kp.squeeze(0);
  if (arrays.contains("ch_info.eye_open")) character.eye_open = rows(arrays, "ch_info.eye_open", 2);
  if (arrays.contains("ch_info.eye_ball")) character.eye_ball = rows(arrays, "ch_info.eye_ball", 6);
  settings.character = std::move(character);
}

json json_in(const fs::path& file) {
  std::error_code status;
  const auto bytes = fs::file_size(file, status);
  require(!status && bytes <= kMostJson, ErrorCode::too_large, "'{}' is missing or has more than {} bytes",
          file.string(), kMostJson);
  std::ifstream in(file);
  json found = json::parse(in, nullptr, /*allow_exceptions=*/false);
  require(found.is_object(), ErrorCode::corrupt_data, "'{}' is not a JSON object", file.string());
  return found;
}

/// Lists of what its frames are, as registering a source leaves them, have one entry for a character.
json one_character(json info) {
  if (info.contains("x_s_info_lst") && info["x_s_info_lst"].is_array() && !info["x_s_info_lst"].empty())
    info["x_s_info"] = info["x_s_info_lst"].front();
  for (const char* name : {"eye_open_lst", "eye_ball_lst"}) {
    if (!info.contains(name) || !info[name].is_array()) continue;
    json rows = json::array();  // of arrays [1, n] or [n]
    for (const json& entry : info[name])
      rows.push_back(entry.is_array() && !entry.empty() && entry.front().is_array() ? entry.front() : entry);
    info[name] = rows;
  }
  return info;
}

/// Of a published configuration (base_cfg, audio2motion_cfg, default_kwargs) the options of a session.
json published(const json& all) {
  require(all.is_object() && all.contains("default_kwargs") && all["default_kwargs"].is_object(),
          ErrorCode::corrupt_data, "a published configuration is a dictionary with default_kwargs");
  const std::vector<OptionField> fields = ditto_options({});
  json options = json::object();
  for (const auto& [name, value] : all["default_kwargs"].items()) {
    if (find_field(fields, name) == nullptr)
      log::info("the configuration's {} has no effect", printable(name));
    else if (name == "ch_info" && value.is_object())
      options[name] = one_character(value);
    else
      options[name] = value;
  }
  return options;
}

}  // namespace

Options options_from(const json& values, std::span<const OptionField> fields) {
  Options given;
  for (const auto& [name, value] : values.items()) {
    const OptionField* const field = find_field(fields, name);
    require(field != nullptr, ErrorCode::invalid_argument, "unknown option '{}'", name);
    if (value.is_null()) continue;  // as if it were not there
    if (field->json)
      given.set(name, value.dump());
    else if (value.is_boolean())
      given.set(name, value.get<bool>());
    else if (value.is_number_integer())
      given.set(name, value.get<int64_t>());
    else if (value.is_number())
      given.set(name, value.get<double>());
    else if (value.is_string())
      given.set(name, value.get<std::string>());
    else if (value.is_array() && std::all_of(value.begin(), value.end(), [](const json& v) { return v.is_number(); }))
      given.set(name, value.get<std::vector<double>>());
    else
      fail(ErrorCode::invalid_argument, "{} must be {}", name, field->allowed());
  }
  return checked(given, fields);
}

void read_configuration(const fs::path& file, DittoSettings& settings) {
  try {
    if (file.extension() == ".safetensors")
      read_arrays(tensor::load_safetensors(file), settings);
    else if (file.extension() == ".json")
      apply(options_from(json_in(file), ditto_options(settings)), settings);
    else if (file.extension() == ".pkl")
      apply(options_from(published(tensor::plain_data(*tensor::FileBytes::map(file))), ditto_options(settings)),
            settings);
    else
      fail(ErrorCode::unsupported, "a configuration must be .safetensors, .json or .pkl");
  } catch (const Error& error) {
    fail(error.code(), "'{}': {}", file.string(), error.what());
  }
}

}  // namespace rushes::generation
