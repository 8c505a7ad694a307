// Sound that a generator still needs, numbered from the beginning of the session whatever of it is gone. Copies share
// it: a session is copied at each block border, and many minutes of speech may wait. No libtorch here.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace rushes::generation {

class SampleTape {
 public:
  void add(std::span<const float> samples) {
    for (; !samples.empty(); samples = samples.subspan(std::min(kPieceSamples, samples.size())))
      add_piece({samples.begin(), samples.begin() + std::min(kPieceSamples, samples.size())});
  }
  /// Silence up to sample `until`.
  void pad(int64_t until) {
    while (end_ < until) add_piece(std::vector<float>(std::min(kPieceSamples, static_cast<std::size_t>(until - end_))));
  }
  /// Samples so far, those that are gone included.
  int64_t end() const { return end_; }
  /// Samples [first, end) as far as they are there.
  std::vector<float> samples(int64_t first, int64_t end) const {
    std::vector<float> found;
    for (auto piece = piece_of(first); first < end && piece != pieces_.end() && piece->begin < end; ++piece) {
      const auto in = [&](int64_t at) { return std::clamp(at, piece->begin, piece->end()) - piece->begin; };
      found.insert(found.end(), piece->samples->begin() + in(first), piece->samples->begin() + in(end));
    }
    return found;
  }
  /// Those before `sample` are not asked for any more.
  void forget_before(int64_t sample) { pieces_.erase(pieces_.begin(), piece_of(sample)); }
  /// What other copies share included.
  int64_t bytes() const {
    return pieces_.empty() ? 0 : (end_ - pieces_.front().begin) * static_cast<int64_t>(sizeof(float));
  }

 private:
  static constexpr std::size_t kPieceSamples = 1 << 14;  // goes as a whole

  struct Piece {
    int64_t begin;
    std::shared_ptr<const std::vector<float>> samples;
    int64_t end() const { return begin + static_cast<int64_t>(samples->size()); }
  };

  void add_piece(std::vector<float> samples) {
    const int64_t begin = end_;
    end_ += static_cast<int64_t>(samples.size());
    pieces_.push_back({begin, std::make_shared<const std::vector<float>>(std::move(samples))});
  }
  /// The first one that ends behind `sample`.
  std::deque<Piece>::const_iterator piece_of(int64_t sample) const {
    return std::partition_point(pieces_.begin(), pieces_.end(),
                                [&](const Piece& piece) { return piece.end() <= sample; });
  }

  std::deque<Piece> pieces_;  // without gaps
  int64_t end_ = 0;
};

}  // namespace rushes::generation
