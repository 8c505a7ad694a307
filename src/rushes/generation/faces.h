// Which of the faces in an image a portrait is of. No libtorch here.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "rushes/base/options.h"

namespace rushes::generation {

/// x1, y1, x2, y2 in pixels of the image; x2 and y2 lie one beyond.
using FaceBox = std::array<double, 4>;

/// The one that people would take for the image's subject first: by size, of faces alike the one nearer to the middle.
void put_subject_first(std::vector<FaceBox>& faces, int64_t height, int64_t width);

/// The option `face`: by its index in that order, or by its box.
OptionField face_option();
struct FaceChoice {
  std::optional<FaceBox> box;
  std::optional<std::size_t> index;
};
/// What it says of an image of this size; neither where it is not given. Throws Error(invalid_argument) for what is
/// neither, and for a box that lies outside of the image.
FaceChoice face_choice(const Options& options, int64_t height, int64_t width);

/// The face that is chosen of `faces`, which are in that order; nothing: there is none, and none was asked for. Throws
/// Error(invalid_argument) for an index that none has.
std::optional<FaceBox> chosen_face(const FaceChoice& choice, const std::vector<FaceBox>& faces);

}  // namespace rushes::generation
