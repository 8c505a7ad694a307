#include "rushes/training/wan/text_to_video.h"

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/text/train_unigram.h"
#include "rushes/training/wan/shipped_model.h"
#include "rushes/training/wan/world.h"

namespace rushes::training {
namespace {

// So that prompts outside the grammar split into something better than letters.
constexpr std::string_view kOrdinaryWords =
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but "
    "not "
    "what all were we when your can said there use an each which she do how their if will up other about out many then "
    "them these so some her would make like him into time has look two more write go see number no way could people my "
    "than first water been call who oil its now find long down day did get come made may part dog cat tree house sky "
    "sun "
    "moon sea bird fish flower man woman child street city light dark bright slow fast near far high low new old good";

constexpr int64_t kBlock = 3;

at::Tensor times(const at::Tensor& latents, double timestep) {
  return at::full({latents.size(0), latents.size(2)}, timestep, at::kFloat);
}

}  // namespace

std::unique_ptr<const text::Tokenizer> shipped_tokenizer(const std::filesystem::path& file, uint64_t seed) {
  if (!std::filesystem::exists(file)) {
    std::filesystem::create_directories(file.parent_path());
    std::vector<std::string> sentences;
    for (uint64_t i = 0; i < 4000; ++i) sentences.push_back(make_scene(seed, i, Split::train).caption);
    for (int i = 0; i < 40; ++i) sentences.emplace_back(kOrdinaryWords);
    text::train_unigram(sentences, kShippedVocabulary, file);
  }
  return text::load_tokenizer(file);
}

Prompts tokenize(const text::Tokenizer& tokenizer, std::span<const std::string> captions, int64_t text_len) {
  const auto count = static_cast<int64_t>(captions.size());
  Prompts prompts{at::empty({count, text_len}, at::kLong), at::empty({count, text_len}, at::kLong)};
  for (int64_t i = 0; i < count; ++i) {
    const text::Encoding encoding = tokenizer.encode(captions[static_cast<std::size_t>(i)], text_len);
    std::copy(encoding.ids.begin(), encoding.ids.end(), prompts.ids.mutable_data_ptr<int64_t>() + i * text_len);
    std::copy(encoding.mask.begin(), encoding.mask.end(), prompts.mask.mutable_data_ptr<int64_t>() + i * text_len);
  }
  return prompts;
}

TextToVideo::TextToVideo(const tensor::WeightMap& weights)
    : text_(shipped_text_encoder(), weights.under("text.")),
      transformer_(shipped_transformer(), weights.under("transformer.")) {}

nn::FlowMatchSchedule shipped_schedule() { return nn::FlowMatchSchedule({.shift = shipped_defaults().timestep_shift}); }

at::Tensor sample_few_steps(const TextToVideo& model, const wan::TextContext& text, const at::Tensor& noise,
                            const std::vector<double>& steps) {
  const at::NoGradGuard no_grad;
  const nn::FlowMatchSchedule schedule = shipped_schedule();
  nn::KvCache past = model.transformer().make_cache({.height = noise.size(3),
                                                     .width = noise.size(4),
                                                     .capacity_latent_frames = noise.size(2),
                                                     .batch = noise.size(0)});
  std::vector<at::Tensor> blocks;
  for (int64_t begin = 0; begin < noise.size(2); begin += kBlock) {
    at::Tensor x = noise.narrow(2, begin, kBlock), clean;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const at::Tensor flow = model.transformer().forward(x, times(x, steps[i]), text, past);
      clean = x - schedule.sigma_at(steps[i]) * flow;
      if (i + 1 < steps.size()) x = schedule.add_noise(clean, at::randn_like(clean), steps[i + 1]);
    }
    model.transformer().forward(clean, times(clean, 0), text, past);
    past.commit();
    blocks.push_back(clean);
  }
  return at::cat(blocks, 2);
}

}  // namespace rushes::training
