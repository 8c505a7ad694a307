#include "rushes/audio/stream_resampler.h"

#include <soxr.h>

#include "rushes/base/error.h"

namespace rushes::audio {

struct StreamResampler::State {
  explicit State(soxr_t opened) : soxr(opened) {}
  ~State() { soxr_delete(soxr); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  soxr_t soxr;
};

StreamResampler::StreamResampler(int64_t from_hz, int64_t to_hz) : from_hz_(from_hz), to_hz_(to_hz) {
  constexpr int64_t kMaxHz = 10'000'000;
  for (const int64_t rate : {from_hz, to_hz})
    require(rate >= 1 && rate <= kMaxHz, ErrorCode::invalid_argument,
            "a sampling rate of {} Hz cannot be resampled; allowed are 1 to {}", rate, kMaxHz);
  open();
}

StreamResampler::~StreamResampler() = default;
StreamResampler::StreamResampler(StreamResampler&&) noexcept = default;
StreamResampler& StreamResampler::operator=(StreamResampler&&) noexcept = default;

void StreamResampler::open() {
  fed_ = given_ = 0;
  if (from_hz_ == to_hz_) return;
  const soxr_io_spec_t types = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  soxr_error_t error = nullptr;
  const soxr_t opened = soxr_create(static_cast<double>(from_hz_), static_cast<double>(to_hz_), /*channels=*/1, &error,
                                    &types, &quality, nullptr);
  require(opened != nullptr && error == nullptr, ErrorCode::internal, "resampling from {} to {} Hz failed: {}",
          from_hz_, to_hz_, error ? error : "out of memory");
  state_ = std::make_unique<State>(opened);
}

std::vector<float> StreamResampler::feed(std::span<const float> samples) {
  // To the library no samples, or a null pointer, mean the end of the stream, after which it takes none.
  if (!state_ || samples.empty()) return {samples.begin(), samples.end()};
  fed_ += static_cast<int64_t>(samples.size());
  const double ratio = static_cast<double>(to_hz_) / static_cast<double>(from_hz_);
  std::vector<float> out(static_cast<std::size_t>(static_cast<double>(samples.size()) * ratio) + 8192);
  std::size_t filled = 0;
  for (;;) {
    std::size_t used = 0, made = 0;
    const soxr_error_t error = soxr_process(state_->soxr, samples.data(), samples.size(), &used, out.data() + filled,
                                            out.size() - filled, &made);
    require(error == nullptr, ErrorCode::internal, "resampling failed: {}", soxr_strerror(error));
    samples = samples.subspan(used);
    filled += made;
    if (samples.empty() && filled < out.size()) break;
    out.resize(out.size() * 2);
  }
  out.resize(filled);
  given_ += static_cast<int64_t>(filled);
  return out;
}

std::vector<float> StreamResampler::flush() {
  if (!state_) return {};
  const int64_t total = (fed_ * to_hz_ + from_hz_ - 1) / from_hz_;
  std::vector<float> out(static_cast<std::size_t>(total - given_), 0.0f);
  std::size_t filled = 0;
  while (filled < out.size()) {
    std::size_t made = 0;
    const soxr_error_t error =
        soxr_process(state_->soxr, nullptr, 0, nullptr, out.data() + filled, out.size() - filled, &made);
    require(error == nullptr, ErrorCode::internal, "resampling failed: {}", soxr_strerror(error));
    if (made == 0) break;  // the library rounds its length; a last value that it does not give stays 0
    filled += made;
  }
  open();
  return out;
}

}  // namespace rushes::audio
