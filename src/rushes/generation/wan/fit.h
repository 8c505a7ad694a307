// How an image becomes the first frame of a video that has other proportions: which part of it is shown. Plain numbers.
#pragma once
#include <cstdint>
#include <string_view>

namespace rushes::generation {

enum class Fit {
  crop,     // its middle fills the frame
  pad,      // all of it, in the middle of black
  stretch,  // all of it, its proportions changed: as the reference implementation does it
};

/// The enumerator's own spelling.
constexpr std::string_view name(Fit fit) {
  switch (fit) {
    case Fit::crop: return "crop";
    case Fit::pad: return "pad";
    case Fit::stretch: return "stretch";
  }
  return "?";
}
/// The one of that name(). Throws Error(invalid_argument).
Fit fit_named(std::string_view text);

/// [x1, x2) x [y1, y2) of the image that the frame shows.
struct ShownPart {
  int64_t x1, y1, x2, y2;
};
ShownPart shown_part(int64_t image_height, int64_t image_width, int64_t height, int64_t width, Fit fit);

}  // namespace rushes::generation
