#include "rushes/models/wan/vae_layers.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/tensor/kernels/cpu/channel_norm.h"
#include "rushes/tensor/ops.h"

namespace rushes::wan {
namespace {

constexpr auto kFramesLayout = at::MemoryFormat::ChannelsLast3d;

const at::Tensor& weight_of(const tensor::WeightMap& weights, const std::string& key,
                            const std::vector<int64_t>& shape) {
  const at::Tensor& weight = weights.at(key);
  require(weight.sizes() == at::IntArrayRef(shape), ErrorCode::corrupt_data,
          "tensor '...{}' has shape [{}], expected [{}]; do the dimensions of the VAE's config fit this checkpoint?",
          key, fmt::join(weight.sizes(), ", "), fmt::join(shape, ", "));
  return weight;
}

at::Tensor vector_of(const tensor::WeightMap& weights, const std::string& key, int64_t size, ConvCompute compute) {
  return weight_of(weights, key, {size}).to(compute.dtype);
}

/// [B, C, T, H, W] to [B*T, C, H, W]: a view in the layout of activations.
at::Tensor as_frames(const at::Tensor& x) { return x.transpose(1, 2).flatten(0, 1); }
at::Tensor as_video(const at::Tensor& frames, int64_t batch) {
  return frames.unflatten(0, {batch, frames.size(0) / batch}).transpose(1, 2);
}

/// The last `count` frames as a copy of their own: a view would keep the whole piece in memory.
at::Tensor last_frames(const at::Tensor& x, int64_t count) {
  return x.narrow(2, x.size(2) - count, count).clone(kFramesLayout);
}

at::Tensor zero_history(const at::Tensor& x) {
  auto sizes = x.sizes().vec();
  sizes[2] = 2;
  return at::zeros(sizes, x.options().requires_grad(false)).contiguous(kFramesLayout);
}

namespace kernels = tensor::kernels;

/// The norm of x [1, C, T, H, W] into `out` of the same shape, both with channels last.
void norm_into(const at::Tensor& x, const at::Tensor& gamma, kernels::AfterNorm after, const at::Tensor& out) {
  const int64_t channels = x.size(1), rows = x.numel() / channels;
  const float* scale = gamma.const_data_ptr<float>();
  if (x.scalar_type() == at::kFloat)
    kernels::channel_norm(rows, channels, x.const_data_ptr<float>(), scale, after, out.mutable_data_ptr<float>());
  else
    kernels::channel_norm(rows, channels, static_cast<const kernels::Bf16*>(x.const_data_ptr()), scale, after,
                          static_cast<kernels::Bf16*>(out.mutable_data_ptr()));
}

}  // namespace

int64_t VaeState::bytes() const {
  int64_t total = 0;
  for (const at::Tensor& cache : caches) total += cache.defined() ? static_cast<int64_t>(cache.nbytes()) : 0;
  return total;
}

at::Tensor& Pass::next_cache() {
  if (next_ == state_.caches.size()) state_.caches.emplace_back();
  return state_.caches[next_++];
}

Conv3d::Conv3d(const tensor::WeightMap& weights, const std::string& key, std::vector<int64_t> shape,
               ConvCompute compute)
    : weight(weight_of(weights, key + ".weight", shape)), bias(vector_of(weights, key + ".bias", shape[0], compute)) {
  if (!compute.trainable) weight = weight.to(compute.dtype).contiguous(kFramesLayout);
}

at::Tensor Conv3d::forward(const at::Tensor& x, int64_t time_stride) const {
  const int64_t side = weight.size(3) / 2;
  return at::conv3d(x, weight, bias, {time_stride, 1, 1}, {0, side, side});
}

FrameConv::FrameConv(const tensor::WeightMap& weights, const std::string& key, int64_t in, int64_t out,
                     ConvCompute compute)
    : weight(weight_of(weights, key + ".weight", {out, in, 3, 3})),
      bias(vector_of(weights, key + ".bias", out, compute)) {
  if (!compute.trainable) weight = weight.to(compute.dtype).contiguous(at::MemoryFormat::ChannelsLast);
}

ChannelNorm::ChannelNorm(const tensor::WeightMap& weights, const std::string& key, int64_t channels, int64_t axes,
                         ConvCompute compute)
    : compute(compute) {
  std::vector<int64_t> shape(static_cast<std::size_t>(axes), 1);
  shape[0] = channels;
  gamma = weight_of(weights, key + ".gamma", shape).to(compute.fused ? at::kFloat : compute.dtype).flatten();
}

at::Tensor ChannelNorm::forward(const at::Tensor& x) const {
  if (compute.fused) {
    const at::Tensor in = x.contiguous(kFramesLayout);
    const at::Tensor out = at::empty_like(in, at::TensorOptions(), kFramesLayout);
    norm_into(in, gamma, kernels::AfterNorm::nothing, out);
    return out;
  }
  const at::Tensor length = at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, /*keepdim=*/true).clamp_min(1e-12);
  const double root = std::sqrt(static_cast<double>(gamma.size(0)));
  return x / length * root * gamma.view({1, -1, 1, 1, 1});
}

at::Tensor ChannelNorm::forward_silu_padded(const at::Tensor& x, at::Tensor& cache) const {
  if (!compute.fused) return with_history(at::silu(forward(x)), cache);
  // The norm writes behind the cached frames, so that nobody has to copy x once more to put them in front.
  const at::Tensor in = x.contiguous(kFramesLayout);
  auto sizes = x.sizes().vec();
  sizes[2] += 2;
  at::Tensor all = at::empty(sizes, x.options(), kFramesLayout);
  at::Tensor front = all.narrow(2, 0, 2);
  if (cache.defined())
    front.copy_(cache);
  else
    front.zero_();
  for (int64_t b = 0; b < x.size(0); ++b)
    norm_into(in.narrow(0, b, 1), gamma, kernels::AfterNorm::silu, all.narrow(0, b, 1).narrow(2, 2, x.size(2)));
  cache = last_frames(all, 2);
  return all;
}

at::Tensor with_history(const at::Tensor& x, at::Tensor& cache) {
  const at::Tensor all = at::cat({cache.defined() ? cache : zero_history(x), x}, 2);
  cache = last_frames(all, 2);
  return all;
}

ResidualBlock::ResidualBlock(const tensor::WeightMap& weights, int64_t in, int64_t out, ConvCompute compute)
    : norm1(weights, "residual.0", in, 4, compute),
      norm2(weights, "residual.3", out, 4, compute),
      conv1(weights, "residual.2", {out, in, 3, 3, 3}, compute),
      conv2(weights, "residual.6", {out, out, 3, 3, 3}, compute) {
  if (in != out) shortcut.emplace(weights, "shortcut", std::vector<int64_t>{out, in, 1, 1, 1}, compute);
}

at::Tensor ResidualBlock::forward(const at::Tensor& x, Pass& pass) const {
  at::Tensor y = conv1.forward(norm1.forward_silu_padded(x, pass.next_cache()));
  y = conv2.forward(norm2.forward_silu_padded(y, pass.next_cache()));
  const at::Tensor skip = shortcut ? shortcut->forward(x) : x;
  return norm1.compute.trainable ? y + skip : y.add_(skip);
}

FrameAttention::FrameAttention(const tensor::WeightMap& weights, int64_t channels, ConvCompute compute)
    : norm(weights, "norm", channels, 3, compute),
      qkv_weight(weight_of(weights, "to_qkv.weight", {3 * channels, channels, 1, 1}).to(compute.dtype).flatten(1)),
      qkv_bias(vector_of(weights, "to_qkv.bias", 3 * channels, compute)),
      proj_weight(weight_of(weights, "proj.weight", {channels, channels, 1, 1}).to(compute.dtype).flatten(1)),
      proj_bias(vector_of(weights, "proj.bias", channels, compute)) {}

at::Tensor FrameAttention::forward(const at::Tensor& x) const {
  const at::Tensor tokens = norm.forward(x).permute({0, 2, 3, 4, 1}).flatten(2, 3).flatten(0, 1);  // [B*T, L, C]
  const auto qkv = at::linear(tokens, qkv_weight, qkv_bias).unsqueeze(1).chunk(3, -1);             // one head
  at::Tensor y = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]).squeeze(1);
  y = at::linear(y, proj_weight, proj_bias).view({x.size(0), x.size(2), x.size(3), x.size(4), x.size(1)});
  return x + y.permute({0, 4, 1, 2, 3});
}

Downsample::Downsample(const tensor::WeightMap& weights, int64_t channels, bool temporal, ConvCompute compute)
    : conv(weights, "resample.1", channels, channels, compute) {
  if (temporal) time.emplace(weights, "time_conv", std::vector<int64_t>{channels, channels, 3, 1, 1}, compute);
}

at::Tensor Downsample::forward(const at::Tensor& x, Pass& pass) const {
  const at::Tensor padded = at::constant_pad_nd(as_frames(x), {0, 1, 0, 1});
  const at::Tensor y = as_video(at::conv2d(padded, conv.weight, conv.bias, 2), x.size(0));
  if (!time) return y;
  at::Tensor& cache = pass.next_cache();
  if (pass.first_frame_alone()) {
    cache = last_frames(y, 1);
    return y;
  }
  if (!cache.defined()) cache = at::zeros_like(y.narrow(2, 0, 1));
  const at::Tensor all = at::cat({cache, y}, 2);
  cache = last_frames(y, 1);
  return time->forward(all, 2);
}

Upsample::Upsample(const tensor::WeightMap& weights, int64_t channels, bool temporal, ConvCompute compute)
    : conv(weights, "resample.1", channels, channels / 2, compute) {
  if (compute.fused && compute.dtype == at::kFloat) folded = UpsampleConv(conv.weight, conv.bias);
  if (temporal) time.emplace(weights, "time_conv", std::vector<int64_t>{2 * channels, channels, 3, 1, 1}, compute);
}

at::Tensor Upsample::forward(const at::Tensor& x, Pass& pass) const {
  at::Tensor y = x;
  if (time) {
    // The first frame is not remembered either: on the second, the history is zeros.
    at::Tensor& cache = pass.next_cache();
    if (!pass.first_frame_alone()) {
      const at::Tensor both = time->forward(with_history(x, cache));  // [B, 2C, T, H, W]: even frames, odd frames
      y = both.unflatten(1, {2, x.size(1)})
              .permute({0, 3, 1, 4, 5, 2})
              .contiguous()
              .flatten(1, 2)
              .permute({0, 4, 1, 2, 3});
    }
  }
  const at::Tensor frames = as_frames(y);
  if (folded.defined()) return as_video(folded.forward(frames), x.size(0));
  // Nearest neighbour copies values, so half precision loses nothing that the reference's float32 detour would keep.
  const at::Tensor large = at::upsample_nearest2d(frames, {2 * frames.size(2), 2 * frames.size(3)});
  return as_video(at::conv2d(large, conv.weight, conv.bias, 1, 1), x.size(0));
}

}  // namespace rushes::wan
