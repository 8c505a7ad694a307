// Memory of tensors on the CPU: kept for the next tensor instead of being given back, counted, and bounded.
// glibc returns every large block to the kernel, which then clears it anew page by page: on the shapes of a video model
// that costs more than most operators.
#pragma once
#include <cstdint>

namespace rushes::tensor {

struct CpuAllocatorOptions {
  int64_t kept_bytes = int64_t{4} << 30;  // most that free blocks may hold; what comes above goes back to the system
  int64_t limit_bytes = 0;                // tensors together; more is Error(exhausted). 0: no limit
};

struct CpuMemory {
  int64_t used_bytes;     // held by tensors now
  int64_t peak_bytes;     // the most they held since the start or forget_cpu_peak()
  int64_t kept_bytes;     // free, ready for the next tensor
  int64_t large_blocks;   // allocations above 64 KiB since the start
  int64_t reused_blocks;  // of these, served from kept ones
};

/// Makes libtorch take CPU tensors' memory from here. Once, early in main(), before threads start; tensors that exist
/// already are freed by whoever made them. Calling again changes the options. Each tensor from 64 KiB on is a
/// base::interruption_point(), so that every operator of size is one, in whichever model, also while it is loaded.
void install_cpu_allocator(const CpuAllocatorOptions& options = {});

/// Zeros before install_cpu_allocator(). Any thread.
CpuMemory cpu_memory();

/// The peak begins anew at what tensors hold now. Any thread.
void forget_cpu_peak();

/// Gives all free blocks back to the system, as between sessions. Any thread.
void trim_cpu_memory();

}  // namespace rushes::tensor
