// What some models and generators can tell about themselves beyond the contract: for those who measure. Optional:
// whoever wants it asks with dynamic_cast.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rushes::generation {

/// One of the networks that a model consists of.
struct ModelPart {
  std::string role;  // transformer, text_encoder, decoder
  std::string type;  // in the words of its family
  int64_t parameters = 0;
};

/// Beside Model.
class DescribesNetworks {
 public:
  virtual ~DescribesNetworks() = default;
  virtual std::vector<ModelPart> networks() const = 0;
};

/// Beside Generator.
class DescribesSteps {
 public:
  struct Step {
    int64_t latent_frames = 0;  // of the block
    double timestep = 0;        // that it began at, of the schedule's 1000
  };
  virtual ~DescribesSteps() = default;
  /// The denoising step that was done last.
  virtual Step newest_step() const = 0;
};

}  // namespace rushes::generation
