// The only file of the package that sees libtorch.
#include <ATen/Parallel.h>

#include <mutex>

#include "generation.h"
#include "rushes/tensor/cpu_allocator.h"

namespace rushes::python {

void use_threads(int threads, int64_t parameters) {
  // Loops of small models are so short that meeting at their ends costs more than a second core brings.
  constexpr int64_t kSmall = 16'000'000;
  if (threads > 0)
    at::set_num_threads(threads);
  else if (parameters < kSmall)
    at::set_num_threads(1);
}

void use_cpu_allocator() {
  static std::once_flag once;
  std::call_once(once, [] { tensor::install_cpu_allocator(); });
}

}  // namespace rushes::python
