// For benchmarks: while one of these lives, attention and narrow linear layers on its thread run by libtorch's
// operators.
#pragma once

namespace rushes::nn {

class StockOperators {
 public:
  StockOperators() noexcept { ++alive_; }
  ~StockOperators() { --alive_; }
  StockOperators(const StockOperators&) = delete;
  StockOperators& operator=(const StockOperators&) = delete;

  static bool wanted() noexcept { return alive_ > 0; }

 private:
  static inline thread_local int alive_ = 0;
};

}  // namespace rushes::nn
