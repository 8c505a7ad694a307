#include "rushes/training/omniavatar/avatar_pool.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "rushes/generation/omniavatar/speech_features.h"
#include "rushes/models/omniavatar/speech_windows.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/precision.h"

namespace rushes::training {
namespace {

constexpr int64_t kPixelsPerLatent = 8, kFramesPerLatent = 4, kFramesPerBlock = kAvatarBlock * kFramesPerLatent;
constexpr int64_t kLatestBlock = 6;  // that a clip from mid-speech begins with

// Lips are few cells of many, and what the model is for; eyes come next.
constexpr float kMouthWeight = 5, kEyeWeight = 2;

/// [F, h, w]: of the latent frames whose first video frames are given.
at::Tensor weights_of(const Speaker& speaker, const Performance& performance, const std::vector<int64_t>& firsts) {
  constexpr int64_t cells = kAvatarSide / kPixelsPerLatent;
  at::Tensor weights = at::ones({static_cast<int64_t>(firsts.size()), cells, cells}, at::kFloat);
  for (std::size_t f = 0; f < firsts.size(); ++f) {
    const FacePlaces at = face_places(speaker, performance.controls.at(static_cast<std::size_t>(firsts[f])));
    const auto mark = [&](Point centre, float reach_x, float reach_y, float weight) {
      const auto cell = [](float pixel) {
        return std::clamp<int64_t>(static_cast<int64_t>(std::floor(pixel / kPixelsPerLatent)), 0, cells - 1);
      };
      const int64_t top = cell(centre.y - reach_y), left = cell(centre.x - reach_x);
      weights[static_cast<int64_t>(f)]
          .narrow(0, top, cell(centre.y + reach_y) - top + 1)
          .narrow(1, left, cell(centre.x + reach_x) - left + 1)
          .fill_(weight);
    };
    for (const Point eye : {at.left_eye, at.right_eye}) mark(eye, 0.2f * at.unit, 0.25f * at.unit, kEyeWeight);
    mark(at.mouth, 0.35f * at.unit, 0.25f * at.unit, kMouthWeight);
  }
  return weights;
}

}  // namespace

at::Tensor heard_by_blocks(const wav2vec::Encoder& encoder, const at::Tensor& wave, int64_t video_frames, int64_t first,
                           int64_t blocks, bool live) {
  const at::Tensor sound = wave.contiguous();
  const std::span<const float> samples(sound.const_data_ptr<float>(), static_cast<std::size_t>(sound.numel()));
  const omniavatar::SpeechWindows windows{.fps = kAvatarFps};
  if (!live) {
    const at::Tensor all = omniavatar::with_first_group_filled(
        generation::clip_features(encoder, samples, 0, video_frames), kFramesPerLatent);
    return all[0].narrow(0, first * kFramesPerBlock, blocks * kFramesPerBlock).clone();
  }
  std::vector<at::Tensor> parts;
  for (int64_t block = first; block < first + blocks; ++block) {
    const omniavatar::Span shown = windows.frames(block), heard = windows.heard(block, shown.end >= video_frames),
                           span = windows.samples(heard);
    const auto begin = static_cast<std::size_t>(std::min<int64_t>(span.first, sound.numel())),
               end = static_cast<std::size_t>(std::min<int64_t>(span.end, sound.numel()));
    const at::Tensor part =
        generation::window_features(encoder, samples.subspan(begin, end - begin), heard, shown, windows.least_samples);
    parts.push_back(block == 0 ? omniavatar::with_first_group_filled(part, kFramesPerLatent) : part);
  }
  return at::cat(parts, 1)[0];
}

AvatarPool::AvatarPool(const AvatarPoolOptions& options, const tensor::WeightMap& autoencoder,
                       const wav2vec::Encoder& encoder, const text::Tokenizer& tokenizer)
    : options_(options),
      autoencoder_(avatar_autoencoder(), autoencoder.under("encoder.").to(product_dtype(at::kCPU))),
      encoder_(encoder),
      tokenizer_(tokenizer),
      next_(options.first),
      random_(options.seed, options.first) {}

AvatarPool::Entry AvatarPool::make(uint64_t index) const {
  const int64_t F = options_.latent_frames, blocks = F / kAvatarBlock;
  Random random(options_.seed ^ 0x57a7, index);
  const Speaker speaker = make_speaker(options_.seed, index, options_.split);
  const int64_t first = F > kAvatarBlock && random.below(2) == 0 ? 1 + random.below(kLatestBlock) : 0;
  const int64_t video_frames = kFramesPerBlock * (first + blocks) - 3;
  const Performance spoken = perform(speaker, options_.seed, index, options_.split, video_frames);

  // Clips from mid-speech: one latent frame more, which begins the encoder's memory and is dropped.
  const int64_t begin = first == 0 ? 0 : kFramesPerBlock * first - 4;
  const auto encoded = [&](int64_t from, int64_t count) {
    const at::Tensor frames = draw_frames(speaker, spoken, from, count).unsqueeze(0);
    return autoencoder_.encode(frames).permute({0, 2, 1, 3, 4}).to(at::kFloat).contiguous();
  };
  const at::Tensor drawn = encoded(begin, video_frames - begin);
  at::Tensor latents = drawn.narrow(2, drawn.size(2) - F, F);
  // Without a portrait a later block may be shown what the first one came to: that keeps who it is.
  const bool is_given = first == 0 && speaker.has_portrait,
             is_seen = speaker.has_portrait || (first > 0 && random.uniform() < 0.7);
  at::Tensor picture = first == 0 ? drawn.narrow(2, 0, 1) : encoded(0, 1);
  if (!is_seen) picture = at::zeros_like(picture);

  std::vector<int64_t> firsts;
  for (int64_t f = first * kAvatarBlock; f < (first + blocks) * kAvatarBlock; ++f)
    firsts.push_back(std::max<int64_t>(0, kFramesPerLatent * f - 2));  // about the middle
  at::Tensor weights = weights_of(speaker, spoken, firsts);
  if (is_given) weights.narrow(0, 0, 1).zero_();
  if (first > 0) weights.narrow(0, 0, kAvatarBlock).zero_();
  text::Encoding words = tokenizer_.encode(speaker.caption, avatar_text_encoder().text_len);
  return {latents[0].clone(),
          omniavatar::condition_channels(picture, F, is_given ? 1 : 0)[0].clone(),
          heard_by_blocks(encoder_, spoken.wave, video_frames, first, blocks, random.below(2) == 0),
          weights,
          std::move(words.ids),
          std::move(words.mask)};
}

void AvatarPool::refill(int64_t count) {
  const at::NoGradGuard no_grad;
  for (int64_t i = 0; i < count; ++i, ++next_) {
    Entry entry = make(next_);
    if (static_cast<int64_t>(entries_.size()) < options_.capacity)
      entries_.push_back(std::move(entry));
    else
      entries_[static_cast<std::size_t>(next_ % static_cast<uint64_t>(options_.capacity))] = std::move(entry);
  }
}

AvatarBatch AvatarPool::batch(int64_t size) {
  std::vector<at::Tensor> latents, conditions, features, weights, ids, masks;
  const auto row = [](const std::vector<int64_t>& values) {
    return at::tensor(at::ArrayRef<int64_t>(values), at::TensorOptions(at::kLong));
  };
  for (int64_t i = 0; i < size; ++i) {
    const Entry& entry = entries_[static_cast<std::size_t>(random_.below(std::ssize(entries_)))];
    latents.push_back(entry.latents);
    conditions.push_back(entry.condition);
    features.push_back(entry.features);
    weights.push_back(entry.loss_weights);
    ids.push_back(row(entry.ids));
    masks.push_back(row(entry.mask));
  }
  return {at::stack(latents),
          at::stack(conditions),
          at::stack(features),
          {at::stack(ids), at::stack(masks)},
          at::stack(weights)};
}

}  // namespace rushes::training
