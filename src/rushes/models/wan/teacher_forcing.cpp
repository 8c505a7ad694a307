#include "rushes/models/wan/teacher_forcing.h"

#include <numeric>

#include "rushes/base/error.h"
#include "rushes/nn/attention.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

/// Attention of all blocks without a mask: block by block, each over just the keys it sees. That is a third of the
/// products of the masked square, and the clean half needs no last block, since nothing sees it.
class BlockwiseAttention {
 public:
  BlockwiseAttention(const TeacherForcing& options, int64_t tokens_per_frame, int64_t clean_frames)
      : options_(options), per_frame_(tokens_per_frame), clean_frames_(clean_frames) {}

  at::Tensor operator()(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) const {
    std::vector<at::Tensor> clean, noisy;
    int64_t begin = 0;
    for (const int64_t frames : options_.block_latent_frames) {
      const int64_t end = begin + frames;
      if (end <= clean_frames_) clean.push_back(block(q, k, v, begin, end, begin));
      noisy.push_back(block(q, k, v, begin, end, clean_frames_ + begin));
      begin = end;
    }
    clean.insert(clean.end(), noisy.begin(), noisy.end());
    return at::cat(clean, 1);
  }

 private:
  at::Tensor frames(const at::Tensor& x, int64_t begin, int64_t end) const {
    return x.narrow(1, begin * per_frame_, (end - begin) * per_frame_);
  }

  /// Block [begin, end) of which the tokens stand at `at_frame`, after the clean frames that it sees.
  at::Tensor block(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, int64_t begin, int64_t end,
                   int64_t at_frame) const {
    const int64_t own = end - begin, window = options_.window_latent_frames;
    const bool whole = window == 0 || end <= window;
    const int64_t sink = whole ? 0 : std::min(options_.sink_latent_frames, begin);
    const int64_t oldest = whole ? 0 : std::max(sink, end - (window - options_.sink_latent_frames));
    const auto seen = [&](const at::Tensor& x) {
      if (at_frame == begin && oldest == 0) return frames(x, 0, end);  // clean, and contiguous with its past
      std::vector<at::Tensor> parts;
      if (sink > 0) parts.push_back(frames(x, 0, sink));
      if (oldest < begin) parts.push_back(frames(x, oldest, begin));
      parts.push_back(frames(x, at_frame, at_frame + own));
      return parts.size() == 1 ? parts.front() : at::cat(parts, 1);
    };
    return nn::attention(frames(q, at_frame, at_frame + own), seen(k), seen(v));
  }

  const TeacherForcing& options_;
  int64_t per_frame_, clean_frames_;
};

}  // namespace

std::vector<int64_t> uniform_blocks(int64_t latent_frames, int64_t n) {
  require(n >= 1 && latent_frames >= n && latent_frames % n == 0, ErrorCode::invalid_argument,
          "{} latent frames cannot be cut into blocks of {}", latent_frames, n);
  return std::vector<int64_t>(latent_frames / n, n);
}

FrameAdditions for_clean_and_noisy(const FrameAdditions& additions, int64_t context_frames) {
  if (!additions.values.defined()) return {};
  return {at::cat({additions.values.narrow(2, 0, context_frames), additions.values}, 2), additions.first_layer};
}

at::Tensor forward_teacher_forcing(const TransformerCore& core, const at::Tensor& clean, const at::Tensor& noisy,
                                   const at::Tensor& t, const TextContext& text, const TeacherForcing& options,
                                   const FrameAdditions& additions) {
  const auto& sizes = options.block_latent_frames;
  const int64_t F = noisy.size(2), B = noisy.size(0);
  require(core.config().patch_size[0] == 1 && !sizes.empty() &&
              std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) == F &&
              *std::min_element(sizes.begin(), sizes.end()) >= 1,
          ErrorCode::invalid_argument, "the blocks of teacher forcing must add up to {} latent frames", F);
  require(clean.sizes() == noisy.sizes() && t.dim() == 2 && t.size(0) == B && t.size(1) == F,
          ErrorCode::invalid_argument, "clean and noisy latents must have one shape, and t must be [{}, {}]", B, F);
  require(options.window_latent_frames == 0 || options.window_latent_frames - options.sink_latent_frames >=
                                                   *std::max_element(sizes.begin(), sizes.end()),
          ErrorCode::invalid_argument, "a window of {} latent frames with a sink of {} leaves no room for a block",
          options.window_latent_frames, options.sink_latent_frames);

  additions.check(B, F, core.config().dim, core.config().num_layers);

  const int64_t context_frames = F - sizes.back();
  const FrameAdditions added = for_clean_and_noisy(additions, context_frames);
  const at::Tensor latents = at::cat({clean.narrow(2, 0, context_frames), noisy}, 2);
  const at::Tensor times = at::cat({at::full({B, context_frames}, options.context_time, t.options()), t}, 1);
  const nn::TokenGrid grid = core.grid(noisy, 0);
  const int64_t per_frame = grid.height * grid.width;
  const at::Tensor positions = core.rope(grid);
  const at::Tensor rope = at::cat({positions.narrow(0, 0, context_frames * per_frame), positions}, 0);
  const TimeEmbedding time = core.embed_time(times);
  const BlockwiseAttention attend(options, per_frame, context_frames);

  at::Tensor x = core.embed(latents);
  for (size_t layer = 0; layer < core.blocks().size(); ++layer) {
    const nn::KeyValue words = {text.text.at(layer).k.expand({B, -1, -1, -1}),
                                text.text.at(layer).v.expand({B, -1, -1, -1})};
    x = add_to_frames(x, added.before(static_cast<int64_t>(layer)));
    x = core.blocks()[layer].forward(x, time.e0, words, nullptr, rope, std::cref(attend));
  }
  return core.head(x.narrow(1, context_frames * per_frame, F * per_frame), time.e.narrow(1, context_frames, F), grid);
}

}  // namespace rushes::wan
