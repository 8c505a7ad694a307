// What a request for a video has in the dialect that vLLM-Omni's, SGLang's and Dynamo's clients share: OpenAI's fields
// and those that they add to them, at the top or in an object of their own.
#pragma once
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/generation/model.h"
#include "rushes/generation/session.h"
#include "rushes/server/sessions/served_models.h"

namespace rushes::server {

struct VideoFields {
  enum class Unknown { refused, ignored };
  Unknown unknown = Unknown::refused;  // what to do with a field that none of those clients has
  std::optional<double> seconds = {};  // of a video whose length is not asked for; nothing: as the model has it
  std::function<void(int64_t bytes)> admit = {};  // of its picture, see media::decode_image()
};

/// An object of JSON as a request without prompts: `prompt` and `model` are left out. Fields of those
/// clients that nothing here has a use for are named in Request::ignored. A seed that is absent or -1 is random. Throws
/// as parse_session_request().
generation::Request read_video_fields(nlohmann::json given, const generation::Model& model, const VideoFields& how);

/// The fields that these clients have and nothing here has a use for, with the reason.
const std::map<std::string_view, std::string_view>& fields_without_use();

/// A field of a form in the type that JSON would have given it; null for an empty one, which is absent to FastAPI, by
/// which the servers of these clients read forms. Throws Error(invalid_argument).
nlohmann::json typed_field(const std::string& name, std::string_view text);

/// The model that an object of JSON names, or the default. Throws Error(invalid_argument) for what is no name,
/// Error(not_found).
template <typename Object>
std::string model_of(const Object& given, const ServedModels& models) {
  const auto named = given.find("model");
  if (named == given.end() || named->is_null()) return models.default_name();
  require(named->is_string(), ErrorCode::invalid_argument, "model must be a string (got {})", named->type_name());
  return models.status(named->template get_ref<const std::string&>()).name;
}
/// Throws Error(unsupported) for one that makes no videos of text.
void require_makes_videos_of_text(const generation::Model& model, std::string_view name);
/// These clients have no speech: a session that would take some is told that none comes.
void end_speech_of(generation::Session& session);

}  // namespace rushes::server
