#include "rushes/server/api/native/session_request.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/media/image.h"
#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/http/base64.h"
#include "rushes/text/prompt.h"

namespace rushes::server {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  return first == std::string_view::npos ? std::string_view{}
                                         : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// `prompt`, in which ';' separates the prompts of successive segments, or `prompts`, which are taken as they are.
std::vector<std::string> parse_prompts(JsonFields& fields, bool needed) {
  const auto line = fields.string("prompt");
  const auto list = fields.strings("prompts", generation::kMaxPrompts);
  require(!line || !list, ErrorCode::invalid_argument, "give prompt or prompts, not both");
  require(line || list || !needed, ErrorCode::invalid_argument,
          "prompt is missing: give prompt or prompts, a description of the video");
  std::vector<std::string> prompts;
  if (list) {
    require(!list->empty(), ErrorCode::invalid_argument, "prompts is empty; it needs at least one entry");
    for (const std::string& prompt : *list)
      prompts.push_back(checked_prompt(fmt::format("prompts[{}]", prompts.size()), prompt));
  } else if (line) {
    checked_prompt("prompt", *line);
    prompts = text::prompts_of_line(*line);
    require(!prompts.empty(), ErrorCode::invalid_argument, "prompt has only separators (';')");
  }
  return prompts;
}

/// "832x480", or as the reference writes it "832*480": width, then height.
void parse_size(std::string_view text, generation::Request& request) {
  const auto number = [&](std::string_view digits) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    require(error == std::errc{} && end == digits.data() + digits.size() && value > 0, ErrorCode::invalid_argument,
            "size must be WIDTHxHEIGHT, e.g. \"832x480\"");
    return value;
  };
  const std::size_t cross = text.find_first_of("x*X");
  require(cross != std::string_view::npos, ErrorCode::invalid_argument, "size must be WIDTHxHEIGHT, e.g. \"832x480\"");
  request.width = number(text.substr(0, cross));
  request.height = number(text.substr(cross + 1));
}

/// `pacing` and `max_lead`.
std::optional<double> parse_pacing(JsonFields& fields) {
  const auto pacing = fields.string("pacing");
  const auto lead = fields.number(generation::request_field("max_lead"));
  require(!pacing || *pacing == "asap" || *pacing == "realtime", ErrorCode::invalid_argument,
          "pacing must be asap or realtime (got '{}')", pacing.value_or("").substr(0, 32));
  require(!lead || pacing != "asap", ErrorCode::invalid_argument,
          "max_lead cannot be used with pacing asap, which has no limit");
  return lead || pacing != "realtime" ? lead : std::optional(kRealtimeLeadSeconds);
}

}  // namespace

void read_size(JsonFields& fields, generation::Request& request) {
  const auto size = fields.string("size");
  request.width = fields.integer(generation::request_field("width"));
  request.height = fields.integer(generation::request_field("height"));
  if (!size) return;
  require(!request.width && !request.height, ErrorCode::invalid_argument, "give size, or width and height, not both");
  parse_size(*size, request);
}

void read_options(JsonFields& fields, std::span<const OptionField> known, generation::Request& request) {
  for (const OptionField& field : known) {
    const auto read = [&](const std::string& name) {
      if (auto value = fields.option(field, name)) request.options.set(name, std::move(*value));
    };
    read(field.name);
    for (const std::string& alias : field.aliases) read(alias);
  }
}

std::string checked_prompt(std::string_view field, std::string_view text) {
  const std::string_view prompt = trim(text);
  require(!prompt.empty(), ErrorCode::invalid_argument,
          "{} is empty; describe the video, e.g. \"a red circle moves right\"", field);
  generation::check_prompt(text, field);
  return std::string(prompt);
}

Image decode_image(std::string_view field, std::string_view text, const generation::Model& model,
                   const std::function<void(int64_t)>& admit) {
  require(!text.starts_with("http:") && !text.starts_with("https:") && !text.starts_with("file:"),
          ErrorCode::invalid_argument, "{} must be the image itself in base64; the server does not fetch URLs", field);
  const std::string bytes = decode_base64(field, text, kPictureTypes);
  require(bytes.size() <= kMaxImageBytes, ErrorCode::too_large, "{} has {} bytes; at most {} are allowed", field,
          bytes.size(), kMaxImageBytes);
  return media::decode_image({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()},
                             model.capabilities().pictures, admit);
}

namespace {

/// All but the prompts and the picture, which cost more to look at.
void read_common(JsonFields& fields, generation::Request& request) {
  request.segments = fields.integer(generation::request_field("segments"));
  request.seed = fields.seed().value_or(0);
  request.video_frames = fields.integer(generation::request_field("frames"));
  request.fps = fields.number(generation::request_field("fps"));
  request.max_lead_seconds = parse_pacing(fields);
  read_size(fields, request);
}

}  // namespace

void check_session_request(std::string_view body) {
  JsonFields fields(body);
  generation::Request request;
  read_common(fields, request);
  const bool has_input = fields.string("image") || fields.string("video");
  parse_prompts(fields, /*needed=*/!has_input);
}

generation::Request parse_session_request(std::string_view body, const generation::Model& model,
                                          const std::function<void(int64_t)>& admit) {
  JsonFields fields(body);
  generation::Request request;
  // All fields are asked for, and thus known, before the first one's value is looked into: a misspelt name is then
  // reported as such.
  read_common(fields, request);
  read_options(fields, model.options(), request);
  for (const char* later : {"prompt", "prompts", "image", "model"}) fields.declare(later);
  fields.require_all_known();
  request.prompts = parse_prompts(fields, model.capabilities().needs.has(generation::Modality::text));
  if (const auto image = fields.string("image")) request.image = decode_image("image", *image, model, admit);
  return request;
}

std::optional<std::string> parse_model_name(std::string_view body) { return JsonFields(body).string("model"); }

NewFork parse_fork_request(std::string_view body) {
  if (body.empty()) return {};
  JsonFields fields(body);
  NewFork request{.prompt = fields.string("prompt"),
                  .blocks = fields.integer("blocks", 0, INT32_MAX),
                  .segments = fields.integer("segments", 1, 1'000'000),
                  .video_frames = fields.integer("frames", 1, 100'000'000)};
  fields.require_all_known();
  require(!request.segments || !request.video_frames, ErrorCode::invalid_argument, "give segments or frames, not both");
  if (request.prompt) request.prompt = checked_prompt("prompt", *request.prompt);
  return request;
}

std::optional<double> parse_pacing_request(std::string_view body) {
  JsonFields fields(body);
  const auto lead = parse_pacing(fields);
  fields.require_all_known();
  require(lead || fields.string("pacing"), ErrorCode::invalid_argument, "pacing is missing; give asap or realtime");
  return lead;
}

std::string parse_prompt_request(JsonFields fields) {
  const auto prompt = fields.string("prompt");
  fields.require_all_known();
  require(prompt.has_value(), ErrorCode::invalid_argument, "prompt is missing; give a string that describes the video");
  return checked_prompt("prompt", *prompt);
}

}  // namespace rushes::server
