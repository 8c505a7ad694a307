// What a person asks of a model, in the words that all families share, and the options of one. No libtorch here.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/base/image.h"
#include "rushes/base/options.h"
#include "rushes/generation/driving_video.h"
#include "rushes/generation/faces.h"

namespace rushes::generation {

/// One a segment. The limit of each is text::kMaxPromptBytes.
inline constexpr std::size_t kMaxPrompts = 1000;

/// Model::plan() checks all of it.
struct Request {
  std::vector<std::string> prompts = {};  // one a segment, cycled
  std::optional<Image> image = {};        // first frame, portrait, or what the prompt speaks of
  /// Found in the image, in the order of put_subject_first(); nothing: nobody has looked.
  std::optional<std::vector<FaceBox>> faces = {};
  std::shared_ptr<const DrivingVideo> video = {};  // whose face moves a portrait
  int64_t seed = 0;                                // the same seed and request give the same frames
  int64_t segments = 1;                            // 0: endless until stopped
  std::optional<int64_t> video_frames = {};        // wanted length instead of segments
  std::optional<int64_t> height = {}, width = {};  // pixels
  std::optional<double> fps = {};
  std::optional<double> max_lead_seconds =
      {};                // ahead of its viewers, then generation rests; nothing: as fast as it goes
  Options options = {};  // of the model: Model::options()
};

/// The check of one prompt, also of a switch while the video is made. `field` stands in the message. Throws
/// Error(invalid_argument) for an empty one, for NUL characters and for what is not UTF-8, Error(too_large).
void check_prompt(std::string_view prompt, std::string_view field);
/// Of all of a request's: at least one, kMaxPrompts at most.
void check_prompts(const std::vector<std::string>& prompts);

}  // namespace rushes::generation
