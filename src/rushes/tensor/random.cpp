#include "rushes/tensor/random.h"

#include <ATen/CPUGeneratorImpl.h>

#include "rushes/tensor/ops.h"

namespace rushes::tensor {

RandomStream::RandomStream(uint64_t seed) : generator_(at::detail::createCPUGenerator(seed)) {}

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
