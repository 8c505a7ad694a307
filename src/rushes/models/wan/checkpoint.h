// Published and own checkpoints of a Wan model's parts: what a file holds, the dimensions in its shapes, and weights
// that are complete. Accepted spellings: Wan2.1 (T2V 1.3B and 14B, I2V 14B, VAE, UMT5-XXL), Self-Forcing
// (generator, generator_ema, critic), taew2_1, and the diffusers and transformers names of the first four.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rushes/models/wan/checkpoint_names.h"
#include "rushes/models/wan/config.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/vae.h"
#include "rushes/tensor/completeness.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::wan {

/// Names and shapes of all parameters, as published. (The autoencoders' tables stand beside the modules.)
std::map<std::string, std::vector<int64_t>> parameter_shapes(const TransformerConfig& config);
std::map<std::string, std::vector<int64_t>> parameter_shapes(const Umt5Config& config);

/// One part of a model in a file, its tensors under the published names.
struct Component {
  FoundPart found;
  tensor::WeightMap tensors;
};

/// The parts among `tensors`, in the order of their prefixes; empty for tensors of something else. Shares storage.
std::vector<Component> find_components(const tensor::WeightMap& tensors);

/// Dimensions from shapes. What no shape tells keeps its default: eps, text_len, the VAE's mean and std. The number of
/// heads of the transformer is dim / 128, as in every published Wan model, or 0 (unknown) where that does not divide.
/// Missing tensors leave defaults, too: complete() reports them. Throws Error(corrupt_data) for shapes of no such part.
TransformerConfig infer_transformer(const tensor::WeightMap& tensors);
Umt5Config infer_umt5(const tensor::WeightMap& tensors);
VaeConfig infer_vae(const tensor::WeightMap& tensors);
TinyAutoencoderConfig infer_tiny_autoencoder(const tensor::WeightMap& tensors);

/// Name of the published model with these dimensions ("Wan2.1 T2V 1.3B"); nothing for others.
std::optional<std::string> published_name(const TransformerConfig& config);
std::optional<std::string> published_name(const Umt5Config& config);
std::optional<std::string> published_name(const VaeConfig& config);
std::optional<std::string> published_name(const TinyAutoencoderConfig& config);

using tensor::Extra;

/// Weights of one part, under the published names without prefix, complete and of the right shapes, in the dtype of the
/// file and mapped, not copied: convert with WeightMap::to(). `branch` decides where a file holds several transformers.
/// Throws what tensor::load_checkpoint() and tensor::take_complete() throw, Error(not_found) if the file holds no such
/// part.
tensor::WeightMap load_transformer(const std::filesystem::path& file, const TransformerConfig& config,
                                   Branch branch = Branch::generator, Extra extra = Extra::report);
tensor::WeightMap load_text_encoder(const std::filesystem::path& file, const Umt5Config& config,
                                    Extra extra = Extra::report);
tensor::WeightMap load_vae(const std::filesystem::path& file, const VaeConfig& config, Extra extra = Extra::report);
tensor::WeightMap load_tiny_autoencoder(const std::filesystem::path& file, const TinyAutoencoderConfig& config,
                                        Extra extra = Extra::report);

/// The sentencepiece model that ComfyUI's repackaged text encoders bring along as the bytes of a tensor; nothing for
/// other files. Throws what tensor::load_checkpoint() throws.
std::optional<std::string> embedded_tokenizer(const std::filesystem::path& text_encoder);

/// The same dimensions that load_*() would need, found in the file: shapes, and a `config.json` beside it for what no
/// shape tells (num_heads, eps, text_len).
TransformerConfig read_transformer_config(const std::filesystem::path& file, Branch branch = Branch::generator);
Umt5Config read_umt5_config(const std::filesystem::path& file);
VaeConfig read_vae_config(const std::filesystem::path& file);
TinyAutoencoderConfig read_tiny_autoencoder_config(const std::filesystem::path& file);

}  // namespace rushes::wan
