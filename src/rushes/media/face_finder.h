// Where a face is in a picture, for models that come without a face detector of their own: OpenCV's cascade of Haar
// features for faces seen from the front, in a process of its own (apps/find_face says why).
#pragma once
#include <vector>

#include "rushes/media/image.h"

namespace rushes::media {

/// In pixels; x2 and y2 lie one beyond.
struct FoundFace {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
};

/// False where the program is not built (no OpenCV), or its cascade is not installed (Debian: opencv-data).
bool can_find_faces();

/// All of them, in no order; none if faces cannot be found here. Takes about a tenth of a second. Any thread.
std::vector<FoundFace> find_faces(const Image& picture);

/// The faces that a talking head may be cut out around. None: the picture is taken as it is, its middle if it is not
/// square. That is the case for squares of `model_side`, which are framed as the model expects (Look::always looks into
/// them too), and for other squares without a face that is found, such as drawings. Throws Error(invalid_argument) with
/// advice if a picture that is to be cut out (`crop`) is not a square and has no face.
enum class Crop { yes, no };
enum class Look { if_not_framed, always };
std::vector<FoundFace> faces_of_portrait(const Image& picture, int64_t model_side, Crop crop,
                                         Look look = Look::if_not_framed);

}  // namespace rushes::media
