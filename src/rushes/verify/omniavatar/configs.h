// Configurations of OmniAvatar's networks from a case's `hyper` and weights.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rushes/models/omniavatar/config.h"
#include "rushes/models/omniavatar/picture_size.h"
#include "rushes/models/wan/config.h"
#include "rushes/models/wav2vec/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::verify {

/// The keys below `prefix` where there are some, else all.
tensor::WeightMap module_weights(const tensor::WeightMap& weights, const std::string& prefix);

/// `text_rows` of the case's text are all that there are: nothing is padded.
omniavatar::TransformerConfig avatar_config(const nlohmann::json& hyper, const tensor::WeightMap& weights,
                                            int64_t text_rows);
/// The key of the width differs from case to case: "vae_dim" or "dim".
wan::VaeConfig avatar_vae_config(const nlohmann::json& hyper);
/// Of a list of [height, width].
std::vector<omniavatar::Size> avatar_sizes(const nlohmann::json& sizes);
/// conv_dim is one number for all convolutions, or a list.
wav2vec::Config avatar_speech_config(const nlohmann::json& hyper);

}  // namespace rushes::verify
