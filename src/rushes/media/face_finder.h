// Where a face is in a picture, for models that come without a face detector of their own: OpenCV's cascade of Haar
// features for faces seen from the front, in a process of its own (apps/find_face says why).
#pragma once
#include <optional>

#include "rushes/media/image.h"

namespace rushes::media {

/// In pixels; x2 and y2 lie one beyond.
struct FoundFace {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

/// False where the program is not built (no OpenCV), or its cascade is not installed (Debian: opencv-data).
bool can_find_faces();

/// The most certain face; nothing if there is none, or faces cannot be found here. Takes about a tenth of a second.
/// Any thread.
std::optional<FoundFace> find_face(const Image& picture);

/// The face that a talking head is cut out around. Nothing: the picture is taken as it is, its middle if it is not
/// square. That is the case for squares of `model_side`, which are framed as the model expects, and for other squares
/// without a face that is found, such as drawings. Throws Error(invalid_argument) with advice if a picture that is to
/// be cut out (`crop`) is no square and has no face.
enum class Crop { yes, no };
std::optional<FoundFace> face_of_portrait(const Image& picture, int64_t model_side, Crop crop);

}  // namespace rushes::media
