// A count of what is there at the moment.
#pragma once
#include <cstdint>
#include <utility>

namespace rushes::server {

/// Counts as one while it lives, however that ends. One thread.
class Counted {
 public:
  explicit Counted(int64_t& count) : count_(&count) { ++*count_; }
  Counted(Counted&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
  ~Counted() {
    if (count_) --*count_;
  }
  Counted& operator=(Counted&&) = delete;

 private:
  int64_t* count_;
};

}  // namespace rushes::server
