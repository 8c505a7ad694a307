// When each block of a broadcast is due: pictures and sound of the same time at the same moment, late blocks moved
// together with all that follows. Plain arithmetic; times are those of one clock.
#pragma once
#include <chrono>
#include <optional>

namespace rushes::delivery {

/// One thread.
class Playout {
 public:
  using Time = std::chrono::nanoseconds;
  /// Of sound, one unit of Opus. Listeners hear each change of `start()`; if it is a whole number of units, a decoder
  /// conceals one that lacks or one too many, and has no other trouble.
  static constexpr Time kAudioUnit = std::chrono::milliseconds(20);

  struct Block {
    Time begin{0}, end{0};  // in the video
    bool at_live_end = false;
    bool heard = false;
  };
  /// A block is there to be sent. One that comes late moves all that follows. At the live end such a delay is caught
  /// up, unnoticeably, as far as blocks have come early since; where there is sound, by units that are left out.
  void come(const Block& block, Time now);

  /// When the picture of time 0 is or was due, before the clock's own zero where the video is older than the clock.
  /// Nothing: no block has come.
  std::optional<Time> start() const { return start_; }

 private:
  void catch_up(const Block& block, Time now);

  std::optional<Time> start_;
  // How early blocks came at the least within the last seconds: what may be caught up after a delay.
  Time least_early_ = Time::max(), watched_{0}, to_catch_up_{0};
  Time allowed_{0};  // to be taken off by now, where it goes by whole units
};

}  // namespace rushes::delivery
