// The sizes of a Wan model's parts from the `hyper` of a golden case; what it does not name has its default.
#pragma once
#include <nlohmann/json.hpp>

#include "rushes/models/wan/config.h"

namespace rushes::verify {

wan::TransformerConfig transformer_config(const nlohmann::json& hyper);
wan::Umt5Config text_config(const nlohmann::json& hyper);
wan::VaeConfig vae_config(const nlohmann::json& hyper);

}  // namespace rushes::verify
