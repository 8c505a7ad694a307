#include "rushes/models/ditto/speech_features.h"

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {

void ChunkSize::check() const {
  require(past >= 0 && current >= 1 && future >= 1, ErrorCode::invalid_argument,
          "chunksize [{}, {}, {}]: past frames must be at least 0, current and future frames at least 1", past, current,
          future);
}

int64_t frames_of(int64_t samples) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(samples) / static_cast<double>(kSampleRate) * 25.0));
}

SpeechFeatures::SpeechFeatures(SpeechEncoder encoder, const ChunkSize& size)
    : encoder_(std::move(encoder)), size_(size) {
  size_.check();
}

at::Tensor SpeechFeatures::windows(const at::Tensor& windows) const {
  const at::Tensor all = encoder_(windows).to(at::kCPU, at::kFloat);  // 50 a second
  const int64_t L = all.size(1), wanted = 2 * size_.current, last = 2 * size_.future;
  require(L >= wanted + last, ErrorCode::invalid_argument,
          "a window of {} samples gives {} speech features, {} are needed", windows.size(1), L, wanted + last);
  return at::mean(all.narrow(1, L - wanted - last, wanted).unflatten(1, {size_.current, 2}),
                  at::OptionalIntArrayRef(at::IntArrayRef{2}));
}

at::Tensor SpeechFeatures::whole(const at::Tensor& wave) const {
  const int64_t frames = frames_of(wave.size(0)), samples = size_.samples();
  const int64_t front = samples - (size_.current + size_.future) * kFrameSamples;
  const at::Tensor padded = at::constant_pad_nd(wave.to(at::kFloat), {front, samples});
  const int64_t count = (frames + size_.current - 1) / size_.current;
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < std::max<int64_t>(count, 1); ++i)  // one at least, for its width
    rows.push_back(windows(padded.narrow(0, i * size_.step(), samples).unsqueeze(0)).squeeze(0));
  return at::cat(rows, 0).narrow(0, 0, frames);
}

at::Tensor SpeechFeatures::silence(int64_t frames) const {
  return whole(at::zeros({frames * kFrameSamples}, at::TensorOptions(at::kFloat)));
}

SpeechWindows::SpeechWindows(const ChunkSize& size, SpeechLayout layout)
    : size_(size),
      layout_(layout),
      front_(layout == SpeechLayout::stream ? size.past * kFrameSamples
                                            : size.samples() - (size.current + size.future) * kFrameSamples),
      held_(static_cast<std::size_t>(front_), 0.0f) {
  size_.check();
}

std::vector<std::vector<float>> SpeechWindows::push(std::span<const float> samples) {
  held_.insert(held_.end(), samples.begin(), samples.end());
  received_ += static_cast<int64_t>(samples.size());
  std::vector<std::vector<float>> windows;
  const auto length = static_cast<std::size_t>(size_.samples()), step = static_cast<std::size_t>(size_.step());
  std::size_t at = 0;
  for (; at + length <= held_.size(); at += step) {
    windows.emplace_back(held_.begin() + static_cast<std::ptrdiff_t>(at),
                         held_.begin() + static_cast<std::ptrdiff_t>(at + length));
    ++begun_;
  }
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(at));
  return windows;
}

std::vector<std::vector<float>> SpeechWindows::finish() {
  std::vector<std::vector<float>> windows;
  const auto length = static_cast<std::size_t>(size_.samples()), step = static_cast<std::size_t>(size_.step());
  // Of a stream as long as a window has a sample of it; of a file as long as it has a frame.
  const int64_t end = layout_ == SpeechLayout::stream ? front_ + received_ : frames_of(received_) * kFrameSamples;
  for (std::size_t at = 0; begun_ * size_.step() < end; at += step, ++begun_) {
    std::vector<float> window(length, 0.0f);
    for (std::size_t i = 0; i < length && at + i < held_.size(); ++i) window[i] = held_[at + i];
    windows.push_back(std::move(window));
  }
  held_.clear();
  return windows;
}

}  // namespace rushes::ditto
