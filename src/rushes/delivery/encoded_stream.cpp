#include "rushes/delivery/encoded_stream.h"

#include <algorithm>
#include <utility>

#include "rushes/base/log.h"
#include "rushes/generation/device_worker.h"
#include "rushes/media/audio_encoder.h"
#include "rushes/media/fragmented_mp4.h"
#include "rushes/media/recorded_file.h"
#include "rushes/media/video_encoder.h"

namespace rushes::delivery {

EncodedStream::EncodedStream(std::shared_ptr<generation::Session> session, EncodedStreamOptions options)
    : session_(std::move(session)), options_(std::move(options)), origin_(std::move(options_.origin)) {
  const generation::VideoFormat& format = session_->format();
  media::VideoEncoder::Options encoder;
  encoder.width = format.width;
  encoder.height = format.height;
  encoder.fps = format.fps;
  encoder.quality = options_.quality;
  encoder_ = std::make_unique<media::VideoEncoder>(encoder);
  if (format.sound_hz > 0) {
    sound_encoder_ = std::make_unique<media::AudioEncoder>(format.sound_hz);
    sound_track_ = sound_encoder_->track();
  }
  writer_ = std::make_unique<media::FragmentWriter>(encoder_->track(), sound_track_);
  track_ = encoder_->track();
  encoder_name_ = encoder_->encoder_name();
  mime_type_ = writer_->mime_type();
  init_segment_ = std::make_shared<const media::Bytes>(writer_->init_segment());
  if (!options_.recording.empty()) recording_ = std::make_unique<Recording>(options_.recording);
  status_.bytes = static_cast<int64_t>(init_segment_->size());
  record(*init_segment_);
  frames_ = session_->stream().subscribe(generation::Stream::Role::recorder, generation::Stream::From::start);
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

EncodedStream::EncodedStream(std::shared_ptr<generation::Session> session, const media::RecordedFile& file,
                             EncodedStreamOptions options)
    : session_(std::move(session)),
      options_(std::move(options)),
      recording_(std::make_unique<Recording>(options_.recording, file.complete_bytes())),
      track_(file.track),
      sound_track_(file.sound),
      init_segment_(std::make_shared<const media::Bytes>(file.init_segment)) {
  track_.fps = session_->format().fps;
  mime_type_ = media::mp4_mime_type(track_, sound_track_.has_value());
  for (const media::RecordedFragment& fragment : file.fragments) {
    recorded_.push_back({fragment.offset, fragment.size});
    const auto since =
        std::chrono::duration_cast<std::chrono::system_clock::duration>(fragment.pts + fragment.duration);
    times_.push_back({fragment.pts, fragment.duration, fragment.size, session_->created() + since});
  }
  status_.fragments = static_cast<int64_t>(file.fragments.size());
  status_.bytes = status_.recorded_bytes = file.complete_bytes();
  status_.recording_complete = status_.ended = true;
}

EncodedStream::~EncodedStream() = default;

void EncodedStream::run(std::stop_token stop) {
  try {
    while (const generation::EventPtr event = frames_->next(stop))
      if (const auto* block = std::get_if<generation::FrameBlock>(&event->what); block && block->rgb)
        encode(*block, stop);
    finish_encoding();
    if (recording_) recording_->sync();
  } catch (...) {
    session_->fail(generation::current_failure());
  }
  frames_.reset();  // nobody has to wait for this recorder any more
  encoder_.reset();
  writer_.reset();
  end();
}

void EncodedStream::finish_encoding() {
  const auto rest = encoder_->flush();
  const auto sound = sound_encoder_ ? sound_encoder_->flush() : std::vector<media::AccessUnit>();
  if (!rest.empty()) {
    append(writer_->fragment(rest, sound), rest.front().pts, rest.back().pts + rest.back().duration - rest.front().pts);
  } else if (!sound.empty()) {
    // The end of the sound, that the encoder held back: it lies within the time of the pictures before.
    const media::Pts end = times_.empty() ? media::Pts{0} : times_.back().pts + times_.back().duration;
    append(writer_->fragment({}, sound), end, media::Pts{0});
  }
}

void EncodedStream::encode(const generation::FrameBlock& block, std::stop_token stop) {
  if (const auto origin = std::exchange(origin_, nullptr))
    adopt_fragments(*origin, media::frame_time(block.first_video_frame, block.fps), stop);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<media::AccessUnit> units;
  for (int64_t t = 0; t < block.video_frames && !stop.stop_requested(); ++t) {
    auto encoded = encoder_->encode(block.frame(t), media::frame_time(block.first_video_frame + t, block.fps),
                                    t == 0 ? media::Key::forced : media::Key::automatic);
    std::move(encoded.begin(), encoded.end(), std::back_inserter(units));
  }
  if (stop.stop_requested() || units.empty()) return;
  std::vector<media::AccessUnit> sound;
  if (sound_encoder_ && block.sound.samples)
    sound = sound_encoder_->encode(*block.sound.samples, block.sound.first_sample);
  media::Bytes bytes = writer_->fragment(units, sound);
  {
    const std::scoped_lock lock(mutex_);
    status_.encode_time +=
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  }
  append(std::move(bytes), units.front().pts, units.back().pts + units.back().duration - units.front().pts);
}

/// The fork stands at a block border and a fragment is a block, so whole fragments make up what came before `until`.
void EncodedStream::adopt_fragments(const EncodedStream& origin, media::Pts until, const std::stop_token& stop) {
  // One initialisation segment describes all fragments: with another one nothing would play.
  if (*origin.init_segment_ != *init_segment_) return;
  for (int64_t index = 0;; ++index) {
    const auto fragment = origin.wait_for_fragment(index, until, stop);
    if (!fragment) return;
    append(media::Bytes(*fragment->bytes), fragment->pts, fragment->duration);
  }
}

std::optional<Fragment> EncodedStream::wait_for_fragment(int64_t index, media::Pts until,
                                                         const std::stop_token& stop) const {
  {
    std::unique_lock lock(mutex_);
    constexpr media::Pts kRounding{media::Pts::period::den / 1000};
    const auto covered = [&] {
      return until <= kRounding || (!times_.empty() && times_.back().pts + times_.back().duration + kRounding >= until);
    };
    changed_.wait(lock, stop, [&] { return status_.fragments > index || covered() || status_.ended; });
    if (index >= status_.fragments || times_[static_cast<std::size_t>(index)].pts + kRounding >= until)
      return std::nullopt;
  }
  return fragment(index);
}

void EncodedStream::record(const media::Bytes& bytes) {
  if (!recording_ || !status_.recording_failure.empty()) return;
  // status_ is written by this thread only; others read it under the lock.
  const int64_t size = static_cast<int64_t>(bytes.size());
  std::string failure;
  try {
    require(status_.recorded_bytes + size <= options_.max_recording_bytes, ErrorCode::exhausted,
            "the recording {} has reached its limit of {} bytes", options_.recording.string(),
            options_.max_recording_bytes);
    recording_->append(bytes);
  } catch (const Error& error) {
    failure = error.what();
    log::warning("session {}: {}; live viewing goes on", session_->id().text(), failure);
  }
  const std::scoped_lock lock(mutex_);
  if (failure.empty()) {
    if (status_.recorded_bytes > 0) recorded_.push_back({status_.recorded_bytes, size});
    status_.recorded_bytes += size;
  } else {
    status_.recording_failure = std::move(failure);
  }
}

void EncodedStream::append(media::Bytes bytes, media::Pts pts, media::Pts duration) {
  const auto size = static_cast<int64_t>(bytes.size());
  const auto shared = std::make_shared<const media::Bytes>(std::move(bytes));
  record(*shared);
  {
    const std::scoped_lock lock(mutex_);
    ring_.push_back(shared);
    times_.push_back({pts, duration, size, std::chrono::system_clock::now()});
    ring_bytes_ += size;
    ++status_.fragments;
    status_.bytes += size;
    while (ring_bytes_ > options_.memory_bytes && ring_.size() > 1) {
      ring_bytes_ -= static_cast<int64_t>(ring_.front()->size());
      ring_.pop_front();
    }
    changed_.notify_all();
  }
  base::notify_all(mutex_, readers_);
}

void EncodedStream::end() {
  {
    const std::scoped_lock lock(mutex_);
    status_.ended = true;
    status_.recording_complete = recording_ && status_.recording_failure.empty();
    if (status_.recording_complete) ring_.clear();  // the file has it all
    changed_.notify_all();
  }
  base::notify_all(mutex_, readers_);
}

std::unique_ptr<Viewer> EncodedStream::watch(From from, std::function<void()> notify) {
  return watch_from(from == From::newest ? std::max<int64_t>(status().fragments - 1, 0) : 0, std::move(notify));
}

std::unique_ptr<Viewer> EncodedStream::watch_from(int64_t first, std::function<void()> notify) {
  auto reader = std::make_shared<Reader>();
  reader->first = first;
  reader->notify = base::notifier(std::move(notify));
  const std::scoped_lock lock(mutex_);
  readers_.push_back(reader);
  return std::make_unique<Viewer>(shared_from_this(), std::move(reader));
}

std::vector<FragmentTimes> EncodedStream::times(int64_t first) const {
  const std::scoped_lock lock(mutex_);
  return {times_.begin() + std::min<int64_t>(first, static_cast<int64_t>(times_.size())), times_.end()};
}

int64_t EncodedStream::oldest() const {
  const std::scoped_lock lock(mutex_);
  const int64_t in_memory = oldest_in_memory_locked();
  return static_cast<int64_t>(recorded_.size()) >= in_memory ? 0 : in_memory;
}

std::optional<Fragment> EncodedStream::fragment(int64_t index) const {
  Fragment fragment{.index = index};
  Span span{};
  {
    const std::scoped_lock lock(mutex_);
    if (index < 0 || index >= status_.fragments) return std::nullopt;
    const FragmentTimes& times = times_[static_cast<std::size_t>(index)];
    fragment.pts = times.pts;
    fragment.duration = times.duration;
    const int64_t in_memory = oldest_in_memory_locked();
    if (index >= in_memory) {
      fragment.bytes = ring_[static_cast<std::size_t>(index - in_memory)];
      return fragment;
    }
    if (index >= static_cast<int64_t>(recorded_.size())) return std::nullopt;
    span = recorded_[static_cast<std::size_t>(index)];
  }
  fragment.bytes = std::make_shared<const media::Bytes>(recording_->read(span.offset, span.size));
  return fragment;
}

EncodedStream::Status EncodedStream::status() const {
  const std::scoped_lock lock(mutex_);
  Status status = status_;
  status.viewers = static_cast<int64_t>(readers_.size());
  return status;
}

void EncodedStream::join() {
  if (thread_.joinable()) thread_.join();
}

bool EncodedStream::wait_until_ended(std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return status_.ended; });
}

Viewer::~Viewer() {
  const std::scoped_lock lock(stream_->mutex_);
  std::erase(stream_->readers_, reader_);
}

std::optional<Fragment> Viewer::poll() {
  EncodedStream& stream = *stream_;
  for (;;) {
    int64_t index = 0;
    {
      const std::scoped_lock lock(stream.mutex_);
      if (reader_->next < 0) {
        reader_->next = reader_->first;
        return Fragment{.bytes = stream.init_segment_};
      }
      const int64_t end = stream.status_.fragments, first = stream.oldest_in_memory_locked();
      if (reader_->next >= end) return std::nullopt;
      if (reader_->next < first && reader_->next >= static_cast<int64_t>(stream.recorded_.size())) {
        reader_->skipped += end - 1 - reader_->next;
        stream.status_.skipped += end - 1 - reader_->next;
        reader_->next = end - 1;
      }
      index = reader_->next++;
    }
    if (auto fragment = stream.fragment(index)) return fragment;
    // It left the memory just now.
    const std::scoped_lock lock(stream.mutex_);
    ++reader_->skipped;
    ++stream.status_.skipped;
  }
}

std::optional<Fragment> Viewer::next(const std::stop_token& stop) {
  for (;;) {
    if (auto fragment = poll()) return fragment;
    std::unique_lock lock(stream_->mutex_);
    const EncodedStream::Status& status = stream_->status_;
    const bool told =
        stream_->changed_.wait(lock, stop, [&] { return status.ended || reader_->next < status.fragments; });
    if (!told || reader_->next >= status.fragments) return std::nullopt;
  }
}

bool Viewer::ended() const {
  const std::scoped_lock lock(stream_->mutex_);
  return stream_->status_.ended && reader_->next >= stream_->status_.fragments;
}

int64_t Viewer::skipped() const {
  const std::scoped_lock lock(stream_->mutex_);
  return reader_->skipped;
}

}  // namespace rushes::delivery
