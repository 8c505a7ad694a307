// Tables of a session that are known before its frames: blinks and fades.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

namespace rushes::ditto {

/// How many frames eyes stay open between blinks.
struct BlinkRule {
  std::vector<int64_t> open;  // taken in turn; one value: always; empty: random from 60 to 100
  bool never = false;
};

/// Row of the blink's array for each of `frames` frames; 0 is also the row of open eyes. `blink` is the array's length.
/// `random` gives integers from 60 to 100; called only where the rule has none of its own.
std::vector<int64_t> blink_rows(int64_t frames, int64_t blink, const BlinkRule& rule,
                                const std::function<int64_t()>& random);

/// fade_alpha by frame number: rising from 0 over the first `fade_in` frames, falling to 0 at the last one. The first
/// frame of a fade that is longer than the video has a negative number. Fading out rules where both meet.
std::map<int64_t, double> fade_alphas(int64_t frames, int64_t fade_in, int64_t fade_out);

}  // namespace rushes::ditto
