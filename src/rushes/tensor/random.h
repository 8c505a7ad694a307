// Reproducible normal noise: the CPU stream of the reference framework (32-bit Mersenne twister, Box-Muller in groups
// of 16), so that a seed below 2^32 gives the same latents here and there. Of larger ones that framework reads the
// lower 32 bits; here all 64 count.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rushes::tensor {

/// One stream of random numbers, owned by one session. Copying copies the position, so that a copy continues alike.
/// One thread at a time.
class RandomStream {
 public:
  explicit RandomStream(uint64_t seed);
  RandomStream(const RandomStream& other);
  RandomStream& operator=(const RandomStream& other);
  RandomStream(RandomStream&&) = default;
  RandomStream& operator=(RandomStream&&) = default;

  /// Standard normal values on the CPU. The values depend on how the stream is cut into calls (groups of 16), so the
  /// order and the sizes of draws are part of a model's contract. Narrower types are the float32 values, rounded.
  at::Tensor normal(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat);

 private:
  at::Generator generator_;
};

}  // namespace rushes::tensor
