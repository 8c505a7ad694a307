#include "rushes/generation/imtalker/plan.h"

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

constexpr ErrorCode kBad = ErrorCode::invalid_argument;
constexpr double kReferenceMotionScale = 0.6;         // of the published servers
constexpr int64_t kLeastSide = 32, kMostSide = 4096;  // of a picture that frames are pasted into

/// A row that holds for every frame.
std::optional<at::Tensor> row(const std::optional<std::vector<double>>& values) {
  if (!values) return std::nullopt;
  return at::tensor(std::vector<float>(values->begin(), values->end()), at::TensorOptions(at::kFloat)).unsqueeze(0);
}

OptionField style(const char* name, const char* alias, const char* doc, std::size_t count) {
  return {.name = name,
          .type = OptionType::numbers,
          .doc = doc,
          .least = -1000,
          .most = 1000,
          .least_count = count,
          .most_count = count,
          .aliases = {alias}};
}

void check_image(const Request& request, bool crop) {
  require(request.image.has_value(), kBad, "image is missing; give a portrait");
  const Image& image = *request.image;
  require(image.rgb && image.height >= kLeastSide && image.width >= kLeastSide, kBad,
          "image is {}x{}; a portrait needs at least {} pixels on each side", image.width, image.height, kLeastSide);
  require(crop || std::max(image.height, image.width) <= kMostSide, ErrorCode::too_large,
          "image is {}x{}; without crop, at most {} pixels on each side are allowed", image.width, image.height,
          kMostSide);
}

/// What this family's models do not offer must not be lost in silence.
void check_unused(const Request& request, const TalkShape& shape) {
  require(request.prompts.empty(), ErrorCode::unsupported,
          "prompt: this model does not accept text; it animates the portrait from speech");
  require(!request.video_frames && request.segments.value_or(1) <= 1, ErrorCode::unsupported,
          "segments and frames cannot be set: the length of a talking-head video follows its speech");
  require(!request.width && !request.height, ErrorCode::unsupported,
          "size cannot be set: this model generates {0}x{0}, or without crop the image's own size", shape.side);
  const double fps = request.video ? request.video->fps() : shape.fps;
  require(!request.fps || *request.fps == fps, ErrorCode::unsupported, "fps cannot be changed: {} {} frames per second",
          request.video ? "the driving video has" : "this model generates", fps);
}

/// What is there to turn speech into motion changes nothing where another video has the motion.
std::vector<Ignored> unused_with_driving_video(const Options& options) {
  std::vector<Ignored> ignored;
  for (const char* name : {"nfe", "cfg_scale", "chunk_duration", "pose_style", "gaze_style"})
    if (options.has(name)) ignored.push_back({name, "the motion is that of the driving video"});
  return ignored;
}

}  // namespace

Capabilities talk_capabilities() {
  return {.takes = Modality::image | Modality::video,
          .needs = Modality::image,
          .feeds = Modality::audio,
          .yields = Modality::video | Modality::audio,
          .forks = true,
          .endless = true};
}

std::vector<OptionField> talk_options(const TalkDefaults& defaults) {
  return {{.name = "nfe",
           .type = OptionType::integer,
           .doc = "number of time points of the solver, one more than its steps",
           .standard = defaults.nfe,
           .least = 2,
           .most = 1000,
           .aliases = {"steps"}},
          {.name = "cfg_scale",
           .type = OptionType::number,
           .doc = "how strongly the mouth follows the speech",
           .standard = defaults.cfg_scale,
           .least = 0,
           .most = 20,
           .aliases = {"guidance_scale"}},
          {.name = "chunk_duration",
           .type = OptionType::number,
           .doc = "seconds of speech that are converted to motion at once",
           .standard = defaults.chunk_seconds,
           .least = 0.04,
           .most = 10,
           .aliases = {"chunk"}},
          {.name = "mode",
           .type = OptionType::choice,
           .doc = "aligned: one frame for each 1/fps s of speech, with audio; reference: overlapping windows without "
                  "audio, like the published server",
           .standard = std::string("aligned"),
           .choices = {"aligned", "reference"}},
          {.name = "crop",
           .type = OptionType::boolean,
           .doc = "show only a square around the face; otherwise the whole image, in which the face moves",
           .standard = true},
          {.name = "crop_scale",
           .type = OptionType::number,
           .doc = "half the side of the square, relative to the longer side of the face box",
           .standard = 0.8,
           .least = 0.1,
           .most = 4},
          face_option(),
          style("pose_style", "pose", "fixed head pose: pitch, yaw, roll", 3),
          style("gaze_style", "gaze", "fixed gaze direction: x, y", 2)};
}

VideoFormat TalkPlan::format() const {
  const int64_t speech_audio = mode == TalkMode::aligned ? speech_hz : 0;
  return {.height = height,
          .width = width,
          .fps = fps,
          .video_frames = {},
          .audio_hz = driving ? driving->audio_hz() : speech_audio,
          .speech_hz = driving ? 0 : speech_hz};
}

std::unique_ptr<TalkPlan> plan_talk(const Request& request, const TalkShape& shape,
                                    std::span<const OptionField> fields) {
  const Options options = checked(request.options, fields);
  auto plan = std::make_unique<TalkPlan>();
  plan->crop = options.get<bool>("crop").value_or(true);
  check_image(request, plan->crop);
  check_unused(request, shape);
  check_numbers(request);
  plan->image = *request.image;
  plan->crop_scale = options.get<double>("crop_scale").value_or(0.8);
  plan->face = face_choice(options, request.image->height, request.image->width);
  plan->image_use = ImageUse{.height = request.image->height, .width = request.image->width};
  plan->faces_known = request.faces.has_value();
  if (request.faces) plan->face.box = chosen_face(plan->face, *request.faces);
  plan->image_use->face = plan->face.box;
  if (request.faces) plan->image_use->faces = *request.faces;
  plan->mode = options.get<std::string>("mode") == "reference" ? TalkMode::reference : TalkMode::aligned;
  plan->chunk_seconds = options.get<double>("chunk_duration").value_or(shape.defaults.chunk_seconds);
  plan->chunk_frames = std::max<int64_t>(1, std::llround(plan->chunk_seconds * shape.fps));
  plan->motion_scale = plan->mode == TalkMode::reference ? kReferenceMotionScale : shape.defaults.motion_scale;
  plan->motion.guidance_scale = options.get<double>("cfg_scale").value_or(shape.defaults.cfg_scale);
  plan->motion.time_points = options.get<int64_t>("nfe").value_or(shape.defaults.nfe);
  plan->seed = request.seed;
  plan->driving = request.video;
  if (plan->driving) plan->ignored = unused_with_driving_video(options);
  plan->fps = plan->driving ? plan->driving->fps() : shape.fps;
  plan->speech_hz = shape.speech_hz;
  require(!plan->driving || plan->mode == TalkMode::aligned, kBad,
          "mode reference cannot be used with a driving video: it cuts speech into windows, and there is no speech");
  plan->pose = row(options.get<std::vector<double>>("pose_style"));
  plan->gaze = row(options.get<std::vector<double>>("gaze_style"));
  // The usual video formats know even sides only.
  plan->height = plan->crop ? shape.side : request.image->height / 2 * 2;
  plan->width = plan->crop ? shape.side : request.image->width / 2 * 2;
  return plan;
}

}  // namespace rushes::generation
