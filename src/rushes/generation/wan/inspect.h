#pragma once
#include "rushes/generation/inspection.h"
#include "rushes/models/wan/model_directory.h"

namespace rushes::generation {

/// What the manifest of a model says of its parts of Wan's. Of what is null, what no shape tells is taken to be as
/// published.
struct WanConfigs {
  const wan::TransformerConfig* transformer = nullptr;
  const wan::Umt5Config* text_encoder = nullptr;
  std::vector<const wan::AutoencoderPart*> autoencoders = {};
};

/// The parts of Wan's in a checkpoint, as Inspection::parts.
Report wan_parts(const tensor::WeightMap& tensors, const WanConfigs& known);

/// As Family::inspect.
Inspection inspect_wan(const std::filesystem::path& directory);

}  // namespace rushes::generation
