// A request to make a portrait talk, worked out for one model: every value present and checked.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "rushes/generation/imtalker/directory.h"
#include "rushes/generation/model.h"
#include "rushes/models/imtalker/face_crop.h"
#include "rushes/models/imtalker/motion_generator.h"

namespace rushes::generation {

enum class TalkMode {
  aligned,    // one video frame for each 1/fps s of speech, motion continuous, the speech in the video
  reference,  // as the published chunked server: windows that overlap and know nothing of each other, no sound
};

struct TalkPlan final : Plan {
  TalkMode mode = TalkMode::aligned;
  int64_t chunk_frames = 0;   // aligned: video frames whose motion is made at once
  double chunk_seconds = 0;   // reference: length of a window
  double motion_scale = 1.0;  // of the motion away from the portrait's own
  double fps = 0;             // of the video
  imtalker::MotionOptions motion;
  uint64_t seed = 0;
  std::optional<at::Tensor> pose, gaze;  // [1, 3], [1, 2] float32
  int64_t height = 0, width = 0;         // of the video
  int64_t speech_hz = 0;                 // of the model

  // Of the picture, and what moves it instead of speech.
  Image image;
  bool crop = true;  // show the face's square; else the whole picture, the face pasted in
  double crop_scale = 0.8;
  FaceChoice face;
  bool faces_known = false;  // else the model looks for them, and chooses
  std::shared_ptr<const DrivingVideo> driving;
  std::optional<imtalker::Square> driving_square;  // of its face; nothing: its whole picture

  VideoFormat format() const override;
};

/// What a plan depends on of a model.
struct TalkShape {
  TalkDefaults defaults;
  double fps = 25;
  int64_t speech_hz = 16'000;
  int64_t side = 512;  // of the square that the networks see, in pixels
};

/// What its models take and yield.
Capabilities talk_capabilities();

/// The options of a model with these defaults.
std::vector<OptionField> talk_options(const TalkDefaults& defaults);

/// `fields` are talk_options() of the same model. Throws Error(invalid_argument), Error(too_large) naming the field.
std::unique_ptr<TalkPlan> plan_talk(const Request& request, const TalkShape& shape,
                                    std::span<const OptionField> fields);

}  // namespace rushes::generation
