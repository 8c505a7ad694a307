#include "rushes/training/wan/latent_pool.h"

#include "rushes/tensor/ops.h"
#include "rushes/training/precision.h"
#include "rushes/training/wan/shipped_model.h"

namespace rushes::training {
namespace {

constexpr int64_t kChunk = 2;  // clips that are drawn and encoded together

bool has_context(const LatentPoolOptions& options) { return options.latent_frames > kBlock; }

// Where a clip begins: the model needs beginnings, but also what happens when a shape has long been moving.
int64_t first_video_frame(const LatentPoolOptions& options, uint64_t index) {
  if (!has_context(options) || index % 2 == 0) return 0;
  return 4 + Random(options.seed ^ 0x57a7, index).below(96);
}

// One latent frame more than asked for: of clips from mid-motion the first one is dropped, since a later segment's
// context, too, comes from the middle of a stream.
int64_t video_frames(const LatentPoolOptions& options) {
  return 1 + 4 * (options.latent_frames - (has_context(options) ? 0 : 1));
}

at::Tensor draw_clip(const LatentPoolOptions& options, uint64_t index) {
  return draw(make_scene(options.seed, index, Split::train), first_video_frame(options, index), video_frames(options),
              options.side, options.side);
}

at::Tensor rows(const std::vector<const std::vector<int64_t>*>& from) {
  const auto width = static_cast<int64_t>(from.front()->size());
  at::Tensor out = at::empty({static_cast<int64_t>(from.size()), width}, at::kLong);
  for (std::size_t i = 0; i < from.size(); ++i)
    std::copy(from[i]->begin(), from[i]->end(), out.mutable_data_ptr<int64_t>() + static_cast<int64_t>(i) * width);
  return out;
}

}  // namespace

std::vector<int64_t> classes_of(const Scene& scene) {
  const Labels& labels = scene.labels;
  const bool pair = scene.objects.size() > 1;
  return {static_cast<int64_t>(labels.shape),
          static_cast<int64_t>(labels.colour),
          static_cast<int64_t>(labels.ground),
          static_cast<int64_t>(labels.motion),
          static_cast<int64_t>(labels.pace),
          static_cast<int64_t>(labels.extent),
          labels.tilted ? 1 : 0,
          pair ? static_cast<int64_t>(scene.objects[1].shape) : kShapes,
          pair ? static_cast<int64_t>(scene.objects[1].colour) : kColours};
}

at::Tensor loss_weights(const LatentBatch& batch) {
  constexpr double kEdgeWeight = 3, kSteep = 0.2;
  const at::NoGradGuard no_grad;
  const at::Tensor& x = batch.latents;
  at::Tensor steep = at::zeros({x.size(0), x.size(2), x.size(3), x.size(4)}, x.options());
  for (const int64_t axis : {2, 3, 4}) {
    const int64_t size = x.size(axis);
    const at::Tensor step = (x.narrow(axis, 1, size - 1) - x.narrow(axis, 0, size - 1)).abs().mean({1});
    for (const int64_t first : {0, 1}) {  // of the two cells beside a step, both
      const at::Tensor side = steep.narrow(axis - 1, first, size - 1);
      side.copy_(at::maximum(side, step));
    }
  }
  at::Tensor weights = steep.gt(kSteep).to(at::kFloat) * kEdgeWeight + 1;
  if (x.size(2) > kBlock) weights.narrow(1, 0, kBlock).mul_(batch.from_start.view({-1, 1, 1, 1}));
  return weights;
}

LatentPool::LatentPool(const LatentPoolOptions& options, const tensor::WeightMap& autoencoder,
                       const text::Tokenizer& tokenizer)
    : options_(options),
      encoder_(shipped_autoencoder(),
               autoencoder.under("encoder.").to(options.device).to(product_dtype(options.device))),
      tokenizer_(tokenizer),
      next_(options.first),
      random_(options.seed, options.first),
      drawing_([options](uint64_t index) { return draw_clip(options, index); }, options.first, kChunk * options.threads,
               options.threads) {}

void LatentPool::refill(int64_t count) {
  const at::NoGradGuard no_grad;
  const int64_t chunk = kChunk * options_.threads;
  for (int64_t done = 0; done < count; done += chunk) {
    const at::Tensor latents =
        encoder_.encode(drawing_.next_batch().to(options_.device)).permute({0, 2, 1, 3, 4}).contiguous();
    for (int64_t i = 0; i < chunk; ++i, ++next_) {
      const Scene scene = make_scene(options_.seed, next_, Split::train);
      // A new wording each time, on top of the new clip.
      text::Encoding encoding = tokenizer_.encode(scene.caption, shipped_text_encoder().text_len);
      const bool from_start = first_video_frame(options_, next_) == 0;
      Entry entry{latents[i].narrow(1, from_start ? 0 : 1, options_.latent_frames).clone(), std::move(encoding.ids),
                  std::move(encoding.mask), classes_of(scene), from_start};
      if (static_cast<int64_t>(entries_.size()) < options_.capacity)
        entries_.push_back(std::move(entry));
      else
        entries_[static_cast<std::size_t>(next_ % static_cast<uint64_t>(options_.capacity))] = std::move(entry);
    }
  }
}

LatentBatch LatentPool::batch(int64_t size) {
  std::vector<at::Tensor> latents;
  std::vector<const std::vector<int64_t>*> ids, masks, classes;
  at::Tensor from_start = at::empty({size}, at::kFloat);
  for (int64_t i = 0; i < size; ++i) {
    const Entry& entry = entries_[static_cast<std::size_t>(random_.below(static_cast<int64_t>(entries_.size())))];
    latents.push_back(entry.latents);
    ids.push_back(&entry.ids);
    masks.push_back(&entry.mask);
    classes.push_back(&entry.classes);
    from_start.mutable_data_ptr<float>()[i] = entry.from_start ? 1.0f : 0.0f;
  }
  return {at::stack(latents),
          {rows(ids).to(options_.device), rows(masks).to(options_.device)},
          from_start.to(options_.device),
          rows(classes).to(options_.device)};
}

}  // namespace rushes::training
