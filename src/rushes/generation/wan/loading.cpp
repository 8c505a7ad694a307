#include "rushes/generation/wan/loading.h"

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/models/wan/text_encoder.h"
#include "rushes/models/wan/tiny_autoencoder.h"
#include "rushes/models/wan/umt5.h"
#include "rushes/models/wan/vae.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/sentencepiece_tokenizer.h"
#include "rushes/text/tokenizer.h"

namespace rushes::generation {
namespace {

std::unique_ptr<const text::Tokenizer> load_tokenizer(const std::filesystem::path& tokenizer,
                                                      const std::filesystem::path& text_encoder) {
  if (tokenizer != text_encoder) return text::load_tokenizer(tokenizer);
  const std::string file = tokenizer.string();
  const auto bytes = wan::embedded_tokenizer(tokenizer);
  require(bytes.has_value(), ErrorCode::not_found, "'{}' has no tokenizer (a tensor '{}' of bytes)", file,
          wan::kTokenizerKey);
  return text::parse_sentencepiece(*bytes, file);
}

}  // namespace

std::shared_ptr<const wan::Autoencoder> load_autoencoder(const wan::AutoencoderPart& part, const Loading& how,
                                                         const char* role, std::vector<ModelPart>& networks) {
  log::info("loading autoencoder {}", part.file.string());
  if (part.kind == wan::AutoencoderKind::tiny) {
    const tensor::WeightMap weights = wan::load_tiny_autoencoder(part.file, part.tiny, how.extra);
    networks.push_back({role, "TinyAutoencoder", weights.parameter_count()});
    return std::make_shared<const wan::TinyAutoencoder>(part.tiny, how.placement.put(weights));
  }
  const tensor::WeightMap weights = wan::load_vae(part.file, part.vae, how.extra);
  networks.push_back({role, "WanVAE", weights.parameter_count()});
  return std::make_shared<const wan::Vae>(part.vae, how.placement.put(weights));
}

PromptEncoder load_text_encoder(const wan::TextEncoderPart& part, const std::filesystem::path& tokenizer,
                                const Loading& how, std::vector<ModelPart>& networks) {
  log::info("loading text encoder {}", part.file.string());
  const tensor::WeightMap weights = wan::load_text_encoder(part.file, part.config, how.extra);
  networks.push_back({"text_encoder", "WanTextEncoder", weights.parameter_count()});
  const auto encoder = std::make_shared<const wan::TextEncoder>(
      load_tokenizer(tokenizer, part.file),
      std::make_shared<const wan::Umt5Encoder>(part.config, how.placement.put(weights)), how.placement.device);
  return {.encode = [encoder](const std::string& prompt) { return encoder->encode(prompt); },
          .tokens = part.config.text_len,
          .count = [encoder](std::string_view prompt) { return encoder->count_tokens(prompt); }};
}

}  // namespace rushes::generation
