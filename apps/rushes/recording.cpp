#include "recording.h"

#include <algorithm>
#include <exception>
#include <future>
#include <span>
#include <utility>

#include "rushes/base/channel.h"
#include "rushes/base/error.h"
#include "rushes/base/interruption.h"

namespace rushes::app {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// Enough for encoding to overlap with generation; more would only delay the moment at which a slow disk or pipe is
// felt.
constexpr std::size_t kQueuedBlocks = 2;

/// The writing side. Reader::gone or an exception closes the channel, which ends the generating side.
struct Writer {
  media::VideoOutput& output;
  profiling::Profiler* profiler;
  base::Channel<generation::FrameBlock> blocks{kQueuedBlocks};
  std::atomic<int64_t> first_frame_ns{-1};

  media::Reader run(Clock::time_point start) {
    struct Close {
      base::Channel<generation::FrameBlock>& channel;
      ~Close() { channel.close(); }
    } close_at_end{blocks};
    while (const auto block = blocks.receive()) {
      const profiling::Stopwatch watch(profiler);
      const media::OutputTimes before = output.times();
      const std::vector<float>* audio = block->audio.samples.get();
      const auto reader = output.write(block->rgb.get(), block->video_frames,
                                       audio ? std::span<const float>(*audio) : std::span<const float>());
      if (reader == media::Reader::gone) return media::Reader::gone;
      if (profiler) report(*block, watch.start(), before);
      if (first_frame_ns < 0) first_frame_ns = std::chrono::nanoseconds(Clock::now() - start).count();
    }
    output.finish();
    return media::Reader::present;
  }

  /// What the write of `block` that began at `start` took. Delivery is shown after encoding; where an output does both
  /// picture by picture, that is their sums.
  void report(const generation::FrameBlock& block, profiling::Microseconds start, const media::OutputTimes& before) {
    profiling::Span span;
    span.segment = block.segment;
    span.block = block.block;
    span.video_frames = block.video_frames;
    span.stage = profiling::Stage::encode;
    span.start = start;
    span.duration = output.times().encode - before.encode;
    profiler->add(span);
    span.stage = profiling::Stage::deliver;
    span.start += span.duration;
    span.duration = output.times().deliver - before.deliver;
    profiler->add(span);
    profiler->first_frame();
  }

  std::optional<Seconds> first_frame() const {
    const int64_t ns = first_frame_ns;
    return ns < 0 ? std::nullopt : std::optional<Seconds>(std::chrono::nanoseconds(ns));
  }
};

/// Takes over what an event says about the block in work.
struct Follow {
  Progress& progress;
  void operator()(const generation::BlockProgress& event) const {
    progress.segment = event.segment;
    progress.block = event.block;
    progress.step = event.step;
    progress.steps = event.steps;
  }
  void operator()(const generation::PromptApplied& event) const {
    progress.segment = event.segment;
    progress.block = event.block;
    progress.step = 0;
  }
  void operator()(const generation::FrameBlock& event) const {
    ++progress.blocks;
    progress.video_frames += event.video_frames;
  }
  void operator()(const generation::UtteranceEnded&) const {}
  void operator()(const generation::TextChunk&) const {}
  void operator()(const generation::PreviewFrames&) const {}
  void operator()(const generation::TrackFailed&) const {}
};

/// Cuts what exceeds `wanted` video frames in all.
void cut(generation::FrameBlock& block, int64_t before, std::optional<int64_t> wanted) {
  if (wanted) block.video_frames = std::min(block.video_frames, *wanted - before);
}

/// Steps until something ends it.
RecordingEnd generate(generation::Generator& generator, Writer& writer, Progress& progress,
                      const RecordingOptions& options, Clock::time_point start) {
  generation::Inbox inbox;
  for (;;) {
    base::interruption_point();
    generation::StepResult result = generator.step(std::exchange(inbox, {}));
    for (generation::Event& event : result.events) {
      auto* block = std::get_if<generation::FrameBlock>(&event);
      if (block) cut(*block, progress.video_frames, options.max_video_frames);
      std::visit(Follow{progress}, event);
      if (const auto* chunk = std::get_if<generation::TextChunk>(&event); chunk && options.on_text)
        options.on_text(chunk->last ? chunk->utf8 + "\n" : chunk->utf8);
      if (const auto* failed = std::get_if<generation::TrackFailed>(&event); failed && options.on_track_failed)
        options.on_track_failed(*failed);
      if (block && block->video_frames > 0 && !writer.blocks.send(std::move(*block))) return RecordingEnd::reader_gone;
      progress.elapsed = Clock::now() - start;
      progress.first_frame = writer.first_frame();
      if (options.on_progress) options.on_progress(progress);
      if (options.max_video_frames && progress.video_frames >= *options.max_video_frames) return RecordingEnd::finished;
    }
    if (result.outcome == generation::StepOutcome::finished) return RecordingEnd::finished;
    if (result.outcome != generation::StepOutcome::needs_input) continue;
    require(static_cast<bool>(options.input), ErrorCode::invalid_argument,
            "the model waits for input that this command cannot provide");
    inbox = options.input();
  }
}

}  // namespace

std::string progress_line(const Progress& progress, const generation::VideoFormat& format) {
  std::string line;
  if (format.segments > 0)
    line = fmt::format("block {}/{}", progress.blocks,
                       format.blocks_per_segment + (format.segments - 1) * format.blocks_per_later_segment);
  else
    line = fmt::format("block {}", progress.blocks);
  if (progress.steps > 0) line += fmt::format(" · step {}/{}", progress.step, progress.steps);
  line += fmt::format(" · {} frames · {:.1f} fps", progress.video_frames, progress.fps());
  if (progress.first_frame) line += fmt::format(" · first after {:.2f} s", progress.first_frame->count());
  if (format.video_frames && progress.video_frames > 0 && progress.fps() > 0) {
    const double left =
        static_cast<double>(std::max<int64_t>(0, *format.video_frames - progress.video_frames)) / progress.fps();
    line += left < 90 ? fmt::format(" · {:.1f} s left", left) : fmt::format(" · {:.0f} min left", left / 60);
  }
  return line;
}

Recorded record(generation::Generator& generator, media::VideoOutput& output, const RecordingOptions& options) {
  const auto start = Clock::now();
  Writer writer{output, options.profiler};
  std::future<media::Reader> written = std::async(std::launch::async, [&] { return writer.run(start); });
  Recorded recorded;
  std::exception_ptr failure;
  try {
    recorded.end = generate(generator, writer, recorded.progress, options, start);
  } catch (const base::Interrupted&) {
    recorded.end = RecordingEnd::stopped;
  } catch (...) {
    failure = std::current_exception();
  }
  writer.blocks.close();
  // The cause of a failed write stands in the writer; it comes first, since it also ends the generating side.
  if (written.get() == media::Reader::gone) recorded.end = RecordingEnd::reader_gone;
  if (failure) std::rethrow_exception(failure);
  recorded.progress.elapsed = Clock::now() - start;
  recorded.progress.first_frame = writer.first_frame();
  return recorded;
}

}  // namespace rushes::app
