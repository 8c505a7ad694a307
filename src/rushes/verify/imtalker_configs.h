// The sizes of an IMTalker model's parts from the `hyper` of a golden case; what it does not name has its default.
#pragma once
#include <ATen/core/Tensor.h>

#include <nlohmann/json.hpp>

#include "rushes/models/imtalker/config.h"
#include "rushes/verify/case.h"

namespace rushes::verify {

imtalker::RendererConfig renderer_config(const nlohmann::json& hyper);

/// Pictures [H, W, 3] or [T, H, W, 3] uint8 as the networks take them: [B, 3, H, W] in [0, 1], in the case's dtype.
at::Tensor network_picture(const at::Tensor& pixels, const Target& target);

}  // namespace rushes::verify
