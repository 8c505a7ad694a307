#include "rushes/nn/kv_cache.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::nn {

KvCache::KvCache(const Options& options, const at::TensorOptions& storage) : options_(options) {
  for (const auto& [field, value] : {std::pair<const char*, int64_t>{"layers", options.layers},
                                     {"heads", options.heads},
                                     {"head_size", options.head_size},
                                     {"tokens_per_frame", options.tokens_per_frame},
                                     {"capacity_tokens", options.capacity_tokens},
                                     {"batch", options.batch}})
    require(value >= 1, ErrorCode::invalid_argument, "KvCache: {} must be at least 1 (got {})", field, value);
  const int64_t most = (options.capacity_tokens - 1) / options.tokens_per_frame;
  require(options.sink_latent_frames >= 0 && options.sink_latent_frames <= most, ErrorCode::invalid_argument,
          "KvCache: sink_latent_frames must be in 0..{} (got {})", most, options.sink_latent_frames);
  layers_.reserve(options.layers);
  for (int64_t layer = 0; layer < options.layers; ++layer) {
    const auto allocate = [&] {
      // Head by head in memory: attention reads one head's keys from end to end.
      return at::empty({options.batch, options.heads, capacity_tokens(), options.head_size}, storage).transpose(1, 2);
    };
    layers_.push_back(std::make_shared<KeyValue>(KeyValue{allocate(), allocate()}));
  }
}

int64_t KvCache::slot(int64_t position) const noexcept {
  const int64_t sink = sink_tokens();
  return position < sink ? position : sink + (position - sink) % (capacity_tokens() - sink);
}

template <typename Visit>
void KvCache::for_runs(int64_t begin, int64_t end, Visit visit) const {
  for (int64_t position = begin; position < end;) {
    const int64_t first = slot(position);
    const int64_t tokens = std::min(end - position, capacity_tokens() - first);
    visit(first, tokens, position - begin);
    position += tokens;
  }
}

/// The layer's storage, which nobody else sees.
KeyValue& KvCache::own(int64_t layer) {
  std::shared_ptr<KeyValue>& stored = layers_[layer];
  if (stored.use_count() > 1) {
    const int64_t written = std::min(touched_, capacity_tokens());
    const auto copy = [&](const at::Tensor& slots) {
      at::Tensor fresh = at::empty_like(slots);
      fresh.narrow(1, 0, written).copy_(slots.narrow(1, 0, written));
      return fresh;
    };
    stored = std::make_shared<KeyValue>(KeyValue{copy(stored->k), copy(stored->v)});
  }
  return *stored;
}

KeyValue KvCache::write(int64_t layer, const at::Tensor& k, const at::Tensor& v) {
  RUSHES_ASSERT(layer >= 0 && layer < options_.layers);
  const int64_t tokens = k.size(1), end = committed_ + tokens;
  require(k.dim() == 4 && k.sizes() == v.sizes() && k.size(0) == options_.batch && k.size(2) == options_.heads &&
              k.size(3) == options_.head_size,
          ErrorCode::invalid_argument, "KvCache: keys and values must be [{}, L, {}, {}]", options_.batch,
          options_.heads, options_.head_size);
  const int64_t sink = sink_tokens();
  require(options_.evicts || end <= capacity_tokens(), ErrorCode::exhausted,
          "the KV cache holds {} latent frames and has no window; this block would end at latent frame {}. Start a new "
          "segment, or give the cache a window or a larger capacity",
          capacity_tokens() / options_.tokens_per_frame,
          (end + options_.tokens_per_frame - 1) / options_.tokens_per_frame);
  require(end <= capacity_tokens() || tokens <= capacity_tokens() - sink, ErrorCode::invalid_argument,
          "a block of {} tokens does not fit a window of {} tokens of which {} are sink", tokens, capacity_tokens(),
          sink);
  pending_ = tokens;
  touched_ = std::max(touched_, end);
  KeyValue& stored = own(layer);
  {
    const at::NoGradGuard no_gradient;
    for_runs(committed_, end, [&](int64_t first, int64_t count, int64_t offset) {
      stored.k.narrow(1, first, count).copy_(k.narrow(1, offset, count));
      stored.v.narrow(1, first, count).copy_(v.narrow(1, offset, count));
    });
  }
  if (at::GradMode::is_enabled() && (k.requires_grad() || v.requires_grad())) {
    const KeyValue past = gather(layer, committed_);
    return {at::cat({past.k, k}, 1), at::cat({past.v, v}, 1)};
  }
  return visible(layer, end);
}

KeyValue KvCache::visible(int64_t layer, int64_t end) const {
  // All slots of a full ring are visible, and those up to `end` before it has filled: one view. Only a block shorter
  // than one that was cancelled leaves slots between that hold neither.
  const bool whole = touched_ == end || touched_ <= capacity_tokens();
  if (!whole) return gather(layer, end);
  const int64_t tokens = std::min(end, capacity_tokens());
  return {layers_[layer]->k.narrow(1, 0, tokens), layers_[layer]->v.narrow(1, 0, tokens)};
}

/// Copies what is visible when the newest token is `end`, oldest first.
KeyValue KvCache::gather(int64_t layer, int64_t end) const {
  const int64_t sink = std::min(sink_tokens(), end);
  const int64_t ring = capacity_tokens() - sink_tokens();
  const int64_t oldest = std::max(sink, touched_ - ring);
  std::vector<at::Tensor> k, v;
  const auto collect = [&](int64_t first, int64_t count, int64_t) {
    k.push_back(layers_[layer]->k.narrow(1, first, count));
    v.push_back(layers_[layer]->v.narrow(1, first, count));
  };
  for_runs(0, sink, collect);
  for_runs(std::min(oldest, end), end, collect);
  if (k.empty()) return {layers_[layer]->k.narrow(1, 0, 0), layers_[layer]->v.narrow(1, 0, 0)};
  return {at::cat(k, 1), at::cat(v, 1)};
}

void KvCache::commit() {
  committed_ += pending_;
  pending_ = 0;
}

void KvCache::cancel() { pending_ = 0; }

void KvCache::reset() { committed_ = pending_ = touched_ = 0; }

KvCache KvCache::fork() const { return *this; }

int64_t KvCache::bytes_of(const Options& options, at::ScalarType dtype) noexcept {
  const int64_t keys = options.layers * options.batch * options.capacity_tokens * options.heads * options.head_size;
  return 2 * keys * static_cast<int64_t>(c10::elementSize(dtype));
}

int64_t KvCache::bytes() const noexcept {
  int64_t total = 0;
  for (const auto& layer : layers_) total += static_cast<int64_t>(layer->k.nbytes() + layer->v.nbytes());
  return total;
}

KeyValue KvCache::in_time_order(int64_t layer) const {
  const KeyValue held = gather(layer, global_end());
  KeyValue padded{at::zeros_like(layers_[layer]->k), at::zeros_like(layers_[layer]->v)};
  padded.k.narrow(1, 0, held.k.size(1)).copy_(held.k);
  padded.v.narrow(1, 0, held.v.size(1)).copy_(held.v);
  return padded;
}

}  // namespace rushes::nn
