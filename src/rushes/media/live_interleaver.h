// Pictures and sound in the one order of a live stream. Sites that take live streams want sound without holes, and
// refuse a stream that has none: where there is no sound there is silence.
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "rushes/media/access_unit.h"

namespace rushes::media {

/// One thread.
class LiveInterleaver {
 public:
  enum class Silence { none, where_there_is_no_audio };
  /// `audio`: the track of the sound that comes; nothing: none comes.
  explicit LiveInterleaver(const AudioTrack* audio, Silence silence);

  /// The track that is sent; null: pictures alone.
  const AudioTrack* audio_track() const { return track_ ? &*track_ : nullptr; }

  /// The next block, whose pictures lie from `begin` to `end`, with the sound that its encoder gave for it; that may
  /// lag behind the pictures by some units. Before the block's pictures.
  void add_block(Pts begin, Pts end, std::span<const AccessUnit> audio);
  void add_picture(AccessUnit picture) { pictures_.push_back(std::move(picture)); }
  /// Nothing more will come: next() gives what is held back.
  void end();

  struct Unit {
    AccessUnit unit;
    bool is_audio = false;
  };
  /// The next unit by decoding time. Nothing: the other track's next one might be earlier.
  std::optional<Unit> next();

 private:
  void append(AccessUnit audio);
  /// Units of silence that begin before `until`.
  void fill(Pts until);

  bool fills_;
  bool is_silent_ = false;  // nothing but silence is sent
  std::optional<AudioTrack> track_;
  AccessUnit silence_;  // one unit of it
  std::deque<AccessUnit> pictures_, audio_;
  std::optional<Pts> heard_until_;  // sound up to there was appended; nothing: no block has come
  std::optional<Pts> newest_;       // unit of sound
  Pts end_{0};                      // of the pictures
  Pts hole_{0};                     // where the silence in work began,
  int64_t units_in_hole_ = 0;       // and its units so far, so that their lengths do not drift
  bool ended_ = false;
};

}  // namespace rushes::media
