#include "rushes/base/trained_for.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace rushes {

std::string text_of(const FrameSize& size) { return fmt::format("{}x{}", size.width, size.height); }

std::vector<std::string> TrainedFor::warnings(const FrameSize& size, int64_t frames_at_once) const {
  std::vector<std::string> warnings;
  if (!sizes.empty() && std::find(sizes.begin(), sizes.end(), size) == sizes.end()) {
    std::vector<std::string> names;
    for (const FrameSize& each : sizes) names.push_back(text_of(each));
    warnings.push_back(fmt::format("the model was trained for {}, not for {}: the picture may be poor",
                                   fmt::join(names, ", "), text_of(size)));
  }
  if (video_frames > 0 && frames_at_once > video_frames)
    warnings.push_back(
        fmt::format("the model was trained for at most {} frames at once, not for {}: the later ones may "
                    "be poor",
                    video_frames, frames_at_once));
  return warnings;
}

}  // namespace rushes
