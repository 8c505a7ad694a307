#include "rushes/server/api/omniavatar/avatar_request.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "rushes/server/api/json_check.h"
#include "rushes/server/http/base64.h"
#include "rushes/server/http/text_case.h"

namespace rushes::server::omniavatar {
namespace {

constexpr std::string_view kMalformed =
    "400 Bad Request: The browser (or proxy) sent a request that this server could not understand.";
constexpr std::string_view kUsualPrompt = "A person speaking naturally with lip sync to the audio";
constexpr int64_t kUsualSide = 720;  // that the protocol has where a request says nothing; its clients say it always

/// "list" and so on, as Python calls it.
std::string_view python_type(const Json& value) {
  if (value.is_array()) return "list";
  if (value.is_string()) return "str";
  if (value.is_boolean()) return "bool";
  return value.is_number_float() ? "float" : "int";
}

bool is_falsy(const Json& value) {
  return value.is_null() || ((value.is_object() || value.is_array()) && value.empty()) || value == false ||
         (value.is_number() && value == 0) || (value.is_string() && value.get_ref<const std::string&>().empty());
}

/// Fields of an object that is taken apart.
class Fields {
 public:
  explicit Fields(Json& object) : object_(object) {}

  std::string text(const char* name) {
    Json* value = find(name);
    if (!value) return {};
    require(value->is_string(), ErrorCode::invalid_argument, "{} must be a string", name);
    return std::move(value->get_ref<std::string&>());
  }
  std::optional<double> number(const char* name) {
    const Json* value = find(name);
    if (!value) return std::nullopt;
    require(value->is_number() && std::isfinite(value->get<double>()), ErrorCode::invalid_argument,
            "{} must be a number", name);
    return value->get<double>();
  }
  std::optional<int64_t> integer(const char* name) {
    const auto value = number(name);
    if (!value) return std::nullopt;
    require(*value == std::floor(*value) && std::abs(*value) < 1e15, ErrorCode::invalid_argument,
            "{} must be an integer", name);
    return static_cast<int64_t>(*value);
  }
  /// Nothing: absent or negative.
  std::optional<uint64_t> seed() {
    const Json* value = find("seed");
    if (!value) return std::nullopt;
    require(value->is_number_integer(), ErrorCode::invalid_argument, "seed must be an integer of 64 bits");
    return value->is_number_unsigned() ? std::optional(value->get<uint64_t>()) : std::nullopt;
  }
  std::optional<bool> boolean(const char* name) {
    const Json* value = find(name);
    if (!value) return std::nullopt;
    require(value->is_boolean(), ErrorCode::invalid_argument, "{} must be true or false", name);
    return value->get<bool>();
  }

 private:
  Json* find(const char* name) {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  Json& object_;
};

AvatarRequest read_fields(Json& object) {
  Fields fields(object);
  AvatarRequest wanted;
  wanted.prompt = fields.text("prompt");
  wanted.audio = fields.text("audio_base64");
  wanted.image = fields.text("image_base64");
  wanted.height = fields.integer("height");
  wanted.width = fields.integer("width");
  wanted.steps = fields.integer("num_steps");
  wanted.guidance_scale = fields.number("guidance_scale");
  wanted.audio_scale = fields.number("audio_scale");
  if (std::string text = fields.text("negative_prompt"); !text.empty()) wanted.negative_prompt = std::move(text);
  if (std::string text = fields.text("fit"); !text.empty()) wanted.fit = std::move(text);
  wanted.seed = fields.seed();
  wanted.with_sound = fields.boolean("audio").value_or(true);
  return wanted;
}

constexpr int8_t kOther = -1;

/// Six bits of each character of the alphabet.
constexpr std::array<int8_t, 256> kDigits = [] {
  std::array<int8_t, 256> digits{};
  digits.fill(kOther);
  for (int8_t i = 0; i < 26; ++i) {
    digits[static_cast<std::size_t>('A' + i)] = i;
    digits[static_cast<std::size_t>('a' + i)] = static_cast<int8_t>(26 + i);
  }
  for (int8_t i = 0; i < 10; ++i) digits[static_cast<std::size_t>('0' + i)] = static_cast<int8_t>(52 + i);
  digits['+'] = 62;
  digits['/'] = 63;
  return digits;
}();

}  // namespace

Response json_answer(int status, const nlohmann::json& object) {
  Response response;
  response.status = status;
  response.body = object.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
  return response;
}

void reword(Response& refusal) {
  const auto* body = std::get_if<std::string>(&refusal.body);
  const Json own = Json::parse(body ? *body : "", nullptr, false);
  const auto error = own.is_object() ? own.find("error") : own.end();
  if (error == own.end() || !error->is_object()) return;
  Response answer = error_answer(refusal.status, error->value("message", ""));
  answer.headers = std::move(refusal.headers);
  refusal = std::move(answer);
}

void decode_files(AvatarRequest& wanted) {
  if (std::exchange(wanted.is_decoded, true)) return;
  const auto decode = [](const char* field, const char* what, MediaTypes types, std::string& file) {
    const std::string text = std::exchange(file, {});
    require(has_type_of(text, types), ErrorCode::invalid_argument, "{}: the type of the data URL must be one of {}",
            field, fmt::join(types, ", "));
    file = decode_lenient_base64(text);
    require(text.empty() || !file.empty(), ErrorCode::invalid_argument,
            "{} has {} characters, but none of a file in base64; it must be {} in standard base64", field, text.size(),
            what);
  };
  decode("audio_base64", "an audio file", kSoundTypes, wanted.audio);
  decode("image_base64", "a JPEG, PNG or WebP", kPictureTypes, wanted.image);
}

AvatarRequest read_request(std::string_view given) {
  std::string kept;
  const std::string_view body = whole_characters(given, kept);
  check_json(body, EqualNames::allowed);
  Json object = Json::parse(body, nullptr, false);
  require(!object.is_discarded(), ErrorCode::invalid_argument, "{}", kMalformed);
  require(!is_falsy(object), ErrorCode::invalid_argument, "No JSON data provided");
  require(object.is_object(), ErrorCode::invalid_argument, "'{}' object has no attribute 'get'", python_type(object));
  AvatarRequest wanted = read_fields(object);
  require(!wanted.prompt.empty(), ErrorCode::invalid_argument, "Prompt is required");
  return wanted;
}

AvatarRequest read_event(Json fields) {
  require(fields.is_object(), ErrorCode::invalid_argument, "the event needs an object with the fields of the request");
  AvatarRequest wanted = read_fields(fields);
  if (wanted.prompt.empty()) wanted.prompt = kUsualPrompt;
  return wanted;
}

void put_numbers(const AvatarRequest& wanted, std::span<const OptionField> known, generation::Request& request) {
  const auto put = [&](const char* name, const auto& value) {
    if (!value) return;
    if (find_field(known, name))
      request.options.set(name, *value);
    else
      request.ignored.push_back({name, "the model has no such option"});
  };
  put("steps", wanted.steps);
  put("guidance_scale", wanted.guidance_scale);
  put("audio_scale", wanted.audio_scale);
  put("negative_prompt", wanted.negative_prompt);
  put("fit", wanted.fit);
  if (wanted.seed) request.seed = *wanted.seed;
  const OptionField* list = find_field(known, "max_hw");
  const auto* longest = list ? std::get_if<int64_t>(&list->standard) : nullptr;
  const bool one_size = !longest || *longest == 0;
  const bool untold =
      wanted.height.value_or(kUsualSide) == kUsualSide && wanted.width.value_or(kUsualSide) == kUsualSide;
  const auto put_side = [&](const char* name, const std::optional<int64_t>& side, std::optional<int64_t>& to) {
    if (side && !wanted.image.empty())
      request.ignored.push_back({name, "an image chooses the size"});
    else if (side && untold && one_size)
      request.ignored.push_back({name, "720x720 is what clients send that were not told a size; the model's is used"});
    else
      to = side;
  };
  put_side("height", wanted.height, request.height);
  put_side("width", wanted.width, request.width);
}

std::string decode_lenient_base64(std::string_view text) {
  if (starts_with_name(text, "data:")) text.remove_prefix(std::min(text.find(',') + 1, text.size()));
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  std::size_t digits = 0, padding = 0;
  for (const char c : text) {
    if (c == '=') {
      // Where padding completes a group the rest is passed over, as Python does.
      if (digits % 4 >= 2 && digits % 4 + ++padding >= 4) return bytes;
      continue;
    }
    const int8_t digit = kDigits[static_cast<unsigned char>(c)];
    if (digit == kOther) continue;
    padding = 0;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (digits++ % 4 != 0) bytes += static_cast<char>(bits >> (6 - 2 * ((digits - 1) % 4)) & 0xff);
  }
  require(digits % 4 != 1, ErrorCode::invalid_argument,
          "Invalid base64-encoded string: number of data characters ({}) cannot be 1 more than a multiple of 4",
          digits);
  require(digits % 4 == 0, ErrorCode::invalid_argument, "Incorrect padding");
  return bytes;
}

std::string python_json(const Json& value) {
  const auto text_of = [](const Json& each) { return each.dump(-1, ' ', true, Json::error_handler_t::replace); };
  if (!value.is_structured()) return text_of(value);
  std::string text;
  for (const auto& [name, each] : value.items()) {
    if (!text.empty()) text += ", ";
    if (value.is_object()) text += text_of(name) + ": ";
    text += python_json(each);
  }
  return value.is_object() ? "{" + text + "}" : "[" + text + "]";
}

}  // namespace rushes::server::omniavatar
