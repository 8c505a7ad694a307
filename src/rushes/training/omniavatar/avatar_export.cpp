// How a trained avatar leaves training: the directory that the product opens.
#include <fmt/format.h>

#include <fstream>

#include "rushes/audio/wav.h"
#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/models/omniavatar/model_directory.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/face_world/speech_world.h"
#include "rushes/training/omniavatar/avatar_training.h"
#include "rushes/training/omniavatar/avatar_world.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/png.h"

namespace rushes::training {
namespace {

template <typename Bytes>
void write_file(const std::filesystem::path& file, const Bytes& bytes) {
  std::ofstream stream(file, std::ios::binary);
  stream.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  require(static_cast<bool>(stream.flush()), ErrorCode::unavailable, "cannot write {}", file.string());
}

/// Portraits that nobody trained on, and a sentence.
void write_examples(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  const char* const names[] = {"dora", "emil", "fay"};
  for (uint64_t i = 0; i < 3; ++i) {
    const Speaker speaker = make_speaker(7, i, Split::held_out);
    write_png(folder / fmt::format("{}.png", names[i]), draw_speaker(speaker, {.gaze_x = 0.05f}, 2 * kAvatarSide));
  }
  const at::Tensor wave =
      (speak("Hello! I am a drawing, and you say what I look like. How are you today?", "en-us+f5", 150, 50).wave * 0.8)
          .contiguous();
  write_file(folder / "speech.wav",
             audio::wav_file({wave.const_data_ptr<float>(), static_cast<std::size_t>(wave.numel())}, kSpeechRate));
}

}  // namespace

void export_avatar(const std::filesystem::path& directory, const std::string& weights,
                   const std::filesystem::path& speech_encoder, const std::filesystem::path& output) {
  std::filesystem::create_directories(output);
  // bfloat16: half the size in the repository; what is lost is far below the error of the model.
  const auto write = [&](const tensor::WeightMap& part, const char* file) {
    std::map<std::string, at::Tensor> tensors;
    for (const std::string& key : part.keys()) tensors[key] = part.at(key).to(at::kBFloat16).contiguous();
    tensor::save_safetensors(output / file, tensors, {{"format", "pt"}});
  };
  const tensor::WeightMap all = tensor::load_safetensors(directory / weights);
  write(all.under("transformer."), "transformer.safetensors");
  write(all.under("text."), "text_encoder.safetensors");
  write(tensor::load_safetensors(directory / "autoencoder.safetensors"), "autoencoder.safetensors");
  write(tensor::load_safetensors(speech_encoder), "audio_encoder.safetensors");
  std::filesystem::copy_file(directory / "tokenizer.model", output / "tokenizer.model",
                             std::filesystem::copy_options::overwrite_existing);
  write_examples(output / "examples");

  omniavatar::ModelDirectory model;
  model.directory = std::filesystem::absolute(output).lexically_normal();
  model.name = "shipped-avatar";
  model.transformer.file = model.directory / "transformer.safetensors";
  model.transformer.config = avatar_transformer();
  model.text_encoder.file = model.directory / "text_encoder.safetensors";
  model.text_encoder.config = avatar_text_encoder();
  model.autoencoder.file = model.directory / "autoencoder.safetensors";
  model.autoencoder.kind = wan::AutoencoderKind::tiny;
  model.autoencoder.tiny = avatar_autoencoder();
  model.tokenizer = model.directory / "tokenizer.model";
  model.audio_encoder.file = model.directory / "audio_encoder.safetensors";
  model.audio_encoder.config = avatar_speech_encoder();
  model.defaults = avatar_defaults();
  model.trained_for.sizes = {{kAvatarSide, kAvatarSide}};
  model.words = speaker_words();
  write_file(output / kManifestName, omniavatar::manifest_yaml(model));
  // What was written must be what a later start reads.
  require(omniavatar::open_model_directory(output) == model, ErrorCode::internal,
          "{} cannot be read back as it was written", (output / kManifestName).string());
}

}  // namespace rushes::training
