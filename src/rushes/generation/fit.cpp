#include "rushes/generation/fit.h"

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"

namespace rushes::generation {

std::string_view name(Fit fit) {
  for (const auto& [word, value] : words_of(fit))
    if (value == fit) return word;
  return "?";
}

Fit fit_named(std::string_view text) {
  for (const auto& [word, value] : words_of(Fit()))
    if (text == word) return value;
  fail(ErrorCode::invalid_argument, "fit must be crop, pad or stretch (got '{}')", text.substr(0, 64));
}

OptionField fit_option(Fit standard) {
  OptionField field{.name = "fit",
                    .type = OptionType::choice,
                    .doc =
                        "how an image of other proportions becomes the first frame: crop (its middle fills the "
                        "frame), pad (all of it, between black bars) or stretch (its proportions change)",
                    .standard = std::string(name(standard))};
  for (const auto& [word, value] : words_of(standard)) field.choices.emplace_back(word);
  return field;
}

int64_t scaled_side(int64_t side, int64_t to, int64_t from, int64_t most) {
  const double exact = static_cast<double>(side) * static_cast<double>(to) / static_cast<double>(from);
  return std::clamp<int64_t>(std::llround(exact), 1, most);
}

ShownPart shown_part(int64_t image_height, int64_t image_width, int64_t height, int64_t width, Fit fit) {
  ShownPart part{0, 0, image_width, image_height};
  if (fit != Fit::crop) return part;
  const int64_t w = scaled_side(width, image_height, height, image_width),
                h = scaled_side(height, image_width, width, image_height);
  part.x1 = (image_width - w) / 2;
  part.y1 = (image_height - h) / 2;
  part.x2 = part.x1 + w;
  part.y2 = part.y1 + h;
  return part;
}

ImageUse image_use(const Image& image, int64_t height, int64_t width, Fit fit) {
  const ShownPart part = shown_part(image.height, image.width, height, width, fit);
  return {.height = image.height,
          .width = image.width,
          .fit = std::string(name(fit)),
          .shown = FaceBox{static_cast<double>(part.x1), static_cast<double>(part.y1), static_cast<double>(part.x2),
                           static_cast<double>(part.y2)}};
}

}  // namespace rushes::generation
