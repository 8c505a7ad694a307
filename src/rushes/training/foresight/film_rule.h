// What a film of the Foresight world shows to happen, read off its pixels by plain rules: no learned judge.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>

#include "rushes/training/foresight/foresight_world.h"

namespace rushes::training {

/// What happens in frames [T, 3, H, W] in [0, 1], T >= 20, at the world's rate. Of the scene only what its picture
/// shows is used: which colours lie on which ground, and whether there is a cue, which is waited for to fade. None: no
/// rule fits, or a shape is not there any more.
std::optional<Outcome> read_outcome(const at::Tensor& film, const ForesightScene& scene);

}  // namespace rushes::training
