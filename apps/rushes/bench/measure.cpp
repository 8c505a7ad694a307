#include <fmt/format.h>

#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <chrono>

#include "bench.h"
#include "rushes/base/error.h"
#include "rushes/tensor/cpu_allocator.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

using Clock = std::chrono::steady_clock;

// A first run this long is no warm-up any more: what it pays once is small beside it, and a second one would be dear.
constexpr double kLongRunSeconds = 5;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kCPU, at::kFloat), y = b.to(at::kCPU, at::kFloat);
  return ((x - y).norm() / y.norm().clamp_min(1e-30)).item<double>();
}

struct Sampler {
  at::Device device;
  double seconds_of(const Candidate& candidate, at::Tensor* result = nullptr) const {
    const auto start = Clock::now();
    at::Tensor out = candidate.run();
    if (!device.is_cpu())
      c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(std::max<c10::DeviceIndex>(device.index(), 0));
    const double seconds = seconds_since(start);
    if (result != nullptr) *result = std::move(out);
    return seconds;
  }
};

}  // namespace

bool Report::wants(std::string_view name) const {
  if (setup_.filters.empty()) return true;
  return std::any_of(setup_.filters.begin(), setup_.filters.end(),
                     [&](const std::string& filter) { return name.find(filter) != name.npos; });
}

void Report::measure(const Operation& operation) {
  const auto start = Clock::now();
  const Sampler sampler{setup_.device};
  Measured measured{operation.name, operation.flop, operation.bytes, {}};
  std::vector<std::vector<double>> samples(operation.candidates.size());
  at::Tensor first;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const Candidate& candidate = operation.candidates[i];
    at::Tensor result;
    const int64_t held = tensor::cpu_memory().used_bytes;
    tensor::forget_cpu_peak();
    const double seconds = sampler.seconds_of(candidate, &result);
    if (seconds > kLongRunSeconds) samples[i].push_back(seconds);
    if (i == 0) first = result.clone();  // later runs may write to the same place
    const int64_t most = tensor::cpu_memory().peak_bytes - held;
    measured.candidates.push_back(
        {.name = candidate.name, .difference = difference(result, first), .tensor_bytes = most});
    require(measured.candidates[i].difference <= operation.tolerance, ErrorCode::internal,
            "{}: '{}' and '{}' differ by {:.3g}; at most {:.3g} is allowed", operation.name, candidate.name,
            operation.candidates[0].name, measured.candidates[i].difference, operation.tolerance);
  }
  for (int round = 0; round < setup_.rounds; ++round) {
    if (round > 0 && seconds_since(start) > setup_.seconds_per_operation) break;
    for (std::size_t i = 0; i < samples.size(); ++i)
      if (samples[i].size() <= static_cast<std::size_t>(round))
        samples[i].push_back(sampler.seconds_of(operation.candidates[i]));
  }

  fmt::print("{}\n", operation.name);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    Figures& figures = measured.candidates[i];
    figures.seconds = median(samples[i]);
    figures.times_first = figures.seconds / measured.candidates[0].seconds;
    const bool by_flop = operation.flop > 0;
    figures.rate = (by_flop ? operation.flop : operation.bytes) / figures.seconds * 1e-9;
    figures.share_of_peak = figures.rate / (by_flop ? peak.gflops() : peak.copy_gbps);
    fmt::print("  {:<30} {:>10.2f} ms {:>9.1f} {} {:>4.0f} % of {} {:>6.0f} MiB", figures.name, figures.seconds * 1e3,
               figures.rate, by_flop ? "GFLOP/s" : "GB/s   ", 100 * figures.share_of_peak,
               by_flop ? "the product" : "the copy   ", static_cast<double>(figures.tensor_bytes) / (1 << 20));
    if (i > 0) fmt::print("   rushes takes 1/{:.2f} of it", figures.times_first);
    fmt::print("\n");
  }
  std::fflush(stdout);
  operations.push_back(std::move(measured));
}

void Report::measure_peak() {
  // The first linear layer of the feed-forward network of Wan 1.3B over one block of three latent frames.
  const int64_t rows = setup_.quick ? 1560 : 4680, in = 1536, out = 8960;
  const int64_t copied_bytes = int64_t{256} << 20;
  const Sampler sampler{setup_.device};
  const auto best = [&](const Candidate& candidate) {
    const auto start = Clock::now();
    double seconds = sampler.seconds_of(candidate);
    for (int round = 0; round < setup_.rounds && seconds_since(start) < setup_.seconds_per_operation / 3; ++round)
      seconds = std::min(seconds, sampler.seconds_of(candidate));
    return seconds;
  };
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = at::randn({rows, in}, setup_.floats()).to(dtype),
                     w = at::randn({out, in}, setup_.floats()).to(dtype).t();
    at::Tensor y = at::empty({rows, out}, x.options());
    const double gflops =
        2e-9 * static_cast<double>(rows * in * out) / best({"product", [&] { return at::mm_out(y, x, w); }});
    (dtype == at::kFloat ? peak.float32_gflops : peak.bfloat16_gflops) = gflops;
  }
  const at::Tensor from = at::ones({copied_bytes / 4}, setup_.floats());
  at::Tensor to = at::zeros_like(from);
  peak.copy_gbps = 2e-9 * static_cast<double>(copied_bytes) / best({"copy", [&] { return to.copy_(from); }});
  fmt::print(
      "matrix product {} x {} x {} into a kept buffer: {:.0f} GFLOP/s float32, {:.0f} GFLOP/s bfloat16; copy {:.1f} "
      "GB/s\n\n",
      rows, in, out, peak.float32_gflops, peak.bfloat16_gflops, peak.copy_gbps);
  std::fflush(stdout);
}

}  // namespace rushes::app::bench
