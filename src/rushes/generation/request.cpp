#include "rushes/generation/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <random>

#include "rushes/base/error.h"
#include "rushes/text/prompt.h"
#include "rushes/text/utf8.h"

namespace rushes::generation {

std::span<const OptionField> request_fields() {
  static const OptionField fields[] = {
      {.name = "segments",
       .type = OptionType::integer,
       .doc = "number of generation cycles; 0: endless, until it is stopped; default: one for each prompt",
       .least = 0,
       .most = 1'000'000},
      {.name = "frames",
       .type = OptionType::integer,
       .doc = "length of the video in frames, instead of segments",
       .least = 1,
       .most = 100'000'000},
      {.name = "width", .type = OptionType::integer, .doc = "pixels", .least = 1, .most = 16'384},
      {.name = "height", .type = OptionType::integer, .doc = "pixels", .least = 1, .most = 16'384},
      {.name = "fps", .doc = "video frames per second", .least = 1, .most = 240},
      {.name = "max_lead",
       .doc = "seconds that may be generated ahead of a viewer who plays from the first block on",
       .least = 0,
       .most = 3600},
  };
  return fields;
}

const OptionField& request_field(std::string_view name) {
  const OptionField* field = find_field(request_fields(), name);
  require(field != nullptr, ErrorCode::not_found, "'{}' is not a number of all requests", name);
  return *field;
}

void check_numbers(const Request& request) {
  Options given;
  const auto add = [&](const char* name, const auto& value) {
    if (value) given.set(name, *value);
  };
  add("segments", request.segments);
  add("frames", request.video_frames);
  add("width", request.width);
  add("height", request.height);
  add("fps", request.fps);
  add("max_lead", request.max_lead_seconds);
  checked(given, request_fields());
}

uint64_t parse_seed(std::string_view text, std::string_view field) {
  uint64_t seed = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, seed);
  require(error == std::errc{} && stopped == end, ErrorCode::invalid_argument, "{} must be {} (got '{}')", field,
          kSeedRange, text.substr(0, 64));
  return seed;
}

uint64_t random_seed() { return std::random_device{}(); }

int64_t segments_of(const Request& request) {
  return request.segments.value_or(std::max<int64_t>(1, static_cast<int64_t>(request.prompts.size())));
}

void check_prompts_shown(const Request& request, int64_t segments) {
  const auto prompts = static_cast<int64_t>(request.prompts.size());
  require(segments == 0 || prompts <= segments, ErrorCode::invalid_argument,
          "{} prompts take turns, one for each segment, but the video has {} {}: '{}' would never be shown; ask for {} "
          "segments or more frames, or for fewer prompts (\\; is a semicolon that does not separate prompts)",
          prompts, segments, segments == 1 ? "segment" : "segments",
          segments < prompts ? request.prompts[static_cast<std::size_t>(segments)].substr(0, 64) : "", prompts);
}

int64_t input_bytes(const Request& request) {
  const auto bytes_of = [](const Image& image) { return image.width * image.height * 3; };
  int64_t pictures = request.image ? bytes_of(*request.image) : 0;
  for (const Image& image : request.earlier_images) pictures += bytes_of(image);
  return pictures + (request.video ? request.video->bytes() : 0);
}

void check_prompt(std::string_view prompt, std::string_view field) {
  require(prompt.size() <= text::kMaxPromptBytes, ErrorCode::too_large, "{} is {} bytes; the limit is {}", field,
          prompt.size(), text::kMaxPromptBytes);
  require(prompt.find_first_not_of(" \t\r\n\v\f") != std::string_view::npos, ErrorCode::invalid_argument,
          "{} must not be empty", field);
  require(prompt.find('\0') == std::string_view::npos, ErrorCode::invalid_argument,
          "{} must not contain NUL characters", field);
  text::require_utf8(prompt, field);
}

void check_prompts(const std::vector<std::string>& prompts) {
  require(!prompts.empty(), ErrorCode::invalid_argument, "prompts must have at least one prompt");
  require(prompts.size() <= kMaxPrompts, ErrorCode::invalid_argument, "prompts has {} prompts; the limit is {}",
          prompts.size(), kMaxPrompts);
  for (std::size_t i = 0; i < prompts.size(); ++i)
    check_prompt(prompts[i], prompts.size() == 1 ? "prompt" : fmt::format("prompts[{}]", i));
}

}  // namespace rushes::generation
