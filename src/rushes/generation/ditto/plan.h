// A request to make a source talk, worked out for one model: every value present and checked.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "rushes/generation/ditto/settings.h"
#include "rushes/generation/model.h"
#include "rushes/models/ditto/source.h"

namespace rushes::generation {

inline constexpr double kDittoFps = 25;

struct DittoPlan final : Plan {
  DittoSettings settings;
  std::optional<int64_t> frames;  // wanted; nothing: those of the speech
  uint64_t seed = 0;
  std::optional<Image> image;                 // the source, until start(), or
  std::shared_ptr<const DrivingVideo> video;  // that
  std::optional<ditto::SourceFrame> avatar;   // or that
  FaceChoice face;
  int64_t height = 0, width = 0;  // of the result

  VideoFormat format() const override;
};

Capabilities ditto_capabilities();

/// What a plan depends on of a model.
struct DittoShape {
  std::string name;
  std::filesystem::path avatars;        // their folder
  bool finds_points = false;            // looks for the points of the face itself where the request does not say them
  bool feels = true, sees_eyes = true;  // its motion follows an emotion; and the eyes of the source
};

/// `fields` are ditto_options(defaults). Throws Error(invalid_argument), Error(too_large) naming the field.
std::unique_ptr<DittoPlan> plan_ditto(const Request& request, const DittoSettings& defaults,
                                      std::span<const OptionField> fields, const DittoShape& model);

/// An upright square of an image: its centre and side in pixels.
struct UprightSquare {
  double x, y, side;
};
/// Around a face as a detector has it: 1.6 of its larger side, as much as the published rule cuts out of a face's
/// points.
UprightSquare square_around(const FaceBox& face);
/// Five points, from which crop_map() cuts out this square by a rule whose scale is the published one: [5, 2].
at::Tensor points_of(const UprightSquare& square, const ditto::CropRule& rule);

}  // namespace rushes::generation
