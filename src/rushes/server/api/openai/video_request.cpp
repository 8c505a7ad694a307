#include "rushes/server/api/openai/video_request.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/http/multipart.h"

namespace rushes::server {
namespace {

constexpr double kMaxVideoSeconds = 3600;

bool is_form(const Request& request) { return media_type(request.header("content-type")) == "multipart/form-data"; }

/// All of the text as a number; nothing if it is none.
std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A form's field in the type that JSON would have given it.
nlohmann::json typed(const std::string& name, std::string_view text) {
  static const std::set<std::string, std::less<>> kNumbers{"seed", "fps", "steps", "guidance_scale", "timestep_shift"};
  if (!kNumbers.contains(name)) return std::string(text);
  const auto number = parse_number(text);
  require(number.has_value(), ErrorCode::invalid_argument, "{} must be a number", name);
  const bool whole = text.find_first_not_of("0123456789-") == std::string_view::npos;
  int64_t integer = 0;
  if (whole && std::from_chars(text.data(), text.data() + text.size(), integer).ec == std::errc{}) return integer;
  return *number;
}

/// The form as the JSON body that says the same.
nlohmann::json form_fields(const Request& request) {
  nlohmann::json fields = nlohmann::json::object();
  for (const FormPart& part : parse_multipart(request.header("content-type"), request.body)) {
    // The client library writes a nested object as input_reference[image_url].
    const bool nested = part.name == "input_reference[image_url]";
    const std::string name = nested ? "input_reference" : part.name;
    require(!fields.contains(name), ErrorCode::invalid_argument, "the form has '{}' twice", name.substr(0, 64));
    if (name == "input_reference" && !nested && (part.file_name || !part.content_type.empty())) {
      require(part.content.size() <= kMaxImageBytes, ErrorCode::too_large,
              "input_reference has {} bytes; at most {} are allowed", part.content.size(), kMaxImageBytes);
      fields[name] = encode_base64({reinterpret_cast<const uint8_t*>(part.content.data()), part.content.size()});
    } else {
      fields[name] = typed(name, part.content);
    }
  }
  return fields;
}

/// input_reference of a JSON body: {"image_url": "data:image/png;base64,..."}, or that text itself.
nlohmann::json image_of(const nlohmann::json& reference) {
  require(!reference.is_object() || reference.contains("image_url"), ErrorCode::unsupported,
          "input_reference needs an image_url that holds the image itself (data:image/png;base64,...); this server "
          "does not store uploaded files");
  const nlohmann::json& image = reference.is_object() ? reference["image_url"] : reference;
  require(image.is_string(), ErrorCode::invalid_argument,
          "input_reference must be an image in base64, or {{\"image_url\": \"data:image/png;base64,...\"}}");
  return image;
}

nlohmann::json json_fields(const std::string& body) {
  const JsonFields checked(body);  // an object, with no field twice
  nlohmann::json fields = nlohmann::json::parse(body);
  for (auto& [name, value] : fields.items())
    require(!value.is_structured() || name == "input_reference", ErrorCode::invalid_argument,
            "{} must be a string or a number (got {})", name.substr(0, 64), value.type_name());
  return fields;
}

double parse_seconds(const nlohmann::json& value) {
  if (value.is_null()) return kDefaultVideoSeconds;
  const auto seconds = value.is_string()   ? parse_number(value.get_ref<const std::string&>())
                       : value.is_number() ? std::optional(value.get<double>())
                                           : std::nullopt;
  require(seconds && *seconds > 0 && *seconds <= kMaxVideoSeconds, ErrorCode::invalid_argument,
          "seconds must be a number above 0 and at most {}, e.g. \"4\"", kMaxVideoSeconds);
  return *seconds;
}

}  // namespace

generation::Request parse_video_request(const Request& request, const generation::Model& model, std::string_view name) {
  nlohmann::json given = is_form(request) ? form_fields(request) : json_fields(request.body);
  const double seconds = parse_seconds(given.value("seconds", nlohmann::json()));
  std::optional<nlohmann::json> image;
  if (given.contains("input_reference") && !given["input_reference"].is_null())
    image = image_of(given["input_reference"]);
  require(!given.contains("prompt") || given["prompt"].is_null() || given["prompt"].is_string(),
          ErrorCode::invalid_argument, "prompt is missing: give a string that describes the video");
  given.erase("seconds");
  given.erase("input_reference");
  JsonFields fields = JsonFields::of(std::move(given));
  generation::Request parsed;
  parsed.seed = fields.integer("seed", 0, std::numeric_limits<int64_t>::max()).value_or(0);
  parsed.fps = fields.number("fps", 1, 240);
  read_options(fields, model, parsed);
  read_size(fields, parsed);
  const auto prompt = fields.string("prompt");
  fields.declare("model");
  for (const char* read_before : {"seconds", "input_reference"}) fields.declare(read_before);
  fields.require_all_known();
  check_model(fields, name);
  require(prompt.has_value(), ErrorCode::invalid_argument, "prompt is missing: give a string that describes the video");
  parsed.prompts = {checked_prompt("prompt", *prompt)};  // one, also with a ';' in it
  if (image) parsed.image = decode_image("input_reference", image->get_ref<const std::string&>());
  parsed.video_frames = std::max<int64_t>(1, std::llround(seconds * model.plan(parsed)->format().fps));
  return parsed;
}

std::string parse_remix_request(const Request& request) {
  if (!is_form(request)) return parse_prompt_request(JsonFields(request.body));
  return parse_prompt_request(JsonFields::of(form_fields(request)));
}

}  // namespace rushes::server
