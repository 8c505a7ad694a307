#include "rushes/generation/foresight/parts.h"

#include <fmt/format.h>

#include <cstring>

#include "rushes/base/error.h"
#include "rushes/models/dinov2/preprocess.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/tensor/image_pixels.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

// A prompt of 128 tokens is 29 MB of keys and values in the published transformer.
constexpr std::size_t kPictures = 16, kContexts = 8;

/// Two hashes of eight bytes at a time. Whoever makes pictures of equal hashes deceives only the words about them.
std::pair<uint64_t, uint64_t> hash(const uint8_t* bytes, std::size_t count) {
  uint64_t a = 0x9E3779B97F4A7C15u, b = 0xC2B2AE3D27D4EB4Fu;
  const auto mix = [&](uint64_t word) {
    a = (a ^ word) * 0xFF51AFD7ED558CCDu;
    a ^= a >> 32;
    b = (b + word) * 0xD6E8FEB86659FD93u;
    b ^= b >> 29;
  };
  std::size_t at = 0;
  for (; at + 8 <= count; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + at, 8);
    mix(word);
  }
  uint64_t rest = count;
  for (; at < count; ++at) rest = rest << 8 | bytes[at];
  mix(rest);
  return {a, b};
}

at::Tensor pixels_of(const Image& image) { return tensor::borrowed_pixels(image); }

}  // namespace

std::string key_of(const Image& image, int64_t more) {
  const auto [a, b] = hash(image.rgb.get(), static_cast<std::size_t>(image.height * image.width * 3));
  return fmt::format("{}x{} {:x} {:x} {}", image.width, image.height, a, b, more);
}

ForesightParts::ForesightParts(std::shared_ptr<const qwen::Model> language, std::optional<VideoParts> video,
                               std::optional<AdapterParts> adapter)
    : language_(std::move(language)),
      video_(std::move(video)),
      adapter_(std::move(adapter)),
      seen_(std::make_unique<Recent<qwen::PictureFeatures>>(kPictures)),
      contexts_(std::make_unique<Recent<ltx::TextContext>>(kContexts)) {
  check();
}

void ForesightParts::check() const {
  require(language_ || video_, ErrorCode::corrupt_data, "a model needs a language model, a video model, or both");
  if (video_) {
    const int64_t wanted = video_->transformer->config().caption_channels,
                  given = video_->text->encoder().config().d_model;
    require(wanted == given, ErrorCode::corrupt_data,
            "the video transformer reads text embeddings of {} channels, but the text encoder makes {}", wanted, given);
    require(video_->transformer->config().in_channels == video_->vae->config().latent_channels, ErrorCode::corrupt_data,
            "the video transformer makes {} latent channels, but the autoencoder has {}",
            video_->transformer->config().in_channels, video_->vae->config().latent_channels);
  }
  if (!adapter_) return;
  require(language_ && language_->vision && video_, ErrorCode::corrupt_data,
          "an adapter stands between a language model that sees and a video model; one of both is missing");
  const foresight::AdapterConfig& config = adapter_->adapter->config();
  const int64_t hidden = language_->config.text.hidden_size, spatial = adapter_->spatial->config().embed_dim,
                caption = video_->transformer->config().caption_channels;
  require(config.vlm_dim == hidden && config.spatial_dim == spatial && config.output_dim == caption,
          ErrorCode::corrupt_data,
          "the adapter maps {} and {} channels to {}; the language model has {}, the vision transformer {}, and the "
          "video transformer reads {}",
          config.vlm_dim, config.spatial_dim, config.output_dim, hidden, spatial, caption);
}

qwen::PictureFeatures ForesightParts::see(const Image& image, int64_t max_pixels) const {
  return *seen_->get(key_of(image, max_pixels), [&] { return language_->see(pixels_of(image), max_pixels); });
}

ltx::TextContext ForesightParts::context(const std::string& text, int64_t tokens) const {
  return *contexts_->get(fmt::format("text {} {}", tokens, text), [&] {
    const t5::EncodedText encoded = video_->text->encode(text, tokens);
    return video_->transformer->context(encoded.embeddings, encoded.mask);
  });
}

ltx::TextContext ForesightParts::adapted(const Image& image, int64_t max_pixels) const {
  return *contexts_->get("picture " + key_of(image, max_pixels),
                         [&] { return video_->transformer->context(adapter_tokens(image, max_pixels)); });
}

at::Tensor ForesightParts::adapter_tokens(const Image& image, int64_t max_pixels) const {
  const auto turns = qwen::question_about(1, adapter_->question);
  const at::Tensor hidden = language_->hidden_states(language_->prompt(turns, {see(image, max_pixels)}));
  const at::Tensor pixels = adapter_->spatial->config().layout == dinov2::Layout::hub
                                ? dinov2::squeezed(pixels_of(image), adapter_->square)
                                : dinov2::cropped(pixels_of(image), adapter_->square * 8 / 7, adapter_->square);
  return adapter_->adapter->forward(foresight::cut_or_padded(hidden, adapter_->vlm_tokens),
                                    adapter_->spatial->patch_tokens(pixels));
}

}  // namespace rushes::generation
