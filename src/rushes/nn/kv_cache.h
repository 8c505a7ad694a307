// Keys and values that block-causal attention looks back on: a ring that moves nothing, rewritten in place while a
// block is denoised; and the keys and values of a prompt, which never change.
//
// Note: provisional keys. Each denoising step of a block calls write() at the same place. Only commit() makes the block
// past. A step that is given up is simply not committed: the next write() starts where it started.
#pragma once
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

namespace rushes::nn {

/// k, v [B, L, N, D].
struct KeyValue {
  at::Tensor k, v;
};

/// Keys and values of the video blocks that a block-causal model has finished. Owned by one generator, one thread.
/// Memory does not grow with the video.
class KvCache {
 public:
  struct Options {
    int64_t layers, heads, head_size, tokens_per_frame;
    int64_t capacity_tokens;         // storage; with a window this is the window, sink included
    int64_t sink_latent_frames = 0;  // first latent frames that are never evicted; windows only
    bool evicts = false;             // window: the oldest tokens make room, not by whole latent frames where the
                                     // capacity is none. Else a full cache is an error
    int64_t batch = 1;
  };

  /// Allocates the storage at once: [B, capacity, N, D] for k and v of each layer, of this dtype and device.
  /// Throws Error(invalid_argument) for sizes below 1 or a sink that leaves no room.
  KvCache(const Options& options, const at::TensorOptions& storage);

  /// Storage of such a cache.
  static int64_t bytes_of(const Options& options, at::ScalarType dtype) noexcept;

  /// Stores k, v [B, L, N, D] (keys already rotated) of the current block and returns all that it may attend to, itself
  /// included: views without a copy. Their order is that of the ring; softmax does not see it. All layers of a step
  /// must write the same L. Where k requires a gradient, the past is joined with k and v themselves, so that gradients
  /// reach them (not the past).
  /// Throws Error(invalid_argument) if the shape does not fit, Error(exhausted) if the cache is full and has no window.
  KeyValue write(int64_t layer, const at::Tensor& k, const at::Tensor& v);

  /// Makes the block last written past: the next write() follows it. Nothing if nothing was written.
  void commit();
  /// Forgets the block last written. The next write() of as many tokens behaves as if it had never been; a smaller one
  /// sees a window without those oldest tokens that the forgotten block had already overwritten.
  void cancel();
  /// Empty again; keeps the storage.
  void reset();

  /// An independent cache with the same content. Storage of a layer is shared until either side writes to it.
  KvCache fork() const;

  /// Tokens committed since the start, evicted ones included: where the next block begins.
  int64_t position_tokens() const noexcept { return committed_; }
  int64_t position_latent_frames() const noexcept { return committed_ / options_.tokens_per_frame; }
  const Options& options() const noexcept { return options_; }
  int64_t capacity_tokens() const noexcept { return options_.capacity_tokens; }
  int64_t bytes() const noexcept;

  // The reference implementation's view (Self-Forcing; it shifts its storage where ours turns), for comparison.
  /// Tokens since the start up to the end of the block last written.
  int64_t global_end() const noexcept { return committed_ + pending_; }
  /// Tokens that its storage holds.
  int64_t local_end() const noexcept { return std::min(global_end(), capacity_tokens()); }
  /// Content in order of time, zeros behind it: copies [B, capacity, N, D].
  KeyValue in_time_order(int64_t layer) const;

 private:
  KeyValue& own(int64_t layer);
  int64_t sink_tokens() const noexcept { return options_.sink_latent_frames * options_.tokens_per_frame; }
  int64_t slot(int64_t position) const noexcept;
  template <typename Visit>  // visit(first slot, tokens, offset): the contiguous runs of slots of [begin, end)
  void for_runs(int64_t begin, int64_t end, Visit visit) const;
  KeyValue gather(int64_t layer, int64_t end) const;
  KeyValue visible(int64_t layer, int64_t end) const;

  Options options_;
  // Shared by forks until one writes. Not the tensors' own counts: views hold their base under autograd.
  std::vector<std::shared_ptr<KeyValue>> layers_;
  int64_t committed_ = 0;  // tokens of finished blocks
  int64_t pending_ = 0;    // tokens of the block being rewritten
  int64_t touched_ = 0;    // furthest position ever written since reset: what it displaced is gone
};

/// Keys and values of one prompt for every layer's cross-attention, computed once and shared by all steps and sessions.
/// Text first; image tokens of an image-to-video model have a second set. Immutable.
struct CrossKeyValues {
  std::vector<KeyValue> text;
  std::vector<KeyValue> image;  // empty without image tokens
};

}  // namespace rushes::nn
