// A generator's video, written while it is made: stepping on the caller's thread, encoding and writing on another.
#pragma once
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "rushes/generation/generator.h"
#include "rushes/media/video_output.h"
#include "rushes/profiling/profiler.h"

namespace rushes::app {

/// How far a recording has come. Times count from its start.
struct Progress {
  int64_t segment = 0, block = 0;        // the one in work; block counts within the segment
  int64_t step = 0, steps = 0;           // of the block in work
  int64_t blocks = 0, video_frames = 0;  // generated
  std::chrono::duration<double> elapsed{0};
  std::optional<std::chrono::duration<double>> first_frame = {};  // when the first block was written

  /// Video frames per second of wall time so far.
  double fps() const { return elapsed.count() > 0 ? static_cast<double>(video_frames) / elapsed.count() : 0; }
};

/// One line for people, without a line break: blocks, frames, rate, time to the first frame, time left.
std::string progress_line(const Progress& progress, const generation::VideoFormat& format);

enum class RecordingEnd { finished, stopped, reader_gone };

struct Recorded {
  RecordingEnd end = RecordingEnd::finished;
  Progress progress;
};

struct RecordingOptions {
  std::optional<int64_t> max_video_frames = {};           // what exceeds it is cut off the last block
  std::function<void(const Progress&)> on_progress = {};  // after each step that brought something; may be empty
  std::function<void(std::string_view)> on_text = {};     // pieces of what the model says; may be empty
  std::function<void(const generation::TrackFailed&)> on_track_failed = {};  // the other goes on; may be empty
  /// What a generator gets that waits for input; may wait itself, with base::interruption_point(). Empty: it has to do
  /// without.
  std::function<generation::Inbox()> input = {};
  profiling::Profiler* profiler = nullptr;  // gets the times of encoding and delivery
};

/// Steps `generator` to its end, to the wanted length, until it is interrupted, or nobody reads the output; in each
/// case everything generated is written and the output is finished. What the writing side throws is thrown here. Throws
/// Error(invalid_argument) if the generator waits for input, which nobody can give it here.
Recorded record(generation::Generator& generator, media::VideoOutput& output, const RecordingOptions& options);

}  // namespace rushes::app
