// Bodies of requests on their way in, of all connections together: the memory that they take before anybody has looked
// at them, and until they are answered.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>

#include "rushes/base/memory_budget.h"

namespace rushes::server {

/// The server's thread only.
class Uploads {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr int64_t kProgressBytes = 64 << 10;    // fewer within this time is no progress: the body may
  static constexpr std::chrono::seconds kPatience{2};    // be ended when others need the room
  static constexpr int64_t kFreeBytes = kProgressBytes;  // of each body: small ones always fit

  explicit Uploads(int64_t most_bytes) : memory_(most_bytes) {}

  /// One body.
  class Upload {
   public:
    /// `interrupt` ends the reading of it.
    Upload(Uploads& all, std::function<void()> interrupt)
        : all_(all), interrupt_(std::move(interrupt)), charge_(all.memory_.charge()) {
      place_ = all_.coming_.insert(all_.coming_.end(), this);
    }
    ~Upload() { complete(); }
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;

    /// It has so many bytes by now. False: there is no room for them, nor can any be made; they are to be let go.
    bool grow(int64_t bytes, Clock::time_point now = Clock::now());
    /// Nothing more comes; what has come still takes its room.
    void complete();
    /// It was ended to make room.
    bool interrupted() const noexcept { return interrupted_; }

   private:
    friend class Uploads;
    Uploads& all_;
    std::function<void()> interrupt_;
    base::MemoryBudget::Charge charge_;
    std::optional<std::list<Upload*>::iterator> place_;  // nothing: it is complete
    int64_t progress_bytes_ = 0;                         // when it last made progress
    Clock::time_point progress_ = Clock::now();
    bool interrupted_ = false;
  };

  const base::MemoryBudget& memory() const noexcept { return memory_; }
  int64_t interrupted() const noexcept { return interrupted_; }

 private:
  bool make_room(const Upload& for_whom, Clock::time_point now);

  base::MemoryBudget memory_;
  std::list<Upload*> coming_;
  int64_t interrupted_ = 0;
};

}  // namespace rushes::server
