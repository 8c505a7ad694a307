#include "rushes/delivery/playout.h"

#include <algorithm>

namespace rushes::delivery {
namespace {

using namespace std::chrono_literals;
using Time = Playout::Time;

constexpr Time kCatchUpWindow = 2s, kReserve = 5ms, kHeardReserve = 2 * Playout::kAudioUnit;
constexpr int kSlowest = 20;  // of a block, this part at most is caught up

Time whole_units(Time time) { return (time + Playout::kAudioUnit - 1ns) / Playout::kAudioUnit * Playout::kAudioUnit; }

}  // namespace

void Playout::come(const Block& block, Time now) {
  const Time late = start_ ? now - *start_ - block.begin : 0ns;
  if (start_ && late <= 0ns) {
    if (block.at_live_end) catch_up(block, now);
    return;
  }
  // What an encoder holds back of the sound comes with the next block: a unit in hand, and none of it is late.
  if (start_ && block.heard)
    *start_ += whole_units(late);
  else
    start_ = now - block.begin + (block.heard ? kAudioUnit : 0ns);
  least_early_ = Time::max();
  watched_ = to_catch_up_ = allowed_ = 0ns;
}

void Playout::catch_up(const Block& block, Time now) {
  const Time duration = block.end - block.begin;
  allowed_ = std::min(to_catch_up_, allowed_ + duration / kSlowest);
  const Time step = block.heard ? (allowed_ >= kAudioUnit ? kAudioUnit : 0ns) : allowed_;
  *start_ -= step;
  to_catch_up_ -= step;
  allowed_ -= step;
  least_early_ = std::min(least_early_, *start_ + block.begin - now);
  watched_ += duration;
  if (watched_ < kCatchUpWindow) return;
  to_catch_up_ = std::max(0ns, least_early_ - (block.heard ? kHeardReserve : kReserve));
  least_early_ = Time::max();
  watched_ = 0ns;
}

}  // namespace rushes::delivery
