// For benchmarks, and to measure what a dtype costs a model whoever computes it: while one of these lives, attention,
// linear layers and, where made meanwhile, convolutions on its thread run by libtorch's operators, with the dtype of
// the weights throughout.
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
