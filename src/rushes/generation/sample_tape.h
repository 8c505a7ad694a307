// Sound that a generator still needs, numbered from the beginning of the session whatever of it is gone. No libtorch
// here.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace rushes::generation {

class SampleTape {
 public:
  void add(std::span<const float> samples) { samples_.insert(samples_.end(), samples.begin(), samples.end()); }
  /// Silence up to sample `until`.
  void pad(int64_t until) {
    if (until > end()) samples_.resize(static_cast<std::size_t>(until - begin_), 0.0f);
  }
  /// Samples so far, those that are gone included.
  int64_t end() const { return begin_ + static_cast<int64_t>(samples_.size()); }
  /// Samples [first, end) as far as they are there; valid until the next change.
  std::span<const float> samples(int64_t first, int64_t end) const {
    const auto in = [&](int64_t at) { return std::clamp(at, begin_, this->end()) - begin_; };
    const int64_t from = in(first), count = std::max<int64_t>(0, in(end)-from);
    return std::span(samples_).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(count));
  }
  /// Those before `sample` are not asked for any more. They go in large steps: a file that comes at once is minutes of
  /// sound, and each erasing moves what is left of it.
  void forget_before(int64_t sample) {
    const int64_t gone = std::min(sample, end()) - begin_;
    if (gone <= 0 || 2 * gone < static_cast<int64_t>(samples_.size())) return;
    samples_.erase(samples_.begin(), samples_.begin() + gone);
    if (samples_.capacity() > 4 * samples_.size()) samples_.shrink_to_fit();
    begin_ += gone;
  }
  int64_t bytes() const { return static_cast<int64_t>(samples_.capacity() * sizeof(float)); }

 private:
  std::vector<float> samples_;
  int64_t begin_ = 0;
};

}  // namespace rushes::generation
