#include "rushes/training/wan/training_forward.h"

#include "rushes/tensor/ops.h"
#include "rushes/training/wan/block_ops.h"
#include "rushes/training/wan/shipped_model.h"
#include "rushes/training/wan/sight_attention.h"

namespace rushes::training {
namespace {

// One set of weights in the dtype of the products. Cast once per pass: a block has a dozen and each is read once.
class Blocks {
 public:
  Blocks(const wan::TransformerConfig& config, const tensor::WeightMap& weights, at::ScalarType dtype)
      : config_(config), weights_(weights), dtype_(dtype) {}

  struct Shared {
    const wan::TimeEmbedding& time;
    const Rotary& rotary;
    const std::vector<Sight>& sights;
  };

  at::Tensor forward(int64_t layer, const at::Tensor& x, const nn::KeyValue& words, const Shared& shared) const {
    const tensor::WeightMap own = weights_.under("blocks." + std::to_string(layer) + ".");
    const auto m = (own.at("modulation").unsqueeze(1) + shared.time.e0).unbind(2);  // shift, scale, gate; twice
    const at::Tensor a = norm_modulate(x, m[0], m[1], true, config_.eps, dtype_);
    const auto heads = split_heads(joined(own, a, {"self_attn.q", "self_attn.k", "self_attn.v"}),
                                   {own.at("self_attn.norm_q.weight"), own.at("self_attn.norm_k.weight")},
                                   shared.rotary, 3, config_.num_heads, config_.eps);
    at::Tensor y = add_gated_rows(
        x, joined(own, attend_in_sight(heads[0], heads[1], heads[2], shared.sights), {"self_attn.o"}), m[2]);

    const at::Tensor c =
        norm_modulate(y, row(own.at("norm3.bias")), row(own.at("norm3.weight")), false, config_.eps, dtype_);
    const at::Tensor query = split_heads(joined(own, c, {"cross_attn.q"}), {own.at("cross_attn.norm_q.weight")}, {}, 1,
                                         config_.num_heads, config_.eps)[0];
    const at::Tensor read =
        attend_in_sight(query, by_head(words.k), by_head(words.v), {{0, query.size(2), {{0, words.k.size(1)}}}});
    y = add_gated_rows(y, joined(own, read, {"cross_attn.o"}), at::ones({1, 1, config_.dim}, at::kFloat));

    const at::Tensor b = norm_modulate(y, m[3], m[4], true, config_.eps, dtype_);
    return add_gated_rows(y, joined(own, gelu_rows(joined(own, b, {"ffn.0"})), {"ffn.2"}), m[5]);
  }

 private:
  static at::Tensor row(const at::Tensor& x) { return x.view({1, 1, -1}); }
  at::Tensor by_head(const at::Tensor& x) const { return x.transpose(1, 2).to(dtype_).contiguous(); }

  // Linear layers of one input, side by side.
  at::Tensor joined(const tensor::WeightMap& own, const at::Tensor& x, const std::vector<std::string>& keys) const {
    std::vector<at::Tensor> weight, bias;
    for (const std::string& key : keys) {
      weight.push_back(own.at(key + ".weight"));
      bias.push_back(own.at(key + ".bias"));
    }
    const auto all = [&](const std::vector<at::Tensor>& parts) {
      return (parts.size() == 1 ? parts.front() : at::cat(parts, 0)).to(dtype_);
    };
    return at::linear(x, all(weight), all(bias));
  }

  const wan::TransformerConfig& config_;
  const tensor::WeightMap& weights_;
  at::ScalarType dtype_;
};

// Who sees whom among [clean latent frames without the last block | noisy latent frames].
std::vector<Sight> sights_of(const wan::TeacherForcing& options, int64_t clean_frames, int64_t per_frame) {
  std::vector<Sight> clean, noisy;
  const auto tokens = [&](int64_t begin, int64_t end) {
    return std::pair(begin * per_frame, (end - begin) * per_frame);
  };
  int64_t begin = 0;
  for (const int64_t frames : options.block_latent_frames) {
    const int64_t end = begin + frames, window = options.window_latent_frames;
    const int64_t oldest = window == 0 ? 0 : std::max<int64_t>(0, end - window);
    if (end <= clean_frames) clean.push_back({begin * per_frame, frames * per_frame, {tokens(oldest, end)}});
    Sight sight{(clean_frames + begin) * per_frame, frames * per_frame, {}};
    if (oldest < begin) sight.keys.push_back(tokens(oldest, begin));
    sight.keys.push_back(tokens(clean_frames + begin, clean_frames + end));
    noisy.push_back(std::move(sight));
    begin = end;
  }
  clean.insert(clean.end(), noisy.begin(), noisy.end());
  return clean;
}

}  // namespace

at::Tensor forward_for_training(const wan::TransformerCore& core, const tensor::WeightMap& weights,
                                const at::Tensor& clean, const at::Tensor& noisy, const at::Tensor& t,
                                const wan::TextContext& text, const wan::TeacherForcing& options, at::ScalarType dtype,
                                const wan::FrameAdditions& additions) {
  if (!noisy.is_cpu()) {
    const wan::TransformerCore cast(core.config(), weights.to(dtype));
    wan::TextContext words;
    for (const nn::KeyValue& layer : text.text) words.text.push_back({layer.k.to(dtype), layer.v.to(dtype)});
    return wan::forward_teacher_forcing(cast, clean, noisy, t, words, options, additions).to(at::kFloat);
  }
  const int64_t B = noisy.size(0), F = noisy.size(2), context = F - options.block_latent_frames.back();
  additions.check(B, F, core.config().dim, core.config().num_layers);
  const wan::FrameAdditions added = wan::for_clean_and_noisy(additions, context);
  const at::Tensor latents = at::cat({clean.narrow(2, 0, context), noisy}, 2);
  const at::Tensor times = at::cat({at::full({B, context}, options.context_time, t.options()), t}, 1);
  const nn::TokenGrid grid = core.grid(noisy, 0);
  const int64_t per_frame = grid.height * grid.width;
  const at::Tensor positions = core.rope(grid);
  const Rotary turn = rotary(at::cat({positions.narrow(0, 0, context * per_frame), positions}, 0));
  const std::vector<Sight> sights = sights_of(options, context, per_frame);
  const wan::TimeEmbedding time = core.embed_time(times);
  const Blocks blocks(core.config(), weights, dtype);
  at::Tensor x = core.embed(latents);
  for (int64_t layer = 0; layer < core.config().num_layers; ++layer) {
    const nn::KeyValue& words = text.text.at(static_cast<std::size_t>(layer));
    x = wan::add_to_frames(x, added.before(layer));
    x = blocks.forward(layer, x, {words.k.expand({B, -1, -1, -1}), words.v.expand({B, -1, -1, -1})},
                       {time, turn, sights});
  }
  return core.head(x.narrow(1, context * per_frame, F * per_frame), time.e.narrow(1, context, F), grid);
}

wan::TeacherForcing shipped_blocks(int64_t latent_frames) {
  return {.block_latent_frames = wan::uniform_blocks(latent_frames, shipped_defaults().num_frame_per_block),
          .window_latent_frames = std::max<int64_t>(0, shipped_transformer().local_attn_size)};
}

}  // namespace rushes::training
