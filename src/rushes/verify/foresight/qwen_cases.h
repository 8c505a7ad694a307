// How the cases of Foresight describe the language model that sees.
#pragma once
#include "rushes/models/qwen/model.h"
#include "rushes/verify/case.h"

namespace rushes::verify {

/// From "text", "vision" and the ids of `hyper`.
qwen::Config qwen_case_config(const nlohmann::json& hyper);

/// A model with the case's weights (published names) and the tokenizer of bytes, which ids are not read with.
qwen::Model qwen_case_model(const Case& c, qwen::Config config, const tensor::WeightMap& weights);

}  // namespace rushes::verify
