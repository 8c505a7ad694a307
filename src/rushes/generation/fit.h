// How an image becomes the first frame of a video that has other proportions: which part of it is shown. Plain numbers.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "rushes/base/options.h"
#include "rushes/generation/model.h"

namespace rushes::generation {

enum class Fit {
  crop,     // its middle fills the frame
  pad,      // all of it, in the middle of black
  stretch,  // all of it, its proportions changed: as published pipelines do it
};
constexpr std::array<std::pair<std::string_view, Fit>, 3> words_of(Fit) {
  return {{{"crop", Fit::crop}, {"pad", Fit::pad}, {"stretch", Fit::stretch}}};
}

/// The enumerator's own spelling.
std::string_view name(Fit fit);
/// The one of that name(). Throws Error(invalid_argument).
Fit fit_named(std::string_view text);
/// The option `fit` of models that take a first image.
OptionField fit_option(Fit standard = Fit::crop);

/// `side` times `to / from`, at least 1 and at most `most`.
int64_t scaled_side(int64_t side, int64_t to, int64_t from, int64_t most);
/// [x1, x2) x [y1, y2) of the image that the frame shows.
struct ShownPart {
  int64_t x1, y1, x2, y2;
};
ShownPart shown_part(int64_t image_height, int64_t image_width, int64_t height, int64_t width, Fit fit);
/// The same for who asked.
ImageUse image_use(const Image& image, int64_t height, int64_t width, Fit fit);

}  // namespace rushes::generation
