// Random numbers of the procedural worlds.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace rushes::training {

/// What a world shows in training, and what it keeps for measurements.
enum class Split { train, held_out };

/// Deterministic random numbers (splitmix64); the standard library's distributions differ between machines.
class Random {
 public:
  Random(uint64_t seed, uint64_t stream);
  uint64_t next();
  double uniform(double low = 0, double high = 1);
  int64_t below(int64_t bound);
  template <typename T, std::size_t N>
  const T& pick(const std::array<T, N>& from) {
    return from[static_cast<std::size_t>(below(N))];
  }

 private:
  uint64_t state_;
};

}  // namespace rushes::training
