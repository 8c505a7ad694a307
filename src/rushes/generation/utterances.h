// What generators that speak do alike with the utterances of their speech: they hear them one by one, and tell the end
// of each when all of it has been shown. No libtorch here.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "rushes/generation/generator.h"

namespace rushes::generation {

/// The speech of `inbox` in its order: hear(samples) of what is said up to the end of an utterance and behind the last
/// end, never of nothing; end_utterance() at each end.
template <typename Hear, typename EndUtterance>
void hear_utterances(const Inbox& inbox, Hear hear, EndUtterance end_utterance) {
  const std::span<const float> speech(inbox.speech);
  std::size_t begin = 0;
  const auto hear_until = [&](std::size_t end) {
    if (end > begin) hear(speech.subspan(begin, end - begin));
    begin = end;
  };
  for (const std::size_t end : inbox.utterance_ends) {
    hear_until(end);
    end_utterance();
  }
  hear_until(speech.size());
}

/// Ends of utterances that are still to be told. They rise.
class UtteranceEnds {
 public:
  /// It is over when `video_frames` of the video have been shown.
  void add(int64_t video_frames) { ends_.push_back(video_frames); }
  /// Those that so many shown frames bring.
  void tell(int64_t video_frames, StepResult& result) {
    for (; !ends_.empty() && ends_.front() <= video_frames; ends_.pop_front())
      result.events.push_back(UtteranceEnded{});
  }
  /// All of them: no frame follows.
  void tell_all(StepResult& result) {
    for (; !ends_.empty(); ends_.pop_front()) result.events.push_back(UtteranceEnded{});
  }

 private:
  std::deque<int64_t> ends_;
};

}  // namespace rushes::generation
