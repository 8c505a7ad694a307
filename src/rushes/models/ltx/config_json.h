// Configurations as the diffusers library writes them: transformer/config.json, vae/config.json,
// scheduler/scheduler_config.json. Fields that are absent have that library's defaults.
#pragma once
#include <nlohmann/json.hpp>

#include "rushes/models/ltx/config.h"

namespace rushes::ltx {

/// `where` names the file in messages. Throw Error(corrupt_data) naming the field and what it must be,
/// Error(unsupported) for a setting that no published LTX-Video 2B has.
TransformerConfig transformer_config(const nlohmann::json& fields, const std::string& where);
VaeConfig vae_config(const nlohmann::json& fields, const std::string& where);
SchedulerConfig scheduler_config(const nlohmann::json& fields, const std::string& where);

}  // namespace rushes::ltx
