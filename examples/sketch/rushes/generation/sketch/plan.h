// What a request asks of a sketch, checked.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "rushes/generation/model.h"

namespace rushes::generation {

inline constexpr int64_t kSketchSide = 64, kSketchFramesPerBlock = 8;

struct SketchPlan final : Plan {
  std::vector<std::string> prompts;  // one a block, cycled
  uint64_t seed = 0;
  int64_t blocks = 1;  // 0: endless
  int64_t radius = 12;
  double speed = 2;  // pixels a frame
  VideoFormat format() const override;
};

Capabilities sketch_capabilities();
std::vector<OptionField> sketch_options();
std::unique_ptr<SketchPlan> plan_sketch(const Request& request, std::span<const OptionField> fields);

}  // namespace rushes::generation
