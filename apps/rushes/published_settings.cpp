#include "published_settings.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <utility>

#include "rushes/base/error.h"

namespace rushes::app {
namespace {

/// What an answer is made with: the variable, and our name.
constexpr std::pair<const char*, const char*> kOfAnswers[] = {{"FORESIGHT_NUM_FRAMES", "frames"},
                                                              {"FORESIGHT_FPS", "fps"},
                                                              {"FORESIGHT_VIDEO_WIDTH", "width"},
                                                              {"FORESIGHT_VIDEO_HEIGHT", "height"},
                                                              {"FORESIGHT_GUIDANCE_SCALE", "guidance_scale"},
                                                              {"FORESIGHT_NUM_INFERENCE_STEPS", "steps"},
                                                              {"FORESIGHT_MAX_NEW_TOKENS", "max_new_tokens"}};

/// JSON is YAML.
std::vector<std::string> list_of(const char* variable, const std::string& text) {
  std::vector<std::string> values;
  try {
    const YAML::Node list = YAML::Load(text);
    require(list.IsSequence(), ErrorCode::invalid_argument, "{} must be a list in JSON (got '{}')", variable, text);
    for (const YAML::Node& each : list) values.push_back(each.as<std::string>());
  } catch (const YAML::Exception& error) {
    fail(ErrorCode::invalid_argument, "{} must be a list of strings in JSON: {}", variable, error.msg);
  }
  return values;
}

bool is_true(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text == "1" || text == "true" || text == "yes" || text == "on";
}

}  // namespace

std::vector<PublishedSetting> published_settings(const std::function<const char*(const char*)>& value) {
  const auto of = [&](const char* name) {
    const char* text = value(name);
    return std::string(text ? text : "");
  };
  std::vector<PublishedSetting> settings;
  const std::string host = of("FORESIGHT_HOST"), port = of("FORESIGHT_PORT");
  if (!host.empty() || !port.empty())
    settings.push_back({"FORESIGHT_HOST, FORESIGHT_PORT",
                        "listen",
                        {(host.empty() ? "127.0.0.1" : host) + ":" + (port.empty() ? "8000" : port)}});
  if (const std::string origins = of("FORESIGHT_CORS_ORIGINS"); !origins.empty())
    settings.push_back({"FORESIGHT_CORS_ORIGINS", "allow-origin", list_of("FORESIGHT_CORS_ORIGINS", origins)});
  if (const std::string folder = of("FORESIGHT_STATIC_DIR"); !folder.empty())
    settings.push_back({"FORESIGHT_STATIC_DIR", "static-dir", {folder}});
  PublishedSetting answers{"FORESIGHT_...", "answer", {}};
  for (const auto& [variable, name] : kOfAnswers)
    if (const std::string text = of(variable); !text.empty()) answers.values.push_back(std::string(name) + "=" + text);
  if (const std::string adapter = of("FORESIGHT_USE_ADAPTER"); !adapter.empty())
    answers.values.push_back(is_true(adapter) ? "conditioning=adapter" : "conditioning=prompt");
  if (!answers.values.empty()) settings.push_back(std::move(answers));
  return settings;
}

}  // namespace rushes::app
