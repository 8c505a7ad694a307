// The loaded networks that all sessions of a Foresight model share, and what they have in common: pictures that were
// seen, prompts that were read.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/base/image.h"
#include "rushes/generation/foresight/recent.h"
#include "rushes/models/dinov2/encoder.h"
#include "rushes/models/foresight/adapter.h"
#include "rushes/models/ltx/config.h"
#include "rushes/models/ltx/transformer.h"
#include "rushes/models/ltx/vae.h"
#include "rushes/models/qwen/model.h"
#include "rushes/models/t5/text_encoder.h"

namespace rushes::generation {

/// The video half: all of it or nothing.
struct VideoParts {
  std::shared_ptr<const ltx::Transformer> transformer;
  std::shared_ptr<const ltx::Vae> vae;
  ltx::SchedulerConfig scheduler;
  std::shared_ptr<const t5::TextEncoder> text;
};

/// What an adapter reads beside the language model's hidden states, and the adapter.
struct AdapterParts {
  std::shared_ptr<const dinov2::Encoder> spatial;
  std::shared_ptr<const foresight::Adapter> adapter;
  int64_t square = 224;  // side of the picture that the vision transformer sees
  int64_t vlm_tokens = foresight::kVlmTokens;
  std::string question = "Describe this image.";  // whose hidden states are read
};

/// Weights do not change; the caches are locked. Any thread.
class ForesightParts {
 public:
  /// One of `language` and `video` at least; an adapter needs both. Throws Error(corrupt_data) for parts that do not
  /// fit each other.
  ForesightParts(std::shared_ptr<const qwen::Model> language, std::optional<VideoParts> video,
                 std::optional<AdapterParts> adapter);

  const std::shared_ptr<const qwen::Model>& language() const { return language_; }
  const std::optional<VideoParts>& video() const { return video_; }
  const std::optional<AdapterParts>& adapter() const { return adapter_; }

  /// What the language model sees of a picture of at most `max_pixels`. Cached.
  qwen::PictureFeatures see(const Image& image, int64_t max_pixels) const;
  /// What the video transformer keeps of a text. Cached.
  ltx::TextContext context(const std::string& text, int64_t tokens) const;
  /// The same of what the adapter makes of a picture. Cached.
  ltx::TextContext adapted(const Image& image, int64_t max_pixels) const;

 private:
  void check() const;
  at::Tensor adapter_tokens(const Image& image, int64_t max_pixels) const;

  std::shared_ptr<const qwen::Model> language_;
  std::optional<VideoParts> video_;
  std::optional<AdapterParts> adapter_;
  std::unique_ptr<Recent<qwen::PictureFeatures>> seen_;
  std::unique_ptr<Recent<ltx::TextContext>> contexts_;
};

/// Tokens of a prompt for the video model: always padded to this many, since padding changes what they become.
inline constexpr int64_t kPromptTokens = 128;

/// Size, pixels and `more` as a key: 128 bits of the pixels' hash.
std::string key_of(const Image& image, int64_t more);

}  // namespace rushes::generation
