// What some generators can tell about themselves beyond the contract: for those who measure. Optional:
// whoever wants it asks with dynamic_cast.
#pragma once
#include <cstdint>

namespace rushes::generation {

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

/// Beside Generator.
class WorksInParts {
 public:
  virtual ~WorksInParts() = default;
  /// The newest step() was a part of work that goes on, and whose events come when it ends.
  virtual bool was_part() const = 0;
};

}  // namespace rushes::generation
