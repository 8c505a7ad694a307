#include "rushes/server/api/openai/video_request.h"

#include "rushes/server/api/json_check.h"
#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/api/video_fields.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/http/multipart.h"

namespace rushes::server {
namespace {

bool is_form(const Request& request) { return media_type(request.header("content-type")) == "multipart/form-data"; }

/// The form as the JSON body that says the same.
nlohmann::json form_fields(const Request& request) {
  nlohmann::json fields = nlohmann::json::object();
  for (const FormPart& part : parse_multipart(request.header("content-type"), request.body)) {
    // The client library writes a nested object as input_reference[image_url].
    const bool nested = part.name.ends_with("[image_url]");
    const std::string name = nested ? part.name.substr(0, part.name.find('[')) : part.name;
    require(!fields.contains(name), ErrorCode::invalid_argument, "the form has '{}' twice", name.substr(0, 64));
    if (part.content.empty() && part.file_name.value_or("").empty()) {
      fields[name] = nullptr;  // absent to FastAPI; a page sends it for a file that nobody chose
    } else if (nested) {
      fields[name] = part.content;
    } else if ((name == "input_reference" || name == "image_reference") &&
               (part.file_name || !part.content_type.empty())) {
      require(part.content.size() <= kMaxImageBytes, ErrorCode::too_large, "{} has {} bytes; at most {} are allowed",
              name, part.content.size(), kMaxImageBytes);
      fields[name] = encode_base64({reinterpret_cast<const uint8_t*>(part.content.data()), part.content.size()});
    } else {
      fields[name] = typed_field(name, part.content);
    }
  }
  return fields;
}

}  // namespace

nlohmann::json video_fields(const Request& request) {
  if (is_form(request)) return form_fields(request);
  std::string kept;
  const std::string_view body = whole_characters(request.body, kept);
  const JsonFields checked(body);  // an object, with no field twice
  return nlohmann::json::parse(body);
}

generation::Request parse_video_request(nlohmann::json given, const generation::Model& model,
                                        const std::function<void(int64_t)>& admit) {
  const auto prompt = given.find("prompt");
  require(prompt != given.end() && prompt->is_string(), ErrorCode::invalid_argument,
          "prompt is missing: give a string that describes the video");
  const std::string text = checked_prompt("prompt", prompt->get_ref<const std::string&>());
  generation::Request parsed =
      read_video_fields(std::move(given), model, {.seconds = kDefaultVideoSeconds, .admit = admit});
  parsed.prompts = {text};  // one, also with a ';' in it
  return parsed;
}

std::string parse_remix_request(const Request& request) {
  if (!is_form(request)) return parse_prompt_request(JsonFields(request.body));
  return parse_prompt_request(JsonFields::of(form_fields(request)));
}

}  // namespace rushes::server
