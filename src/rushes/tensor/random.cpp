#include "rushes/tensor/random.h"

#include <ATen/CPUGeneratorImpl.h>

#include "rushes/tensor/ops.h"

namespace rushes::tensor {

namespace {

/// The twister's own seeding by several words, so that all bits of both count.
/// Source: init_by_array() of Matsumoto and Nishimura,
/// http://www.math.sci.hiroshima-u.ac.jp/m-mat/MT/MT2002/emt19937ar.html
at::mt19937 twister_of(uint64_t seed) {
  constexpr auto kSize = static_cast<uint32_t>(at::MERSENNE_STATE_N);
  const uint32_t key[] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  at::mt19937 twister(19650218);
  at::mt19937_data_pod data = twister.data();
  auto& state = data.state_;
  uint32_t i = 1;
  const auto mixed = [&](uint32_t factor) { return state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * factor); };
  const auto advance = [&] {
    if (++i < kSize) return;
    state[0] = state[kSize - 1];
    i = 1;
  };
  for (uint32_t k = 0; k < kSize; ++k, advance()) state[i] = mixed(1664525) + key[k % 2] + k % 2;
  for (uint32_t k = 1; k < kSize; ++k, advance()) state[i] = mixed(1566083941) - i;
  state[0] = 0x80000000;
  data.seed_ = seed;
  twister.set_data(data);
  return twister;
}

}  // namespace

RandomStream::RandomStream(uint64_t seed) : generator_(at::detail::createCPUGenerator(seed)) {
  // The reference framework reads the lower 32 bits.
  if (seed >> 32 != 0) generator_.get<at::CPUGeneratorImpl>()->set_engine(twister_of(seed));
}

RandomStream::RandomStream(const RandomStream& other) : generator_(other.generator_.clone()) {}

RandomStream& RandomStream::operator=(const RandomStream& other) {
  generator_ = other.generator_.clone();
  return *this;
}

at::Tensor RandomStream::normal(at::IntArrayRef sizes, at::ScalarType dtype) {
  // Always drawn in float32: the half-precision kernels group the stream differently on some processors.
  return at::randn(sizes, generator_, at::TensorOptions().dtype(at::kFloat)).to(dtype);
}

}  // namespace rushes::tensor
