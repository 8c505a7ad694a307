// A request for a text and a video, worked out for one model: every value present and checked. No libtorch here.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/generation/foresight/settings.h"
#include "rushes/generation/model.h"

namespace rushes::generation {

/// What the frames really follow, in the words of the published interface.
enum class Conditioning {
  text_only,           // no picture
  first_frame_insert,  // the picture is put in front of a video that knows only the text
  ltx_condition,       // the picture is the first latent frame
  hybrid_encoder,      // the adapter's tokens stand for the prompt
};
/// The enumerator's own spelling.
std::string_view name(Conditioning conditioning);

/// For who asks nothing.
inline constexpr const char* kDefaultQuestion = "Describe what you see and what will happen next.";

/// What a plan depends on of a model.
struct ForesightShape {
  bool has_text = true, has_video = true, has_vision = true;
  bool has_adapter = false;
  bool encodes_images = true;  // the video autoencoder has an encoder
  bool removes_noise = true;   // its decoder is told of noise that is left
  int64_t spatial_stride = 32, temporal_stride = 8;
  int64_t max_side = 2048;
  int64_t most_tokens = 1 << 16;  // of a video
  TrainedFor trained_for = {};
};

struct ForesightPlan final : Plan {
  ForesightSettings settings;
  std::string prompt;
  uint64_t seed = 0;
  std::optional<Image> image;         // until the generator has taken it
  std::vector<Image> earlier_images;  // the same
  int64_t height = 0, width = 0;
  double fps = 15;
  int64_t video_frames = 0;   // wanted and given; 0: no video
  int64_t latent_frames = 0;  // made for them
  Conditioning conditioning = Conditioning::text_only;

  /// That the video model is told.
  double frame_rate() const { return settings.upstream_frame_rate ? kUpstreamFrameRate : fps; }
  VideoFormat format() const override;
};

Capabilities foresight_capabilities(const ForesightShape& model = {});

/// `fields` are foresight_options(defaults). Throws Error(invalid_argument, unsupported, too_large) naming the field.
std::unique_ptr<ForesightPlan> plan_foresight(const Request& request, const ForesightSettings& defaults,
                                              std::span<const OptionField> fields, const ForesightShape& model);

}  // namespace rushes::generation
