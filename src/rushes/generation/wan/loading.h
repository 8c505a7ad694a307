// The parts of a Wan model from its files: for the family itself, and for those that are composed with it.
#pragma once
#include <filesystem>
#include <memory>
#include <vector>

#include "rushes/generation/model.h"
#include "rushes/generation/wan/model.h"
#include "rushes/models/wan/autoencoder.h"
#include "rushes/models/wan/checkpoint.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/tensor/placement.h"

namespace rushes::generation {

/// Where the weights go, and what becomes of tensors that no part has.
struct Loading {
  tensor::Placement placement;
  wan::Extra extra;
};

/// Both add what they load to `networks`.
std::shared_ptr<const wan::Autoencoder> load_autoencoder(const wan::AutoencoderPart& part, const Loading& how,
                                                         const char* role, std::vector<ModelPart>& networks);
/// `tokenizer`: see wan::ModelDirectory.
PromptEncoder load_text_encoder(const wan::TextEncoderPart& part, const std::filesystem::path& tokenizer,
                                const Loading& how, std::vector<ModelPart>& networks);

}  // namespace rushes::generation
