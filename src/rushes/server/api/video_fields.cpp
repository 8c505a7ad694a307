#include "rushes/server/api/video_fields.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "rushes/base/error.h"
#include "rushes/server/api/json_check.h"
#include "rushes/server/api/native/json_fields.h"
#include "rushes/server/api/native/session_request.h"
#include "rushes/server/api/whole_number.h"

namespace rushes::server {
namespace {

using generation::Ignored;
using nlohmann::json;
using Names = std::set<std::string_view, std::less<>>;

constexpr double kMaxVideoSeconds = 3600;

/// Objects in which the fields may stand that may stand at the top.
constexpr std::array kOfFields{"sampling_params", "video_params", "nvext",
                               "extra_params",    "extra_body",   "diffusers_kwargs"};

const std::map<std::string_view, std::string_view> kWithoutUse{
    {"user", "requests are not counted by user"},
    {"n", "a request makes one video"},
    {"quality", "the quality of the encoder is fixed"},
    {"output_quality", "the quality of the encoder is fixed"},
    {"output_compression", "the quality of the encoder is fixed"},
    {"output_path", "videos stay in the server's own folder"},
    {"output_format", "videos are MP4"},
    {"response_format", "the video is fetched from /v1/videos/{id}/content"},
    {"stream", "/v1/videos/{id}/content is sent as it grows"},
    {"annotations", "there are no such events"},
    {"guidance_scale_2", "there is one transformer, not one for high noise and one for low"},
    {"boundary_ratio", "there is one transformer, not one for high noise and one for low"},
    {"true_cfg_scale", "guidance_scale is the only scale"},
    {"generate_sound", "the model makes no sound"},
    {"sound_duration", "the model makes no sound"},
    {"enable_frame_interpolation", "frames are not interpolated"},
    {"frame_interpolation_exp", "frames are not interpolated"},
    {"frame_interpolation_scale", "frames are not interpolated"},
    {"frame_interpolation_model_path", "frames are not interpolated"},
    {"lora", "adapters are not supported"},
    {"generator_device", "noise is made on the CPU, so that a seed means the same everywhere"},
    {"enable_teacache", "steps are not left out"},
    {"rollout", "rollouts are not supported"},
    {"rollout_sde_type", "rollouts are not supported"},
    {"streaming_buffer_seconds", "generation does not wait for the viewer in this protocol"},
};

/// Options of text-to-video models that one of them may not have.
constexpr std::array kCommonOptions{"steps",          "guidance_scale", "negative_prompt",
                                    "timestep_shift", "flow_shift",     "fit"};

/// What a field holds; text for those that are not looked into here.
OptionType type_of_field(const std::string& name, const generation::Model& model) {
  static const Names kIntegers{"seed", "num_frames", "width", "height"};
  if (kIntegers.contains(name)) return OptionType::integer;
  if (name == "fps") return OptionType::number;
  const OptionField* option = find_field(model.options(), name);
  return option ? option->type : OptionType::text;
}

/// "7", 1.0 and "true" for 7, 1 and true: what Pydantic takes, with which the servers of these clients read them. What
/// is none of them stays, for whoever says what is wrong with it.
json read_laxly(const json& value, OptionType type) {
  constexpr std::size_t kLongest = 32;
  if (type != OptionType::integer && type != OptionType::number && type != OptionType::boolean) return value;
  json read = value;
  if (value.is_string() && value.get_ref<const std::string&>().size() <= kLongest)
    read = json::parse(value.get_ref<const std::string&>(), nullptr, /*allow_exceptions=*/false);
  if (type == OptionType::boolean) {
    if (read.is_number() && (read == 0 || read == 1)) return read == 1;
    return read.is_boolean() ? read : value;
  }
  if (!read.is_number()) return value;
  if (type == OptionType::number) return read;
  json whole = as_integer(read);
  return whole.is_number_integer() ? whole : value;
}

/// Asks for nothing: a switch that is off, an empty text.
bool is_off(const json& value) {
  return value.is_null() || value == false || (value.is_string() && value.get_ref<const std::string&>().empty()) ||
         (value.is_structured() && value.empty());
}

class Reader {
 public:
  Reader(json given, const generation::Model& model, const VideoFields& how)
      : given_(std::move(given)), model_(model), how_(how) {}

  generation::Request read() {
    for (const char* name : kOfFields) unfold(name);
    rename("num_inference_steps", "steps");
    const auto image = take_image();
    const json seconds = take("seconds");
    leave_out_useless();
    for (auto& [name, value] : given_.items()) value = read_laxly(value, type_of_field(name, model_));
    for (const char* read_before : {"prompt", "model"}) given_.erase(read_before);

    JsonFields fields = JsonFields::of(std::move(given_));
    request_.seed = fields.seed_or_random();
    request_.fps = fields.number(generation::request_field("fps"));
    const OptionField& frames = generation::request_field("frames");
    request_.video_frames =
        fields.integer("num_frames", static_cast<int64_t>(frames.least), static_cast<int64_t>(frames.most));
    read_size(fields, request_);
    read_options(fields, model_.options(), request_);
    for (const char* read_before : {"prompt", "model", "seconds", "input_reference", "image_reference"})
      fields.declare(read_before);
    fields.require_all_known();
    if (image) request_.image = decode_image(image->first, image->second, model_, how_.admit);
    choose_length(seconds);
    return std::move(request_);
  }

 private:
  /// Gives the fields of an object of them a place at the top; what is there already counts.
  void unfold(const char* name) {
    const json inner = take(name);
    if (inner.is_null()) return;
    require(inner.is_object(), ErrorCode::invalid_argument, "{} must be an object (got {})", name, inner.type_name());
    for (const auto& [key, value] : inner.items()) {
      if (key == "model" || key == "prompt")
        ignore(fmt::format("{}.{}", name, key), "it counts at the top alone");
      else if (!is_known(key))
        ignore(fmt::format("{}.{}", name, key), "no option of this model has this name");
      else if (!given_.contains(key) || given_[key].is_null())
        given_[key] = value;
      else
        ignore(fmt::format("{}.{}", name, key), "it is given at the top as well");
    }
  }

  /// A field at the top that is read or has its line in a table.
  bool is_known(const std::string& name) const {
    static const Names kRead{"seed",  "fps",     "num_frames",      "width",           "height",
                             "size",  "seconds", "input_reference", "image_reference", "num_inference_steps",
                             "model", "prompt",  "reference_url"};
    return kRead.contains(name) || kWithoutUse.contains(name) || is_common_option(name) ||
           find_field(model_.options(), name) != nullptr;
  }
  static bool is_common_option(std::string_view name) {
    return std::find(kCommonOptions.begin(), kCommonOptions.end(), name) != kCommonOptions.end();
  }

  void ignore(std::string field, std::string_view reason) {
    constexpr std::size_t kMost = 64, kShown = 64;
    if (request_.ignored.size() < kMost) request_.ignored.push_back({field.substr(0, kShown), std::string(reason)});
  }

  json take(const char* name) {
    const auto found = given_.find(name);
    if (found == given_.end()) return nullptr;
    json value = std::move(*found);
    given_.erase(found);
    return value;
  }

  void rename(const char* from, const char* to) {
    json value = take(from);
    if (value.is_null()) return;
    if (given_.contains(to) && !given_[to].is_null())
      ignore(from, fmt::format("{} is given as well", to));
    else
      given_[to] = std::move(value);
  }

  /// The first frame: in base64, or {"image_url": that}.
  std::optional<std::pair<std::string, std::string>> take_image() {
    std::optional<std::pair<std::string, std::string>> image;
    for (const char* name : {"input_reference", "image_reference", "reference_url"}) {
      json reference = take(name);
      if (reference.is_null()) continue;
      require(!reference.is_object() || reference.contains("image_url"), ErrorCode::unsupported,
              "{} needs an image_url that holds the image itself (data:image/png;base64,...); this server does not "
              "store uploaded files",
              name);
      if (reference.is_object()) reference = json(reference["image_url"]);
      require(reference.is_string(), ErrorCode::invalid_argument,
              "{} must be an image in base64, or {{\"image_url\": \"data:image/png;base64,...\"}}", name);
      require(!image, ErrorCode::invalid_argument, "give {} or {}, not both", image ? image->first : "", name);
      image.emplace(name, reference.get<std::string>());
    }
    return image;
  }

  void leave_out_useless() {
    for (auto field = given_.begin(); field != given_.end();) {
      const std::string& name = field.key();
      const auto without_use = kWithoutUse.find(name);
      std::string_view reason;
      if (find_field(model_.options(), name)) {
        // the model's own
      } else if (without_use != kWithoutUse.end()) {
        reason = without_use->second;
      } else if (is_common_option(name)) {
        reason = "this model has no such option";
      } else if (!is_known(name) && how_.unknown == VideoFields::Unknown::ignored) {
        reason = "the field is unknown";
      }
      const bool asks = !is_off(*field) && !(name == "n" && *field == 1);
      if (!reason.empty() && asks) ignore(name, reason);
      field = reason.empty() ? std::next(field) : given_.erase(field);
    }
  }

  void choose_length(const json& given_seconds) {
    if (request_.video_frames) {
      if (!given_seconds.is_null()) ignore("seconds", "num_frames is given as well");
      return;
    }
    const auto seconds = given_seconds.is_null() ? how_.seconds : parse_seconds(given_seconds);
    if (!seconds) return;
    generation::Request one = request_;
    one.prompts = {"of any length"};
    request_.video_frames = std::max<int64_t>(1, std::llround(*seconds * model_.plan(one)->format().fps));
  }

  static std::optional<double> parse_seconds(const json& value) {
    json number =
        value.is_string() ? json::parse(value.get_ref<const std::string&>().substr(0, 32), nullptr, false) : value;
    const double seconds = number.is_number() ? number.get<double>() : 0;
    require(seconds > 0 && seconds <= kMaxVideoSeconds, ErrorCode::invalid_argument,
            "seconds must be a number above 0 and at most {}, e.g. \"4\"", kMaxVideoSeconds);
    return seconds;
  }

  json given_;
  const generation::Model& model_;
  const VideoFields& how_;
  generation::Request request_;
};

}  // namespace

generation::Request read_video_fields(json given, const generation::Model& model, const VideoFields& how) {
  return Reader(std::move(given), model, how).read();
}

const std::map<std::string_view, std::string_view>& fields_without_use() { return kWithoutUse; }

json typed_field(const std::string& name, std::string_view text) {
  if (text.empty()) return nullptr;
  static const Names kTexts{"prompt", "model",           "size",  "seconds", "negative_prompt",
                            "user",   "input_reference", "solver"};
  if (kTexts.contains(name)) return std::string(text);
  std::string kept;
  const std::string_view whole = whole_characters(text, kept);
  check_json(whole, EqualNames::refused);
  json value = json::parse(whole, nullptr, /*allow_exceptions=*/false);
  static const Names kNumbers{"seed", "fps", "num_frames", "width", "height", "steps", "num_inference_steps"};
  require(!kNumbers.contains(name) || value.is_number(), ErrorCode::invalid_argument, "{} must be a number (got '{}')",
          name, text.substr(0, 32));
  return value.is_discarded() || value.is_string() ? json(std::string(text)) : value;
}

void require_makes_videos_of_text(const generation::Model& model, std::string_view name) {
  const generation::Capabilities capabilities = model.capabilities();
  require(capabilities.takes.has(generation::Modality::text) && capabilities.yields.has(generation::Modality::video),
          ErrorCode::unsupported,
          "model '{}' does not make videos from text; POST /v1/sessions takes what it needs, and GET /v1/models says "
          "what that is",
          name);
}

void end_speech_of(generation::Session& session) {
  if (session.format().speech_hz > 0) session.end_speech();
}

}  // namespace rushes::server
