// Sections of model.yaml that Wan's models share with those that are made of them.
#pragma once
#include <filesystem>

#include "rushes/base/manifest.h"
#include "rushes/models/wan/model_directory.h"

namespace rushes::wan {

/// What no single field of a transformer's section shows. Throws Error(invalid_argument) naming the field.
void check_transformer(const ManifestSection& section, const TransformerConfig& config);

TextEncoderPart read_text_encoder(ManifestSection section);
AutoencoderPart read_autoencoder(ManifestSection section);
/// Throws Error(invalid_argument) if the text encoder or the autoencoder does not fit the transformer. `source` stands
/// in messages.
void check_parts(const TransformerConfig& transformer, const TextEncoderPart& text_encoder,
                 const AutoencoderPart& autoencoder, const std::string& source);

void write_text_encoder(ManifestWriter& out, const TextEncoderPart& part, const std::filesystem::path& directory);
void write_autoencoder(ManifestWriter& out, const char* key, const AutoencoderPart& part,
                       const std::filesystem::path& directory);

int64_t latent_channels(const AutoencoderPart& part);

}  // namespace rushes::wan
