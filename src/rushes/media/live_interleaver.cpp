#include "rushes/media/live_interleaver.h"

#include <utility>
#include <vector>

#include "rushes/media/audio_encoder.h"

namespace rushes::media {
namespace {

constexpr int64_t kSilenceHz = 44'100;  // what sites recommend
constexpr int kLag = 3;                 // units that an encoder may hold back, and one for roundings

Pts duration_of(const AudioTrack& track, int64_t units) {
  return Pts{(units * track.unit_samples * Pts::period::den + track.hz / 2) / track.hz};
}

/// A unit from within silence; all of them are the same.
AccessUnit silent_unit(AudioEncoder encoder) {
  const std::vector<float> zeros(static_cast<std::size_t>(8 * encoder.track().unit_samples));
  return encoder.encode(zeros, 0).back();
}

}  // namespace

LiveInterleaver::LiveInterleaver(const AudioTrack* audio, Silence silence)
    : fills_(silence == Silence::where_there_is_no_audio) {
  if (audio) {
    track_ = *audio;
  } else if (fills_) {
    track_ = AudioEncoder(kSilenceHz).track();
    is_silent_ = true;
  }
  if (track_ && fills_) silence_ = silent_unit(AudioEncoder(track_->hz));
}

void LiveInterleaver::append(AccessUnit audio) {
  // Where utterances join, the end of one and the beginning of the next may overlap; times go on.
  if (newest_ && audio.dts <= *newest_) return;
  newest_ = audio.dts;
  heard_until_ = audio.pts + audio.duration;
  audio_.push_back(std::move(audio));
}

void LiveInterleaver::fill(Pts until) {
  if (!fills_) return;
  const auto place = [&](int64_t unit) { return hole_ + duration_of(*track_, unit); };
  if (place(units_in_hole_) != *heard_until_) {
    hole_ = *heard_until_;
    units_in_hole_ = 0;
  }
  for (; place(units_in_hole_) < until; ++units_in_hole_) {
    AccessUnit unit = silence_;
    unit.pts = unit.dts = place(units_in_hole_);
    unit.duration = place(units_in_hole_ + 1) - unit.pts;
    append(std::move(unit));
  }
}

void LiveInterleaver::add_block(Pts begin, Pts end, std::span<const AccessUnit> audio) {
  end_ = end;
  if (!track_) return;
  if (!heard_until_) heard_until_ = begin;
  for (const AccessUnit& unit : audio) {
    if (!newest_ && unit.pts + unit.duration <= begin) continue;  // of pictures that were not sent
    fill(unit.pts - duration_of(*track_, 1) / 2);  // what is less than half a unit is a rounding, not a hole
    append(unit);
  }
  fill(is_silent_ ? end : end - duration_of(*track_, kLag));
}

void LiveInterleaver::end() {
  ended_ = true;
  if (track_ && heard_until_) fill(end_);
}

std::optional<LiveInterleaver::Unit> LiveInterleaver::next() {
  const auto take = [](std::deque<AccessUnit>& from, bool is_audio) {
    Unit unit{std::move(from.front()), is_audio};
    from.pop_front();
    return unit;
  };
  if (!audio_.empty() && (pictures_.empty() || audio_.front().dts <= pictures_.front().dts)) return take(audio_, true);
  if (pictures_.empty()) return std::nullopt;
  // Without silence nobody knows when sound comes again: pictures wait for none.
  const bool first = !track_ || !fills_ || ended_ || !audio_.empty() || pictures_.front().dts <= *heard_until_;
  return first ? std::optional(take(pictures_, false)) : std::nullopt;
}

}  // namespace rushes::media
