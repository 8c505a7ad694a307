// How a trained model leaves training: the directory that the product opens.
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/shipped_model.h"
#include "rushes/training/transformer_training.h"

namespace rushes::training {

void export_model(const std::filesystem::path& directory, const std::string& weights, const std::filesystem::path& output) {
  std::filesystem::create_directories(output);
  const tensor::WeightMap all = tensor::load_safetensors(directory / weights);
  const auto write = [&](const char* prefix, const char* file) {
    const tensor::WeightMap part = all.under(prefix);
    std::map<std::string, at::Tensor> tensors;
    for (const std::string& key : part.keys()) tensors[key] = part.at(key).contiguous();
    tensor::save_safetensors(output / file, tensors, {{"format", "pt"}});
  };
  write("transformer.", "transformer.safetensors");
  write("text.", "text_encoder.safetensors");
  tensor::save_safetensors(output / "autoencoder.safetensors",
                           tensor::load_safetensors(directory / "autoencoder.safetensors").tensors(), {{"format", "pt"}});
  std::filesystem::copy_file(directory / "tokenizer.model", output / "tokenizer.model",
                             std::filesystem::copy_options::overwrite_existing);
  wan::ModelDirectory model;
  model.directory = std::filesystem::absolute(output).lexically_normal();
  model.name = "rushes-shapes";
  model.transformer.file = model.directory / "transformer.safetensors";
  model.transformer.config = shipped_transformer();
  model.text_encoder.file = model.directory / "text_encoder.safetensors";
  model.text_encoder.config = shipped_text_encoder();
  model.autoencoder.file = model.directory / "autoencoder.safetensors";
  model.autoencoder.kind = wan::AutoencoderKind::tiny;
  model.autoencoder.tiny = shipped_autoencoder();
  model.tokenizer = model.directory / "tokenizer.model";
  model.defaults = shipped_defaults();
  const std::string manifest = wan::manifest_yaml(model);
  std::ofstream stream(output / wan::kManifestName);
  stream << manifest;
  require(static_cast<bool>(stream.flush()), ErrorCode::unavailable, "cannot write {}", (output / wan::kManifestName).string());
  // What was written must be what a later start reads.
  const wan::ModelDirectory read = wan::open_model_directory(output);
  require(read.transformer.config == model.transformer.config && read.defaults == model.defaults, ErrorCode::internal,
          "{} does not read back as it was written", (output / wan::kManifestName).string());
}

}  // namespace rushes::training
