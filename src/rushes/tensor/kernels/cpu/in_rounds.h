// Parallel loops over work of size, which can be interrupted on their way.
#pragma once
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "rushes/base/interruption.h"

namespace rushes::tensor::kernels {

/// Tasks of `flop` operations each that keep all threads busy for about a tenth of a second.
inline int64_t tasks_of_round(int64_t flop) {
  constexpr int64_t kRoundFlop = int64_t{4} << 30;  // of a thread
  return std::max<int64_t>(1, kRoundFlop / std::max<int64_t>(flop, 1)) * at::get_num_threads();
}

/// at::parallel_for over tasks of `flop` operations each, in rounds, with an interruption_point() before each.
template <typename Run>
void in_rounds(int64_t tasks, int64_t flop, const Run& run) {
  const int64_t round = tasks_of_round(flop);
  for (int64_t first = 0; first < tasks; first += round) {
    base::interruption_point();
    at::parallel_for(first, std::min(tasks, first + round), 1, run);
  }
}

/// run(task, thread) for each task, in such rounds too, by at most `threads`, which count from 0. A thread that is free
/// takes the next task: where other programs use the processor, equal shares end at different times.
template <typename Run>
void in_rounds_as_threads_are_free(int64_t tasks, int64_t flop, int64_t threads, const Run& run) {
  const int64_t round = tasks_of_round(flop);
  for (int64_t first = 0; first < tasks; first += round) {
    base::interruption_point();
    const int64_t end = std::min(tasks, first + round);
    std::atomic<int64_t> next = first;
    at::parallel_for(0, std::min(threads, end - first), 1, [&](int64_t thread, int64_t) {
      for (int64_t task = next++; task < end; task = next++) run(task, thread);
    });
  }
}

}  // namespace rushes::tensor::kernels
