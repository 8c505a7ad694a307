// The operations between a transformer's input and output at the shapes of Wan 2.1 1.3B: one block of three latent
// frames of 480x832, self-attention over nine. Ours beside libtorch's operators.
#include <fmt/format.h>

#include "bench.h"
#include "rushes/nn/attention.h"
#include "rushes/nn/linear.h"
#include "rushes/nn/norm.h"
#include "rushes/nn/rope.h"
#include "rushes/tensor/kernels/cpu/channel_norm.h"
#include "rushes/tensor/kernels/cpu/transformer_kernels.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

namespace kernels = tensor::kernels;

constexpr int64_t kWidth = 1536, kHeads = 12, kHeadSize = 128, kFeedForward = 8960, kTextTokens = 512;

int64_t block_tokens(const Setup& setup) { return setup.quick ? 1530 : 4680; }

void compare_attention(Report& report, std::string_view what, int64_t queries, int64_t keys) {
  const Setup& setup = report.setup();
  const std::string name = fmt::format("{} {} x {}, {} heads x {}", what, queries, keys, kHeads, kHeadSize);
  if (!report.wants(name)) return;
  const at::Tensor q = at::randn({1, queries, kHeads, kHeadSize}, setup.floats()).to(setup.dtype);
  const at::Tensor k = at::randn({1, keys, kHeads, kHeadSize}, setup.floats()).to(setup.dtype);
  const at::Tensor v = at::randn({1, keys, kHeads, kHeadSize}, setup.floats()).to(setup.dtype);
  Operation operation{.name = name, .flop = 4.0 * static_cast<double>(queries * keys * kWidth)};
  operation.candidates.push_back({"rushes", [&] { return nn::attention(q, k, v); }});
  operation.candidates.push_back({"stock", [&] { return nn::stock_attention(q, k, v); }});
  const at::Tensor wide_q = q.to(at::kFloat), wide_k = k.to(at::kFloat), wide_v = v.to(at::kFloat);
  if (setup.dtype != at::kFloat)
    operation.candidates.push_back({"stock, float32", [&] { return nn::stock_attention(wide_q, wide_k, wide_v); }});
  report.measure(operation);
}

void compare_linear(Report& report, std::string_view what, int64_t in, int64_t out, nn::Activation activation) {
  const Setup& setup = report.setup();
  const int64_t rows = block_tokens(setup);
  const std::string name = fmt::format("linear, {}, {} x {} x {}", what, rows, in, out);
  if (!report.wants(name)) return;
  const at::Tensor x = at::randn({1, rows, in}, setup.floats()).to(setup.dtype);
  const at::Tensor weight = (at::randn({out, in}, setup.floats()) / std::sqrt(static_cast<double>(in))).to(setup.dtype);
  const at::Tensor bias = at::randn({out}, setup.floats()).to(setup.dtype);
  const nn::Linear layer(weight, bias);
  const bool gelu = activation == nn::Activation::gelu_tanh;
  Operation operation{.name = name, .flop = 2.0 * static_cast<double>(rows * in * out)};
  operation.candidates.push_back({"rushes", [&] { return layer(x, activation); }});
  operation.candidates.push_back({"stock", [&] {
                                    const at::Tensor y = at::linear(x, weight, bias);
                                    return gelu ? at::gelu(y, "tanh") : y;
                                  }});
  at::Tensor kept = at::empty({rows, out}, setup.options());
  if (!gelu)
    operation.candidates.push_back(
        {"stock, into a kept buffer", [&] { return at::addmm_out(kept, bias, x[0], weight.t()).unsqueeze(0); }});
  report.measure(operation);
}

template <typename T>
T* data(const at::Tensor& x) {
  return static_cast<T*>(x.mutable_data_ptr());
}

/// What lies between two products: residual, norm and modulation in one pass; norm and rotation of queries; the VAE's
/// norm.
template <typename T>
void compare_passes(Report& report) {
  const Setup& setup = report.setup();
  const int64_t L = block_tokens(setup), F = 3;
  const double element = static_cast<double>(sizeof(T)), tokens = static_cast<double>(L * kWidth);
  if (const std::string name = fmt::format("gated residual, layer norm, modulation, {} x {}", L, kWidth);
      report.wants(name)) {
    const at::Tensor x = at::randn({1, L, kWidth}, setup.floats()).to(setup.dtype), y = at::randn_like(x) * 0.01,
                     ours = x.clone();
    const at::Tensor gate = at::rand({1, F, kWidth}, setup.floats()), shift = at::rand_like(gate),
                     scale = at::rand_like(gate);
    const at::Tensor narrow_gate = gate.to(setup.dtype), narrow_shift = shift.to(setup.dtype),
                     narrow_scale = scale.to(setup.dtype);
    const at::Tensor one_scale = scale + 1, out = at::empty_like(x), none;
    const kernels::ResidualNorm<T> pass{.rows = L,
                                        .width = kWidth,
                                        .rows_per_frame = L / F,
                                        .x = data<T>(ours),
                                        .y = data<T>(y),
                                        .gate = data<float>(gate),
                                        .gate_stride = kWidth,
                                        .scale = data<float>(one_scale),
                                        .shift = data<float>(shift),
                                        .norm_stride = kWidth,
                                        .out = data<T>(out),
                                        .eps = 1e-6F};
    report.measure({.name = name,
                    .bytes = 4 * tokens * element,
                    .candidates = {{"rushes, fused",
                                    [&] {
                                      kernels::residual_norm(pass);
                                      return out;
                                    }},
                                   {"stock", [&] {
                                      return nn::modulate(
                                          nn::layer_norm(nn::add_gated(x, y, narrow_gate), none, none, 1e-6),
                                          narrow_shift, narrow_scale);
                                    }}}});
  }
  if (const std::string name = fmt::format("norm and rotation of queries, {} x {}", L, kWidth); report.wants(name)) {
    const at::Tensor x = at::randn({1, L, kWidth}, setup.floats()).to(setup.dtype), ours = x.clone();
    const at::Tensor weight = at::ones({kWidth}, setup.floats()), narrow_weight = weight.to(setup.dtype);
    const at::Tensor table = nn::rope_table({F, 30, L / (F * 30)}, kHeadSize, setup.device),
                     parts = at::view_as_real(table);
    const at::Tensor c = parts.select(-1, 0), s = parts.select(-1, 1);
    const at::Tensor cosines = at::stack({c, c}, -1).flatten(1).to(at::kFloat),
                     sines = at::stack({-s, s}, -1).flatten(1).to(at::kFloat);
    const kernels::RmsRope<T> pass{.rows = L,
                                   .width = kWidth,
                                   .row_stride = kWidth,
                                   .head_size = kHeadSize,
                                   .x = data<T>(ours),
                                   .weight = data<float>(weight),
                                   .cosines = data<float>(cosines),
                                   .sines = data<float>(sines),
                                   .tokens = L,
                                   .eps = 1e-6F};
    report.measure({.name = name,
                    .bytes = 2 * tokens * element,
                    .candidates = {{"rushes, fused",
                                    [&] {
                                      kernels::rms_rope(pass);
                                      return ours;
                                    }},
                                   {"stock", [&] {
                                      return nn::rotate(
                                                 nn::rms_norm(x, narrow_weight, 1e-6).view({1, L, kHeads, kHeadSize}),
                                                 table)
                                          .view({1, L, kWidth});
                                    }}}});
  }
  const int64_t channels = 192, height = setup.quick ? 60 : 240, width = setup.quick ? 104 : 416;
  if (const std::string name = fmt::format("VAE: norm and SiLU, 4 x {} x {} x {}", height, width, channels);
      report.wants(name)) {
    const at::Tensor rows = at::randn({4 * height * width, channels}, setup.floats()).to(setup.dtype),
                     out = at::empty_like(rows);
    const at::Tensor gamma = at::ones({channels}, setup.floats());
    const at::Tensor video = rows.view({1, 4, height, width, channels}).permute({0, 4, 1, 2, 3}).contiguous();
    report.measure(
        {.name = name,
         .bytes = 2 * static_cast<double>(rows.numel()) * element,
         .candidates = {{"rushes, fused",
                         [&] {
                           kernels::channel_norm<T>(rows.size(0), channels, data<T>(rows), data<float>(gamma),
                                                    kernels::AfterNorm::silu, data<T>(out));
                           return out;
                         }},
                        {"stock", [&] {
                           const at::Tensor length =
                               at::linalg_vector_norm(video, 2, at::IntArrayRef{1}, true).clamp_min(1e-12);
                           const at::Tensor y = at::silu(video / length * std::sqrt(static_cast<double>(channels)));
                           return y.permute({0, 2, 3, 4, 1})
                               .reshape({-1, channels});  // also into the order of the next layer, as ours is
                         }}}});
  }
}

}  // namespace

void bench_attention(Report& report) {
  const int64_t tokens = block_tokens(report.setup());
  compare_attention(report, "self-attention", tokens, 3 * tokens);
  compare_attention(report, "cross-attention", tokens, kTextTokens);
}

void bench_linear(Report& report) {
  compare_linear(report, "queries, keys, values", kWidth, 3 * kWidth, nn::Activation::none);
  compare_linear(report, "output of attention", kWidth, kWidth, nn::Activation::none);
  compare_linear(report, "feed-forward in with gelu", kWidth, kFeedForward, nn::Activation::gelu_tanh);
  compare_linear(report, "feed-forward out", kFeedForward, kWidth, nn::Activation::none);
}

void bench_passes(Report& report) {
  if (!report.setup().device.is_cpu()) return;  // the fused passes are kernels of the CPU
  if (report.setup().dtype == at::kFloat)
    compare_passes<float>(report);
  else
    compare_passes<kernels::Bf16>(report);
}

}  // namespace rushes::app::bench
