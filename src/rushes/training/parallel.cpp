#include "rushes/training/parallel.h"

#include <ATen/CPUGeneratorImpl.h>

#include <exception>
#include <thread>
#include <vector>

#include "rushes/tensor/ops.h"
#include "rushes/training/random.h"

namespace rushes::training {

void in_parallel(int64_t count, const std::function<void(int64_t)>& work) {
  std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(count));
  const auto guarded = [&](int64_t index) {
    try {
      work(index);
    } catch (...) {
      thrown[static_cast<std::size_t>(index)] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int64_t i = 1; i < count; ++i) threads.emplace_back(guarded, i);
    guarded(0);
  }
  for (const std::exception_ptr& error : thrown)
    if (error) std::rethrow_exception(error);
}

int64_t parallel_parts(int64_t batch, int64_t threads, at::Device device) {
  if (!device.is_cpu()) return 1;
  int64_t parts = std::min(batch, threads);
  while (batch % parts != 0) --parts;
  return parts;
}

at::Tensor normal(at::IntArrayRef sizes, const at::Generator& random, at::Device device) {
  return at::randn(sizes, random, at::TensorOptions(at::kFloat)).to(device);
}

at::Tensor uniform(at::IntArrayRef sizes, const at::Generator& random, at::Device device) {
  return at::rand(sizes, random, at::TensorOptions(at::kFloat)).to(device);
}

at::Generator generator_of(uint64_t seed, int64_t step, int64_t part) {
  Random random(seed ^ (static_cast<uint64_t>(step) << 8), static_cast<uint64_t>(part));
  return at::detail::createCPUGenerator(random.next());
}

}  // namespace rushes::training
