// Data parallelism on one machine: each thread makes the gradients of its part of a batch with one core. Threads that
// meet once an update lose nothing where those of parallel operators, which meet a thousand times, lose half.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace rushes::training {

/// Calls work(0) .. work(count - 1) at once, the first on the calling thread; returns when all have. Backward passes
/// may run in all of them: gradients add up in the leaves under libtorch's own lock. Throws what a work threw.
void in_parallel(int64_t count, const std::function<void(int64_t)>& work);

/// How many threads share a batch: the largest divisor of `batch` that is no more than `threads`; one drives a GPU.
int64_t parallel_parts(int64_t batch, int64_t threads, at::Device device = at::kCPU);

/// Normal and uniform ([0, 1)) random numbers, float32, the same on every device.
at::Tensor normal(at::IntArrayRef sizes, const at::Generator& random, at::Device device);
at::Tensor uniform(at::IntArrayRef sizes, const at::Generator& random, at::Device device);

/// Random numbers of one thread's part, so that they do not depend on which thread is quicker.
at::Generator generator_of(uint64_t seed, int64_t step, int64_t part);

}  // namespace rushes::training
