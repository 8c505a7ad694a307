// Does a text-to-video model show what its prompts say? Measured by rules on frames, through the code that serves it.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "rushes/training/wan/fidelity.h"
#include "rushes/training/wan/world.h"

namespace rushes::generation {
class Model;
}

namespace rushes::training {

/// What of a caption a clip shows. Shape: of single objects. Pair: of two, colour and shape of both.
struct Verdict {
  bool colour = false, ground = false, motion = false;
  std::optional<bool> shape{}, pair{};
};
Verdict judge(const Scene& scene, const Reading& reading);

struct Score {
  int64_t right = 0, of = 0;
  void add(bool is_right) { right += is_right, ++of; }
  double percent() const { return of == 0 ? 0 : 100.0 * static_cast<double>(right) / static_cast<double>(of); }
};

struct Fidelity {
  Score colour, ground, shape, motion, pair;
  double sharpness = 0;  // relative to drawings of the same captions
};

/// One line for people: shares, and how many clips each is of.
std::string describe(const Fidelity& fidelity);

struct FidelityOptions {
  int64_t clips = 64, latent_frames = 6;
  uint64_t seed = 1;
  /// Which captions count; undefined: all. What it refuses is passed over.
  std::function<bool(const Scene&)> wanted{};
};

/// Of clips made from held-out captions in the model's own size and steps. The n-th clip has the seed n.
Fidelity measure_fidelity(const generation::Model& model, const FidelityOptions& options);
/// The same of clips that `make` makes, [T, 3, H, W] in [0, 1].
Fidelity measure_fidelity(const std::function<at::Tensor(const Scene&, int64_t index)>& make,
                          const FidelityOptions& options);

/// Video frames [T, 3, H, W] in [0, 1] of a prompt, made block by block as the server does.
at::Tensor film(const generation::Model& model, const std::string& prompt, int64_t seed, int64_t segments,
                int64_t segment_latent_frames);

}  // namespace rushes::training
