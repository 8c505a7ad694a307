// Which motion the tracks of a clip's objects are.
#pragma once
#include <optional>
#include <vector>

#include "rushes/training/wan/fidelity.h"

namespace rushes::training {

/// Of the first object, in its first moments: what meets the rim later turns back. None: no rule fits.
std::optional<Motion> read_motion(const std::vector<SeenObject>& objects);

}  // namespace rushes::training
