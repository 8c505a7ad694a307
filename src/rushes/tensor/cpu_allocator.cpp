#include "rushes/tensor/cpu_allocator.h"

#include <c10/core/Allocator.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <mutex>

#include "rushes/base/error.h"
#include "rushes/base/interruption.h"

namespace rushes::tensor {
namespace {

constexpr size_t kLarge = size_t{64} << 10;      // smaller blocks stay with malloc, which serves them well
constexpr size_t kSmallStep = size_t{16} << 10;  // kept blocks are whole steps, so that sizes meet again:
constexpr size_t kStep = size_t{1} << 20;        // small ones up to a MiB, large ones above
constexpr size_t kHugePage = size_t{2} << 20;
// A kept block that so many allocations could not use goes back to the system: after sessions of other shapes, or more
// of them at a time, than there are now. Counted, not timed, so that an idle server stays ready.
constexpr int64_t kUnusedFor = 20'000, kLookEvery = 2048;
// Blocks come at page borders. Their data begin at different places in the page, or the rows of several tensors would
// compete for the same lines of the cache.
constexpr size_t kColours = 16, kColourStep = 256;

/// Stands before the data; its size keeps the data's alignment.
struct alignas(64) Header {
  void* block;
  size_t size;
};
constexpr size_t kHeader = sizeof(Header);

Header& header_of(void* data) { return *(static_cast<Header*>(data) - 1); }

class KeepingAllocator final : public c10::Allocator {
 public:
  static KeepingAllocator& instance() {
    static KeepingAllocator* const one = new KeepingAllocator;  // never destroyed: tensors outlive every static object
    return *one;
  }

  c10::DataPtr allocate(size_t bytes) override {
    void* data = bytes == 0 ? nullptr : take(bytes);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};  // context = data: what raw_allocate asks for
  }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t count) const override { default_copy_data(to, from, count); }

  void configure(const CpuAllocatorOptions& options) {
    const std::lock_guard lock(mutex_);
    kept_limit_ = options.kept_bytes;
    used_limit_ = options.limit_bytes;
  }

  CpuMemory memory() {
    const std::lock_guard lock(mutex_);
    return {used_, peak_, kept_, large_blocks_, reused_blocks_};
  }
  void forget_peak() { peak_ = used_.load(); }

  void trim(int64_t keep) {
    const std::lock_guard lock(mutex_);
    trim_locked(keep);
  }

 private:
  void* take(size_t bytes) {
    const size_t wanted = bytes + kHeader;
    if (wanted < kLarge) return place(take_small(wanted), wanted, 0);
    base::interruption_point();
    const size_t coloured = wanted + (kColours - 1) * kColourStep, step = coloured < kStep ? kSmallStep : kStep;
    return take_large((coloured + step - 1) / step * step);
  }

  static void* place(void* block, size_t size, size_t offset) {
    void* data = static_cast<char*>(block) + offset + kHeader;
    header_of(data) = {block, size};
    return data;
  }

  void* take_small(size_t size) {
    count(static_cast<int64_t>(size));
    void* block = std::aligned_alloc(kHeader, (size + kHeader - 1) / kHeader * kHeader);
    if (block == nullptr) {
      used_ -= static_cast<int64_t>(size);
      fail(ErrorCode::exhausted, "the system has no memory for a tensor of {} bytes", size);
    }
    return block;
  }

  void* take_large(size_t size) {
    size_t offset;
    {
      const std::lock_guard lock(mutex_);
      if (++large_blocks_ % kLookEvery == 0) give_back_unused_locked();
      offset = large_blocks_ % kColours * kColourStep;
      // A kept block may be a quarter larger than needed; more would waste what other tensors could use.
      const auto fitting = free_.lower_bound(size);
      if (fitting != free_.end() && fitting->first <= size + size / 4) {
        // Of its size the one that was used last, so that those that are too many stay unused.
        const auto found = std::prev(free_.upper_bound(fitting->first));
        const size_t kept_size = found->first;
        void* const block = found->second.block;
        count(static_cast<int64_t>(kept_size));
        kept_ -= static_cast<int64_t>(kept_size);
        free_.erase(found);
        ++reused_blocks_;
        return place(block, kept_size, offset);
      }
    }
    count(static_cast<int64_t>(size));
    void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
      used_ -= static_cast<int64_t>(size);
      trim(0);
      fail(ErrorCode::exhausted, "the system has no memory for a tensor of {} KiB; use a smaller size, batch or model",
           size >> 10);
    }
    if (size >= kHugePage) madvise(block, size, MADV_HUGEPAGE);  // fewer page faults at first use; a wish only
    return place(block, size, offset);
  }

  void count(int64_t bytes) {
    const int64_t used = used_.fetch_add(bytes) + bytes, limit = used_limit_;
    if (limit > 0 && used > limit) {
      used_ -= bytes;
      fail(
          ErrorCode::exhausted,
          "tensors would use {} MiB, but the limit is {} MiB; use a smaller size or fewer sessions, or raise the limit",
          used >> 20, limit >> 20);
    }
    int64_t peak = peak_;
    while (used > peak && !peak_.compare_exchange_weak(peak, used)) {}
  }

  static void release(void* data) {
    if (data == nullptr) return;
    const auto [block, size] = header_of(data);
    KeepingAllocator& self = instance();
    self.used_ -= static_cast<int64_t>(size);
    if (size < kLarge) {
      std::free(block);
      return;
    }
    const std::lock_guard lock(self.mutex_);
    self.free_.emplace(size, Kept{block, self.large_blocks_});
    self.kept_ += static_cast<int64_t>(size);
    self.trim_locked(self.kept_limit_);
  }

  /// Gives the largest free blocks back until at most `keep` bytes are free.
  void trim_locked(int64_t keep) {
    while (kept_ > keep && !free_.empty()) {
      const auto largest = std::prev(free_.end());
      kept_ -= static_cast<int64_t>(largest->first);
      munmap(largest->second.block, largest->first);
      free_.erase(largest);
    }
  }

  void give_back_unused_locked() {
    for (auto each = free_.begin(); each != free_.end();) {
      if (large_blocks_ - each->second.since <= kUnusedFor) {
        ++each;
        continue;
      }
      kept_ -= static_cast<int64_t>(each->first);
      munmap(each->second.block, each->first);
      each = free_.erase(each);
    }
  }

  struct Kept {
    void* block;
    int64_t since;  // large_blocks_ when it was released
  };

  std::mutex mutex_;                  // guards all but the atomics
  std::multimap<size_t, Kept> free_;  // of one size in the order of their release
  std::atomic<int64_t> used_ = 0, peak_ = 0, used_limit_ = 0;
  int64_t kept_ = 0, kept_limit_ = 0, large_blocks_ = 0, reused_blocks_ = 0;
};

}  // namespace

void install_cpu_allocator(const CpuAllocatorOptions& options) {
  constexpr uint8_t kPriority = 10;  // above libtorch's own
  KeepingAllocator::instance().configure(options);
  c10::SetAllocator(c10::DeviceType::CPU, &KeepingAllocator::instance(), kPriority);
}

CpuMemory cpu_memory() { return KeepingAllocator::instance().memory(); }

void forget_cpu_peak() { KeepingAllocator::instance().forget_peak(); }

void trim_cpu_memory() { KeepingAllocator::instance().trim(0); }

}  // namespace rushes::tensor
