// How a trained model leaves training: the directory that the product opens.
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/models/wan/model_directory.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/wan/shipped_model.h"
#include "rushes/training/wan/transformer_training.h"
#include "rushes/training/wan/world.h"

namespace rushes::training {

void export_model(const std::filesystem::path& directory, const std::string& weights,
                  const std::filesystem::path& output) {
  std::filesystem::create_directories(output);
  // bfloat16: half the size in the repository; what is lost is far below the error of the model.
  const auto write = [&](const tensor::WeightMap& weights_of_part, const char* file) {
    std::map<std::string, at::Tensor> tensors;
    for (const std::string& key : weights_of_part.keys())
      tensors[key] = weights_of_part.at(key).to(at::kBFloat16).contiguous();
    tensor::save_safetensors(output / file, tensors, {{"format", "pt"}});
  };
  const tensor::WeightMap all = tensor::load_safetensors(directory / weights);
  write(all.under("transformer."), "transformer.safetensors");
  write(all.under("text."), "text_encoder.safetensors");
  write(tensor::load_safetensors(directory / "autoencoder.safetensors"), "autoencoder.safetensors");
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
  model.trained_for.sizes = {{kShippedSide, kShippedSide}};
  model.words = caption_words();
  const std::string manifest = wan::manifest_yaml(model);
  std::ofstream stream(output / kManifestName);
  stream << manifest;
  require(static_cast<bool>(stream.flush()), ErrorCode::unavailable, "cannot write {}",
          (output / kManifestName).string());
  // What was written must be what a later start reads.
  const wan::ModelDirectory read = wan::open_model_directory(output);
  require(read.transformer.config == model.transformer.config && read.defaults == model.defaults, ErrorCode::internal,
          "{} cannot be read back as it was written", (output / kManifestName).string());
}

}  // namespace rushes::training
