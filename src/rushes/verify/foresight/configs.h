// Dimensions of the networks of Foresight's golden cases, in the words of their `hyper` and from their weights.
#pragma once
#include <nlohmann/json.hpp>

#include "rushes/models/dinov2/config.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/models/t5/config.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::verify {

t5::Config foresight_t5_config(const nlohmann::json& hyper);
dinov2::Config foresight_dinov2_config(const nlohmann::json& hyper, const tensor::WeightMap& weights);
foresight::AdapterConfig foresight_adapter_config(const nlohmann::json& hyper, const tensor::WeightMap& weights);

}  // namespace rushes::verify
