#include "rushes/models/ltx/vae_layers.h"

#include <fmt/ranges.h>

#include "rushes/base/error.h"
#include "rushes/base/instruction_set.h"
#include "rushes/base/interruption.h"
#include "rushes/models/ltx/time_sinusoid.h"
#include "rushes/nn/convolution.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/kernels/cpu/rms_modulate.h"
#include "rushes/tensor/ops.h"

namespace rushes::ltx {
namespace {

namespace kernels = tensor::kernels;

constexpr double kNormEps = 1e-8;
constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast3d;

/// As it is to be computed with; leaves stay themselves where they are trained.
at::Tensor prepared(const tensor::WeightMap& weights, const std::string& key, std::initializer_list<int64_t> shape,
                    VaeCompute compute) {
  const at::Tensor& own = weights.at(key, shape);
  return compute.trainable ? own : own.to(compute.dtype);
}

/// [B, C, T, H, W] with frames before and after it that repeat its ends.
at::Tensor with_ends_repeated(const at::Tensor& x, int64_t before, int64_t after) {
  std::vector<at::Tensor> parts(static_cast<std::size_t>(before), x.narrow(2, 0, 1));
  parts.push_back(x);
  parts.insert(parts.end(), static_cast<std::size_t>(after), x.narrow(2, x.size(2) - 1, 1));
  return at::cat(parts, 2);
}

/// Shift or scale of each sample, [B, C], for [B, C, T, H, W].
at::Tensor per_sample(const at::Tensor& x) { return x.unsqueeze(2).unsqueeze(3).unsqueeze(4); }

template <typename T>
void norm_silu_into(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift, const at::Tensor& out) {
  const int64_t channels = x.size(1), rows = x.numel() / channels;
  kernels::RmsModulate<T> pass{.rows = rows,
                               .width = channels,
                               .rows_per_group = rows / x.size(0),
                               .x = static_cast<T*>(const_cast<void*>(x.const_data_ptr())),  // only read without y
                               .silu = true,
                               .eps = static_cast<float>(kNormEps)};
  pass.out = static_cast<T*>(out.mutable_data_ptr());
  if (scale.defined()) {
    pass.scale = scale.const_data_ptr<float>();
    pass.shift = shift.const_data_ptr<float>();
    pass.norm_stride = channels;
  }
  kernels::rms_modulate(pass);
}

/// Pixels to channels, in the order c, then the axes of `order` (0 time, 1 rows, 2 columns).
at::Tensor pixels_to_channels(const at::Tensor& x, std::array<int64_t, 3> stride, std::array<int64_t, 3> order) {
  const int64_t B = x.size(0), C = x.size(1);
  const auto [t, h, w] = stride;
  return x.reshape({B, C, x.size(2) / t, t, x.size(3) / h, h, x.size(4) / w, w})
      .permute({0, 1, 3 + 2 * order[0], 3 + 2 * order[1], 3 + 2 * order[2], 2, 4, 6})
      .flatten(1, 4);
}

/// The inverse. The result has its channels last in memory.
at::Tensor channels_to_pixels(const at::Tensor& x, std::array<int64_t, 3> stride, std::array<int64_t, 3> order) {
  const auto [t, h, w] = stride;
  const int64_t B = x.size(0), C = x.size(1) / (t * h * w), T = x.size(2), H = x.size(3), W = x.size(4);
  std::array<int64_t, 3> place{};  // of each axis among the channels
  std::vector<int64_t> split{B, C};
  for (std::size_t i = 0; i < 3; ++i) {
    place[static_cast<std::size_t>(order[i])] = 2 + static_cast<int64_t>(i);
    split.push_back(stride[static_cast<std::size_t>(order[i])]);
  }
  split.insert(split.end(), {T, H, W});
  return x.reshape(split)
      .permute({0, 5, place[0], 6, place[1], 7, place[2], 1})
      .reshape({B, T * t, H * h, W * w, C})
      .permute({0, 4, 1, 2, 3});
}

/// The same of channels that are listed behind their pixels: t, y, x, c.
at::Tensor pixels_to_places(const at::Tensor& x, std::array<int64_t, 3> stride) {
  const auto [t, h, w] = stride;
  const int64_t B = x.size(0), C = x.size(1) / (t * h * w), T = x.size(2), H = x.size(3), W = x.size(4);
  return x.reshape({B, t, h, w, C, T, H, W})
      .permute({0, 5, 1, 6, 2, 7, 3, 4})
      .reshape({B, T * t, H * h, W * w, C})
      .permute({0, 4, 1, 2, 3});
}

constexpr std::array<int64_t, 3> kRowsFirst = {0, 1, 2}, kColumnsFirst = {0, 2, 1};
constexpr std::array<int64_t, 3> kUpStride = {2, 2, 2};

}  // namespace

VaeCompute vae_compute(const tensor::WeightMap& weights, std::string_view any_key) {
  const at::Tensor& weight = weights.at(any_key);
  const at::ScalarType dtype = weight.scalar_type();
  if (weights.trainable()) return {dtype, true, false};
  if (nn::StockOperators::wanted()) return {dtype, false, false};
  // Without these instructions libtorch's half-precision convolutions are plain loops.
  const bool widen = weight.is_cpu() && (dtype == at::kHalf ||
                                         (dtype == at::kBFloat16 && instruction_set() != InstructionSet::avx512_bf16));
  const at::ScalarType computed = widen ? at::kFloat : dtype;
  return {computed, false, weight.is_cpu() && (computed == at::kFloat || computed == at::kBFloat16)};
}

Conv::Conv(const tensor::WeightMap& weights, const std::string& key, int64_t in, int64_t out, int64_t side,
           Causality causality, VaeCompute compute)
    : weight_(prepared(weights, key + ".conv.weight", {out, in, side, side, side}, compute)),
      bias_(prepared(weights, key + ".conv.bias", {out}, compute)),
      causality_(causality),
      compute_(compute) {
  if (compute.fused) weight_ = weight_.contiguous(kChannelsLast);  // else oneDNN reorders them in every call
}

at::Tensor Conv::operator()(const at::Tensor& x, int64_t stride) const {
  base::interruption_point();
  const bool is_causal = causality_ == Causality::causal;
  if (compute_.fused && stride == 1)
    return nn::frames_conv(x, weight_, bias_, is_causal ? nn::TimeView::past : nn::TimeView::both_sides);
  const int64_t side = weight_.size(2), before = is_causal ? side - 1 : side / 2;
  at::Tensor padded = with_ends_repeated(x, before, side - 1 - before);
  if (compute_.fused) padded = padded.contiguous(kChannelsLast);
  return at::conv3d(padded, weight_, bias_, {stride, stride, stride}, {0, side / 2, side / 2});
}

void Conv::transpose_outputs(int64_t groups) {
  RUSHES_ASSERT(!compute_.trainable);
  const auto transposed = [&](const at::Tensor& x) {
    return x.unflatten(0, {-1, groups}).transpose(0, 1).flatten(0, 1).contiguous();
  };
  weight_ = transposed(weight_).contiguous(kChannelsLast);
  bias_ = transposed(bias_);
}

at::Tensor norm_silu(const at::Tensor& x, const Modulation& modulation, VaeCompute compute) {
  if (compute.fused) {
    const at::Tensor from = x.contiguous(kChannelsLast);
    const at::Tensor out = at::empty_like(from, at::TensorOptions(), kChannelsLast);
    at::Tensor scale, shift;
    if (modulation.scale.defined()) {
      scale = (modulation.scale.to(at::kFloat) + 1).contiguous();
      shift = modulation.shift.to(at::kFloat).contiguous();
    }
    if (x.scalar_type() == at::kFloat)
      norm_silu_into<float>(from, scale, shift, out);
    else
      norm_silu_into<kernels::Bf16>(from, scale, shift, out);
    return out;
  }
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor normal =
      (wide * at::rsqrt(at::mean(wide * wide, {1}, /*keepdim=*/true) + kNormEps)).to(x.scalar_type());
  if (!modulation.scale.defined()) return at::silu(normal);
  return at::silu(normal * (per_sample(modulation.scale) + 1) + per_sample(modulation.shift));
}

TimeEmbedder::TimeEmbedder(const tensor::WeightMap& weights, int64_t out, VaeCompute compute) {
  const auto layer = [&](const std::string& key, int64_t in) {
    const std::string name = "timestep_embedder." + key;
    return nn::Linear(prepared(weights, name + ".weight", {out, in}, compute),
                      prepared(weights, name + ".bias", {out}, compute));
  };
  in_ = layer("linear_1", kTimeSinusoid);
  out_ = layer("linear_2", out);
}

at::Tensor TimeEmbedder::operator()(const at::Tensor& timestep) const {
  return out_(at::silu(in_(time_sinusoid(timestep).to(in_.weight().scalar_type()))));
}

ResnetBlock::ResnetBlock(const tensor::WeightMap& weights, int64_t in, int64_t out, const ResnetOptions& options,
                         VaeCompute compute)
    : conv1_(weights, "conv1", in, out, 3, options.causality, compute),
      conv2_(weights, "conv2", out, out, 3, options.causality, compute),
      shortcut_eps_(options.shortcut_eps),
      compute_(compute) {
  if (in != out) {
    shortcut_.emplace(weights, "conv_shortcut", in, out, 1, options.causality, compute);
    norm3_weight_ = prepared(weights, "norm3.weight", {in}, compute);
    norm3_bias_ = prepared(weights, "norm3.bias", {in}, compute);
  }
  if (options.injects_noise) {
    noise1_ = prepared(weights, "per_channel_scale1", {in, 1, 1}, compute);
    noise2_ = prepared(weights, "per_channel_scale2", {in, 1, 1}, compute);
  }
  if (options.is_timed) table_ = prepared(weights, "scale_shift_table", {4, in}, compute);
}

at::Tensor ResnetBlock::noised(const at::Tensor& x, const at::Tensor& strength, const SpatialNoise& noise) const {
  if (!strength.defined() || !noise) return x;
  const at::Tensor map = noise(x.size(3), x.size(4)).to(x.device(), x.scalar_type());
  return x + (map * strength).unsqueeze(1).unsqueeze(0);
}

at::Tensor ResnetBlock::operator()(const at::Tensor& x, const at::Tensor& time, const SpatialNoise& noise) const {
  Modulation first, second;
  if (table_.defined()) {
    RUSHES_ASSERT(time.defined());
    const auto m = (time.unflatten(1, {4, -1}) + table_).unbind(1);
    first = {m[0], m[1]};
    second = {m[2], m[3]};
  }
  at::Tensor y = noised(conv1_(norm_silu(x, first, compute_)), noise1_, noise);
  y = noised(conv2_(norm_silu(y, second, compute_)), noise2_, noise);
  if (!shortcut_) return y + x;
  const at::Tensor normal =
      at::layer_norm(x.movedim(1, -1), {x.size(1)}, norm3_weight_, norm3_bias_, shortcut_eps_).movedim(-1, 1);
  return y + (*shortcut_)(normal);
}

PixelDownsampler::PixelDownsampler(const tensor::WeightMap& weights, int64_t in, int64_t out,
                                   std::array<int64_t, 3> stride, Causality causality, VaeCompute compute)
    : stride_(stride),
      group_(in * stride[0] * stride[1] * stride[2] / out),
      conv_(weights, "conv", in, out / (stride[0] * stride[1] * stride[2]), 3, causality, compute) {}

at::Tensor PixelDownsampler::operator()(const at::Tensor& x) const {
  const at::Tensor longer = stride_[0] > 1 ? at::cat({x.narrow(2, 0, stride_[0] - 1), x}, 2) : x;
  const at::Tensor moved = pixels_to_channels(longer, stride_, kRowsFirst);
  return pixels_to_channels(conv_(longer), stride_, kRowsFirst) + moved.unflatten(1, {-1, group_}).mean(2);
}

PixelUpsampler::PixelUpsampler(const tensor::WeightMap& weights, int64_t in, int64_t factor, bool residual,
                               Causality causality, VaeCompute compute)
    : factor_(factor),
      residual_(residual),
      pixels_first_(compute.fused),
      conv_(weights, "conv", in, 8 * in / factor, 3, causality, compute) {
  if (pixels_first_) conv_.transpose_outputs(8);
}

at::Tensor PixelUpsampler::operator()(const at::Tensor& x) const {
  const auto without_first = [](const at::Tensor& y) { return y.narrow(2, 1, y.size(2) - 1); };
  const at::Tensor wide = conv_(x);
  const at::Tensor y = without_first(pixels_first_ ? pixels_to_places(wide, kUpStride)
                                                   : channels_to_pixels(wide, kUpStride, kRowsFirst));
  if (!residual_) return y;
  return y + without_first(channels_to_pixels(x, kUpStride, kRowsFirst)).repeat({1, 8 / factor_, 1, 1, 1});
}

at::Tensor patchify(const at::Tensor& video, int64_t patch, int64_t patch_t) {
  return pixels_to_channels(video, {patch_t, patch, patch}, kColumnsFirst);
}

at::Tensor unpatchify(const at::Tensor& x, int64_t patch, int64_t patch_t) {
  return channels_to_pixels(x, {patch_t, patch, patch}, kColumnsFirst);
}

}  // namespace rushes::ltx
