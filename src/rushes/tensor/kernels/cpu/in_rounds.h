// Parallel loops over work of size, which can be interrupted on their way.
#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#include "rushes/base/interruption.h"

namespace rushes::tensor::kernels {

/// at::parallel_for over tasks of `flop` operations each, in rounds that keep each thread busy for about a tenth of a
/// second, with an interruption_point() before each.
template <typename Run>
void in_rounds(int64_t tasks, int64_t flop, const Run& run) {
  constexpr int64_t kRoundFlop = int64_t{4} << 30;  // of a thread
  const int64_t each = std::max<int64_t>(1, kRoundFlop / std::max<int64_t>(flop, 1)),
                round = each * at::get_num_threads();
  for (int64_t first = 0; first < tasks; first += round) {
    base::interruption_point();
    at::parallel_for(first, std::min(tasks, first + round), 1, run);
  }
}

}  // namespace rushes::tensor::kernels
