#include "rushes/server/api/imtalker/json_lines.h"

#include <boost/asio/this_coro.hpp>
#include <chrono>

#include "rushes/audio/wav.h"
#include "rushes/generation/device_worker.h"
#include "rushes/media/image.h"
#include "rushes/server/http/base64.h"

namespace rushes::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kGroup = 5;  // pictures of a line, as published
constexpr std::size_t kLinesAhead = 2;

std::shared_ptr<const media::Bytes> line_of(const Json& json) {
  const std::string text = json.dump() + "\n";
  return std::make_shared<const media::Bytes>(text.begin(), text.end());
}

/// What is not yet in a line.
class Group {
 public:
  Group(int64_t hz, double fps, int64_t total) : hz_(hz), fps_(fps), total_(total) {}

  void add(const generation::FrameBlock& block, int64_t t) {
    pictures_.push_back(encode_base64(media::encode_jpeg(block.frame(t), block.width, block.height)));
    if (!block.audio.samples) return;
    // The last picture of all may have less sound than its time.
    const auto samples = std::span(*block.audio.samples);
    const auto per_frame = static_cast<int64_t>(static_cast<double>(block.audio.hz) / block.fps);
    const auto begin = std::min(static_cast<std::size_t>(per_frame * t), samples.size());
    const auto end = t + 1 == block.video_frames ? samples.size() : static_cast<std::size_t>(per_frame * (t + 1));
    const auto part = samples.subspan(begin, std::min(end, samples.size()) - begin);
    audio_.insert(audio_.end(), part.begin(), part.end());
  }

  bool empty() const { return pictures_.empty(); }
  bool full() const { return pictures_.size() == kGroup; }

  Json take(bool is_last) {
    const auto now = Clock::now();
    const double took = std::chrono::duration<double>(now - std::exchange(before_, now)).count();
    const double seconds = static_cast<double>(pictures_.size()) / fps_;
    const Json metrics{{"chunk_id", lines_},       {"generation_time", took},        {"video_duration", seconds},
                       {"rtf", took / seconds},    {"num_frames", pictures_.size()}, {"is_first_batch", lines_ == 0},
                       {"is_last_batch", is_last}, {"total_chunk_frames", total_}};
    ++lines_;
    return {{"audio", encode_base64(audio::wav_file(std::exchange(audio_, {}), hz_))},
            {"frames", std::exchange(pictures_, {})},
            {"metrics", metrics}};
  }

 private:
  const int64_t hz_;
  const double fps_;
  const int64_t total_;
  std::vector<std::string> pictures_;
  std::vector<float> audio_;
  Clock::time_point before_ = Clock::now();
  int64_t lines_ = 0;
};

}  // namespace

JsonLines::JsonLines(const Hosted& entry, int64_t total)
    : entry_(entry),
      total_(total),
      blocks_(entry.session->stream().subscribe(generation::Stream::Role::recorder, generation::Stream::From::start)),
      lines_(kLinesAhead) {}

JsonLines::~JsonLines() { entry_.session->stop("its viewer has left"); }

net::awaitable<std::shared_ptr<const media::Bytes>> JsonLines::next() {
  if (!wakeup_) {
    const net::any_io_executor executor = co_await net::this_coro::executor;
    wakeup_ = std::make_shared<Wakeup>(executor);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  for (;;) {
    const bool ended = lines_.closed();  // asked first, so that nothing is missed
    if (auto line = lines_.try_receive()) co_return std::move(*line);
    if (ended) co_return nullptr;
    co_await wakeup_->wait();
  }
}

void JsonLines::run(const std::stop_token& stop) {
  try {
    work(stop);
  } catch (...) {
    lines_.send(line_of({{"error", generation::current_failure().message}}), stop);
  }
  lines_.close();
  wakeup_->notifier()();
}

void JsonLines::work(const std::stop_token& stop) {
  const generation::VideoFormat& format = entry_.session->format();
  Group group(format.speech_hz, format.fps, total_);
  const auto send = [&](bool is_last) {
    lines_.send(line_of(group.take(is_last)), stop);
    wakeup_->notifier()();
  };
  while (const generation::EventPtr event = blocks_->next(stop)) {
    const auto* block = std::get_if<generation::FrameBlock>(&event->what);
    if (!block) continue;
    for (int64_t t = 0; t < block->video_frames; ++t) {
      if (group.full()) send(false);  // only now is it known not to be the last
      group.add(*block, t);
    }
  }
  if (stop.stop_requested()) return;
  if (!group.empty()) send(true);
  if (const auto failure = entry_.session->status().failure) lines_.send(line_of({{"error", failure->message}}), stop);
}

}  // namespace rushes::server
