#include "rushes/generation/ditto/plan.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/generation/ditto/avatar.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

constexpr ErrorCode kBad = ErrorCode::invalid_argument;
constexpr int64_t kLeastSide = 32, kMostSide = 16'384;  // of a source

void check_unused(const Request& request) {
  require(request.prompts.empty(), ErrorCode::unsupported,
          "prompt: this model does not accept text; it animates the source from speech");
  require(request.segments.value_or(1) <= 1, ErrorCode::unsupported,
          "segments cannot be set: the length of a talking-head video follows its speech");
  require(!request.width && !request.height, ErrorCode::unsupported,
          "size cannot be set: the video has the size of the source, at most max_size");
  require(!request.fps || *request.fps == kDittoFps, ErrorCode::unsupported,
          "fps cannot be changed: this model generates {} frames per second", kDittoFps);
}

/// Of an image, or the first frame of a video.
Image first_frame(const Request& request) {
  if (request.image) return *request.image;
  require(request.video != nullptr, kBad,
          "image is missing; give a portrait, a video of the speaker or the name of an avatar");
  const auto frame = request.video->frame(0);
  require(frame.has_value(), ErrorCode::corrupt_data, "the video has no frames");
  return *frame;
}

}  // namespace

Capabilities ditto_capabilities() {
  return {.takes = Modality::image | Modality::video,
          .needs = {},
          .feeds = Modality::audio,
          .yields = Modality::video | Modality::audio,
          .forks = true,
          .endless = true};
}

VideoFormat DittoPlan::format() const {
  return {.height = height,
          .width = width,
          .fps = kDittoFps,
          .video_frames = frames,
          .audio_hz = ditto::kSampleRate,
          .speech_hz = ditto::kSampleRate,
          .hearing = settings.windows.online ? Hearing::as_it_comes : Hearing::whole};
}

UprightSquare square_around(const FaceBox& face) {
  return {.x = (face[0] + face[2]) / 2,
          .y = (face[1] + face[3]) / 2,
          .side = 1.6 * std::max(face[2] - face[0], face[3] - face[1])};
}

at::Tensor points_of(const UprightSquare& square, const ditto::CropRule& rule) {
  // The points' box has 1 / 2.3 of the square's side; the rule then moves the square along and down the face.
  const double scale = ditto::CropRule{}.scale, half = square.side / scale / 2, side = 2 * half * rule.scale,
               x = square.x - rule.shift_x * side, y = square.y - rule.shift_y * side;
  std::vector<float> points;
  for (const auto& [across, down] : {std::pair{-0.6, -1.0}, {0.6, -1.0}, {0.0, 0.0}, {-1.0, 1.0}, {1.0, 1.0}}) {
    points.push_back(static_cast<float>(x + across * half));
    points.push_back(static_cast<float>(y + down * half));
  }
  return at::tensor(points, at::TensorOptions(at::kFloat)).view({5, 2});
}

namespace {

/// Of the options that were given and ask for something: those that the frames of this plan do not follow.
void note_unused(DittoPlan& plan, const Options& options, const DittoShape& model) {
  const DittoSettings& settings = plan.settings;
  const auto note = [&](std::initializer_list<const char*> names, const char* reason) {
    for (const char* name : names)
      if (options.has(name)) plan.ignored.push_back({name, reason});
  };
  const bool knows_length = plan.frames || settings.frame_count;
  if (!knows_length && settings.fade_out >= 0)
    note({"fade_out"}, "the end of the speech is not known in advance; say frames");
  note({"crop_vx_ratio"}, "the reference does not use it either");
  if (plan.avatar)
    note({"max_size", "crop_scale", "crop_vy_ratio", "crop_flag_do_rot", "face", "points"},
         "the avatar was cut out when it was registered");
  else if (!options.has("points") && !model.finds_points)
    note({"crop_vy_ratio"}, "it moves the square that is laid around a face's landmarks; give points");
  if (!plan.video) note({"smo_k_s", "eye_f0_mode"}, "the source is a still picture");
  if (plan.video && !model.sees_eyes) note({"eye_f0_mode"}, "this model's motion does not follow the source's eyes");
  if (!model.feels) note({"emo"}, "this model knows no emotions");
  if (settings.windows.online && !settings.retarget.relative)
    note({"relative_d"}, "with online_mode motion is always measured from a first frame");

  const bool fades_at_ends = settings.fade_in > 0 || (settings.fade_out > 0 && knows_length);
  bool fades_by_control = settings.retarget.overall.fade_alpha.has_value();
  for (const auto& [frame, control] : settings.controls)
    fades_by_control = fades_by_control || control.fade_alpha.has_value();
  if (settings.retarget.fade == ditto::Fade::none) {
    if (settings.fade_in > 0) note({"fade_in"}, "fade_type none: nothing fades");
    if (settings.fade_out > 0 && knows_length) note({"fade_out"}, "fade_type none: nothing fades");
    note({"fade_out_keys"}, "fade_type none: nothing fades");
  } else if (!fades_at_ends && !fades_by_control) {
    note({"fade_type", "fade_out_keys"}, "nothing fades without fade_in, fade_out or fade_alpha of ctrl_info");
  }

  const bool drives_eyes = settings.retarget.drive_eyes.value_or(!plan.video),
             blinks = drives_eyes && settings.retarget.blink.defined();
  if (!drives_eyes)
    note({"delta_eye_arr", "delta_eye_open_n", "blink_rate"}, "the eyes are not driven (drive_eye)");
  else if (!blinks)
    note({"delta_eye_open_n", "blink_rate"}, "there is no blink; delta_eye_arr says how one looks");
  const bool lays_out_fades = settings.retarget.fade != ditto::Fade::none && fades_at_ends && !plan.frames;
  if (settings.frame_count && !blinks && !lays_out_fades) note({"N_d"}, "there are no fades and blinks to lay out");
}

}  // namespace

std::unique_ptr<DittoPlan> plan_ditto(const Request& request, const DittoSettings& defaults,
                                      std::span<const OptionField> fields, const DittoShape& model) {
  const Options options = checked(request.options, fields);
  auto plan = std::make_unique<DittoPlan>();
  check_unused(request);
  check_numbers(request);
  plan->settings = defaults;
  apply(options, plan->settings);
  plan->settings.windows.check();
  plan->seed = request.seed;
  plan->frames = request.video_frames;
  if (!plan->settings.avatar.empty()) {
    plan->avatar = load_avatar(avatar_file(model.avatars, plan->settings.avatar), model.name);
    plan->height = plan->avatar->pixels.size(0);
    plan->width = plan->avatar->pixels.size(1);
    if (request.image) plan->ignored.push_back({"image", "the avatar is the source"});
    if (request.video) plan->ignored.push_back({"video", "the avatar is the source"});
    note_unused(*plan, options, model);
    return plan;
  }
  const Image source = first_frame(request);
  require(source.rgb && source.height >= kLeastSide && source.width >= kLeastSide, kBad,
          "image is {}x{}; a source needs at least {} pixels on each side", source.width, source.height, kLeastSide);
  require(std::max(source.height, source.width) <= kMostSide, ErrorCode::too_large,
          "image is {}x{}; at most {} pixels on each side are allowed", source.width, source.height, kMostSide);
  if (request.image) plan->image = source;
  plan->video = request.video;
  if (request.image && request.video) {
    plan->video = nullptr;
    plan->ignored.push_back({"video", "the image is the source; of a source video, send no image"});
  }
  plan->image_use = ImageUse{.height = source.height, .width = source.width};
  plan->face = face_choice(options, source.height, source.width);
  if (request.faces) {
    plan->face.box = chosen_face(plan->face, *request.faces);
    plan->image_use->faces = *request.faces;
  }
  if (plan->settings.points.defined()) {
    ditto::crop_map(plan->settings.points, plan->settings.max_size, plan->settings.crop);  // says what it takes
  } else if (!model.finds_points) {
    if (!plan->face.box && plan->video && !plan->video->faces().empty()) plan->face.box = plan->video->faces().front();
    // A square in which no face is found, such as a drawing, is taken as framed; so are faces that nobody looked for.
    require(plan->face.box || !request.faces || source.height == source.width, kBad,
            "no face detected; give a portrait with a visible face, or say where it is: face (its box) or points");
    const auto height = static_cast<double>(source.height), width = static_cast<double>(source.width);
    const UprightSquare whole{.x = width / 2, .y = height / 2, .side = std::min(height, width)};
    plan->settings.points = points_of(plan->face.box ? square_around(*plan->face.box) : whole, plan->settings.crop);
  }
  plan->image_use->face = plan->face.box;
  const ditto::Sides sides = ditto::source_sides(source.height, source.width, plan->settings.max_size);
  plan->height = sides.height;
  plan->width = sides.width;
  note_unused(*plan, options, model);
  return plan;
}

}  // namespace rushes::generation
