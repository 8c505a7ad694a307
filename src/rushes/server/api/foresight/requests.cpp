#include "rushes/server/api/foresight/requests.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <set>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/server/api/json_check.h"
#include "rushes/text/prompt.h"
#include "rushes/text/white_space.h"

namespace rushes::server::foresight {
namespace {

constexpr std::size_t kMostPictures = 32;   // of a conversation
constexpr std::size_t kShownBytes = 200;    // of a text that is told back
constexpr std::size_t kMostIdBytes = 1000;  // of a bubble's name, which stands in each message

using ErrorKind = nlohmann::json::parse_error;

constexpr const char* kNumberTooLarge = "a number is too large";

/// Nothing: it is no JSON, or more of it than any message has; `wrong` says so.
std::optional<Json> parsed(std::string_view given, std::string& wrong) {
  constexpr const char* kAdvice = R"(send an object, e.g. {"messageId": "1", "message": "What is it?"})";
  std::string kept;
  const std::string_view text = whole_characters(given, kept);
  try {
    check_json(text, EqualNames::allowed);
    return Json::parse(text);
  } catch (const Error& error) {
    wrong = error.what();
  } catch (const ErrorKind& error) {
    wrong = text.empty() ? fmt::format("the message is empty; {}", kAdvice)
                         : fmt::format("the message is not JSON: error at byte {}; {}", error.byte, kAdvice);
  } catch (const nlohmann::json::exception&) {
    wrong = kNumberTooLarge;
  }
  return std::nullopt;
}

/// The string of a field that may be absent or null. False: it is something else.
bool take_text(Json& object, const char* name, std::optional<std::string>& to) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return true;
  if (!found->is_string()) return false;
  to = std::move(found->get_ref<std::string&>());
  return true;
}

/// Strings as the client sent them, cut; nothing else of a request is long.
Json shown(Json value) {
  if (value.is_string()) {
    auto& text = value.get_ref<std::string&>();
    if (text.size() > kShownBytes) text = text.substr(0, kShownBytes) + "...";
  }
  if (value.is_structured())
    for (Json& each : value) each = shown(std::move(each));
  return value;
}

/// Where Python's parser stops, and what it says there.
Json json_invalid(std::string_view body, std::size_t byte) {
  std::size_t at = std::min(byte == 0 ? 0 : byte - 1, body.size());
  // The library tells where it noticed, Python where the value begins.
  constexpr std::string_view kBetween = "{}[],:\" \t\r\n";
  while (at > 0 && kBetween.find(body[at - 1]) == std::string_view::npos) --at;
  const std::size_t before = at == 0 ? std::string_view::npos : body.find_last_not_of(" \t\r\n", at - 1);
  const char last = before == std::string_view::npos ? ' ' : body[before];
  const bool is_name =
      last == '{' || (last == ',' && body.rfind('{', at) != std::string_view::npos &&
                      (body.rfind('[', at) == std::string_view::npos || body.rfind('[', at) < body.rfind('{', at)));
  return {{"type", "json_invalid"},
          {"loc", {"body", at}},
          {"msg", "JSON decode error"},
          {"input", Json::object()},
          {"ctx", {{"error", is_name ? "Expecting property name enclosed in double quotes" : "Expecting value"}}}};
}

/// The fields of a body, with all that is wrong with them.
class Fields {
 public:
  explicit Fields(std::string_view given) {
    std::string kept;
    const std::string_view body = whole_characters(given, kept);
    if (body.empty()) {
      add("missing", {}, "Field required", nullptr);
      return;
    }
    try {
      check_json(body, EqualNames::allowed);
      object_ = Json::parse(body);
    } catch (const Error& error) {
      add("value_error", {}, error.what(), Json::object());
      return;
    } catch (const ErrorKind& error) {
      wrong_.detail.push_back(json_invalid(body, error.byte));
      return;
    } catch (const nlohmann::json::exception&) {
      add("value_error", {}, kNumberTooLarge, Json::object());
      return;
    }
    if (!object_.is_object())
      add("model_attributes_type", {}, "Input should be a valid dictionary or object to extract fields from", object_);
    body_ = shown(object_);
  }

  std::string required_text(const char* name) {
    if (is_wrong_at_all()) return {};
    if (object_.contains(name) && object_[name].is_null())
      return add("string_type", name, "Input should be a valid string", nullptr), std::string();
    auto given = text(name);
    if (!given && !object_.contains(name)) add("missing", name, "Field required", body_);
    return given.value_or("");
  }
  std::optional<std::string> text(const char* name) {
    std::optional<std::string> given;
    known_.emplace(name);
    if (!is_wrong_at_all() && !take_text(object_, name, given))
      add("string_type", name, "Input should be a valid string", object_[name]);
    return given;
  }
  std::optional<double> number(const char* name, double least, double most) {
    const auto given = value(name);
    if (!given) return std::nullopt;
    if (!given->is_number()) return add("float_type", name, "Input should be a valid number", *given), std::nullopt;
    return within(name, given->get<double>(), least, most);
  }
  std::optional<int64_t> integer(const char* name, double least, double most) {
    const auto given = value(name);
    if (!given) return std::nullopt;
    const bool is_whole = given->is_number() && std::floor(given->get<double>()) == given->get<double>();
    if (!is_whole) return add("int_type", name, "Input should be a valid integer", *given), std::nullopt;
    const auto inside = within(name, given->get<double>(), least, most);
    return inside ? std::optional(static_cast<int64_t>(*inside)) : std::nullopt;
  }
  std::optional<uint64_t> seed(const char* name) {
    const auto given = value(name);
    if (!given) return std::nullopt;
    if (given->is_number_unsigned()) return given->get<uint64_t>();
    add("int_type", name, "Input should be a valid integer of 64 bits without a sign", *given);
    return std::nullopt;
  }
  /// Nothing: it is absent, or wrong. `allowed`: as they are told.
  std::optional<std::string> choice(const char* name, std::initializer_list<const char*> values, const char* allowed) {
    auto given = text(name);
    if (!given || std::find(values.begin(), values.end(), *given) != values.end()) return given;
    add("literal_error", name, fmt::format("Input should be {}", allowed), *given, {{"expected", allowed}});
    return std::nullopt;
  }
  std::vector<std::string> texts(const char* name, std::size_t most) {
    auto given = value(name);
    if (!given) return {};
    if (!given->is_array()) return add("list_type", name, "Input should be a valid list", *given), Texts();
    if (given->size() > most)
      return add("too_long", name, fmt::format("List should have at most {} items", most), Json(),
                 {{"max_length", most}}),
             Texts();
    Texts found;
    for (Json& each : *given) {
      if (!each.is_string()) return add("string_type", name, "Items should be valid strings", each), Texts();
      found.push_back(std::move(each.get_ref<std::string&>()));
    }
    return found;
  }
  void require_length(const char* name, const std::string& text, std::size_t least, std::size_t most) {
    if (text.size() >= least && text.size() <= most) return;
    for (const Json& each : wrong_.detail)
      if (each["loc"].size() > 1 && each["loc"][1] == name) return;  // more is known of it
    if (is_wrong_at_all()) return;
    const bool is_short = text.size() < least;
    const std::size_t limit = is_short ? least : most;
    add(is_short ? "string_too_short" : "string_too_long", name,
        fmt::format("String should have at {} {} {}", is_short ? "least" : "most", limit,
                    is_short ? "character" : "bytes"),
        text, {{is_short ? "min_length" : "max_length", limit}});
  }
  void require_text(const char* name, const std::string& text) {
    if (text.find('\0') != std::string::npos)
      add("value_error", name, "Value error, the text has a NUL character", text);
  }
  /// Of a text that is blank: an empty one has been refused.
  void require_words(const char* name, const std::string& text) {
    if (!text.empty()) add("value_error", name, "Value error, the text is blank", text);
  }
  InvalidBody& wrong() { return wrong_; }
  /// Fields that were sent and not asked for.
  std::vector<generation::Ignored> unused() const {
    constexpr std::size_t kMost = 16;
    std::vector<generation::Ignored> unused;
    for (const auto& [name, value] : object_.items())
      if (!is_wrong_at_all() && !known_.contains(name) && !value.is_null() && unused.size() < kMost)
        unused.push_back({name.substr(0, 64), "this server has no use for the field"});
    return unused;
  }

 private:
  using Texts = std::vector<std::string>;
  bool is_wrong_at_all() const { return !object_.is_object(); }
  std::optional<Json> value(const char* name) {
    known_.emplace(name);
    if (is_wrong_at_all() || !object_.contains(name) || object_[name].is_null()) return std::nullopt;
    return object_[name];
  }
  std::optional<double> within(const char* name, double value, double least, double most) {
    if (value >= least && value <= most) return value;
    const bool is_small = value < least;
    add(is_small ? "greater_than_equal" : "less_than_equal", name,
        fmt::format("Input should be {} than or equal to {}", is_small ? "greater" : "less", is_small ? least : most),
        object_[name], {{is_small ? "ge" : "le", is_small ? least : most}});
    return std::nullopt;
  }
  void add(const char* type, const std::string& field, const std::string& message, Json input, Json context = {}) {
    Json problem{{"type", type}, {"loc", Json::array({"body"})}, {"msg", message}, {"input", shown(std::move(input))}};
    if (!field.empty()) problem["loc"].push_back(field);
    if (!context.is_null()) problem["ctx"] = std::move(context);
    wrong_.detail.push_back(std::move(problem));
  }

  Json object_, body_;
  std::set<std::string, std::less<>> known_;  // fields that were asked for
  InvalidBody wrong_;
};

ChatRefusal refused(std::string message) { return {std::move(message), "PROCESSING_ERROR"}; }

}  // namespace

bool Question::asks_something() const {
  return !text::strip(std::string_view(prompt).substr(0, text::kMaxPromptBytes)).empty();
}

void Question::add_picture(std::string name, std::string base64) {
  picture_names.push_back(std::move(name));
  pictures.push_back(std::move(base64));
}

std::size_t Question::bytes() const {
  std::size_t all = prompt.size();
  for (const std::string& picture : pictures) all += picture.size();
  return all;
}

ChatRefusal binary_refusal() {
  return {"binary messages are not read; send JSON as text", "INTERNAL_ERROR", CloseCode::unsupported_data};
}

std::variant<ChatMessage, ChatRefusal> parse_chat_message(std::string_view text) {
  std::string wrong;
  std::optional<Json> object = parsed(text, wrong);
  if (!object) return ChatRefusal{std::move(wrong), "INTERNAL_ERROR", CloseCode::invalid_data};
  if (!object->is_object())
    return ChatRefusal{"a message must be a JSON object", "INTERNAL_ERROR", CloseCode::invalid_data};
  std::optional<std::string> id, prompt, picture;
  if (!take_text(*object, "messageId", id)) return refused("messageId must be a string");
  if (!id || id->empty()) return ChatRefusal{"Missing messageId", "MISSING_MESSAGE_ID"};
  if (id->size() > kMostIdBytes) return refused(fmt::format("messageId has more than {} bytes", kMostIdBytes));
  if (!take_text(*object, "message", prompt)) return refused("message must be a string");
  if (!take_text(*object, "imageBase64", picture)) return refused("imageBase64 must be a string");
  ChatMessage message{.id = std::move(*id), .question = {.prompt = prompt.value_or("")}};
  Question& question = message.question;
  if (const auto all = object->find("imagesBase64"); all != object->end() && !all->is_null()) {
    if (!all->is_array()) return refused("imagesBase64 must be a list of strings");
    if (all->size() > kMostPictures)
      return refused(fmt::format("a conversation may have at most {} pictures (got {})", kMostPictures, all->size()));
    for (Json& each : *all) {
      if (!each.is_string()) return refused("imagesBase64 must be a list of strings");
      question.add_picture(fmt::format("imagesBase64[{}]", question.pictures.size()),
                           std::move(each.get_ref<std::string&>()));
    }
  }
  if (question.pictures.empty() && picture && !picture->empty())
    question.add_picture("imageBase64", std::move(*picture));
  if (question.pictures.empty() && !question.asks_something())
    return refused("the message has neither a text nor a picture");
  return message;
}

std::variant<ChatRequest, InvalidBody> parse_chat_request(std::string_view body) {
  Fields fields(body);
  ChatRequest request;
  request.question.prompt = fields.required_text("message");
  fields.require_length("message", request.question.prompt, 1, text::kMaxPromptBytes);
  fields.require_text("message", request.question.prompt);
  request.message_id = fields.required_text("message_id");
  if (auto picture = fields.text("image_base64"); picture && !picture->empty())
    request.question.add_picture("image_base64", std::move(*picture));
  // As published, an empty one is refused with a picture, too; white space is a text there.
  if (request.question.pictures.empty() && !request.question.asks_something())
    fields.require_words("message", request.question.prompt);
  if (fields.text("session_id"))
    request.question.ignored.push_back({"session_id", "an answer depends on its own message only"});
  for (generation::Ignored& each : fields.unused()) request.question.ignored.push_back(std::move(each));
  if (!fields.wrong().detail.empty()) return std::move(fields.wrong());
  return request;
}

std::variant<Question, InvalidBody> parse_predict_request(std::string_view body) {
  Fields fields(body);
  Question question;
  for (std::string& each : fields.texts("earlier_images", kMostPictures - 1))
    question.add_picture(fmt::format("earlier_images[{}]", question.pictures.size()), std::move(each));
  question.add_picture("image", fields.required_text("image"));
  question.prompt = fields.text("prompt").value_or("");
  fields.require_length("prompt", question.prompt, 0, text::kMaxPromptBytes);
  fields.require_text("prompt", question.prompt);
  question.model = fields.text("model");
  question.preset = fields.text("preset");
  question.video_frames = fields.integer("num_frames", 1, 10'000);
  question.fps = fields.number("fps", 1, 120);
  question.seed = fields.seed("seed");
  question.tracks = fields.choice("tracks", {"both", "text", "video"}, "'both', 'text' or 'video'");
  question.previews = fields.integer("previews", 0, 200);
  question.fit = fields.choice("fit", {"crop", "pad", "stretch"}, "'crop', 'pad' or 'stretch'");
  question.ignored = fields.unused();
  if (!fields.wrong().detail.empty()) return std::move(fields.wrong());
  return question;
}

}  // namespace rushes::server::foresight
