// What several cases of LTX-Video record in the same way.
#pragma once
#include <nlohmann/json.hpp>

#include "rushes/models/ltx/vae.h"
#include "rushes/verify/case.h"

namespace rushes::verify {

/// The maps noise_00, noise_01, ... in this order. Borrows the case.
ltx::SpatialNoise recorded_maps(const Case& c);
/// hyper.tiling; none where it is absent.
ltx::Tiling recorded_tiling(const nlohmann::json& hyper);

}  // namespace rushes::verify
