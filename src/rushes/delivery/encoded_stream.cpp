#include "rushes/delivery/encoded_stream.h"

#include <iterator>
#include <utility>

#include "rushes/base/log.h"
#include "rushes/generation/device_worker.h"
#include "rushes/media/audio_encoder.h"
#include "rushes/media/fragmented_mp4.h"
#include "rushes/media/recorded_file.h"
#include "rushes/media/video_encoder.h"

namespace rushes::delivery {
namespace {

using Ring = base::Ring<Gop>;

// Times of blocks and of what was encoded are rounded apart; blocks are much longer.
constexpr media::Pts kRounding{media::Pts::period::den / 1000};

int64_t memory_of(const Gop& gop) {
  auto bytes = static_cast<int64_t>(gop.fragment->size());
  for (const auto* units : {&gop.pictures, &gop.audio})
    for (const media::AccessUnit& unit : *units) bytes += static_cast<int64_t>(unit.bytes->size());
  return bytes;
}

}  // namespace

/// `origin` for a fork: its file can be read until the fork lets go of it, whatever becomes of the file's name.
std::shared_ptr<const EncodedStream> EncodedStream::claimed(std::shared_ptr<const EncodedStream> origin) {
  if (!origin) return nullptr;
  ++origin->forks_;
  const EncodedStream* const stream = origin.get();
  return {stream, [origin = std::move(origin)](const EncodedStream* claimed) { --claimed->forks_; }};
}

EncodedStream::EncodedStream(std::shared_ptr<generation::Session> session, EncodedStreamOptions options)
    : session_(std::move(session)),
      options_(std::move(options)),
      origin_(claimed(std::exchange(options_.origin, nullptr))),
      ring_(options_.memory_bytes, [this](int64_t index) { return read_back(index); }) {
  const generation::VideoFormat& format = session_->format();
  media::VideoEncoder::Options encoder;
  encoder.width = format.width;
  encoder.height = format.height;
  encoder.fps = format.fps;
  encoder.quality = options_.quality;
  encoder_ = std::make_unique<media::VideoEncoder>(encoder);
  if (format.audio_hz > 0) {
    audio_encoder_ = std::make_unique<media::AudioEncoder>(format.audio_hz);
    audio_track_ = audio_encoder_->track();
  }
  writer_ = std::make_unique<media::FragmentWriter>(encoder_->track(), audio_track_);
  track_ = encoder_->track();
  encoder_name_ = encoder_->encoder_name();
  mime_type_ = writer_->mime_type();
  init_segment_ = std::make_shared<const media::Bytes>(writer_->init_segment());
  parser_.emplace(*init_segment_);
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
      recording_(std::make_unique<Recording>(options_.recording, file.index)),
      track_(file.track),
      audio_track_(file.audio),
      init_segment_(std::make_shared<const media::Bytes>(file.init_segment)),
      parser_(*init_segment_),
      ring_(
          options_.memory_bytes, [this](int64_t index) { return read_back(index); },
          static_cast<int64_t>(file.fragments.size())) {
  track_.fps = session_->format().fps;
  mime_type_ = media::mp4_mime_type(track_, audio_track_.has_value());
  for (const media::RecordedFragment& fragment : file.fragments) {
    const auto since =
        std::chrono::duration_cast<std::chrono::system_clock::duration>(fragment.pts + fragment.duration);
    records_.push_back({.times = {fragment.pts, fragment.duration, fragment.size(), session_->created() + since},
                        .place = fragment.place});
    status_.bytes += fragment.size();
  }
  status_.bytes += static_cast<int64_t>(file.init_segment.size());
  status_.recorded_bytes = file.complete_bytes();
  const int64_t made = session_->status().video_frames, recorded = file.video_frames();
  if (recorded < made) {  // an earlier process had no room for the rest
    lacks_end_ = true;
    status_.recording_failure = fmt::format("it has the first {} of {} frames", recorded, made);
  } else if (file.lost_bytes > 0) {  // of sound, or of what nobody knows the length of
    lacks_end_ = true;
    status_.recording_failure = fmt::format("its file has lost the last {} bytes", file.lost_bytes);
  }
  status_.recording_complete = !lacks_end_;
  ring_.end();
}

EncodedStream::~EncodedStream() = default;

void EncodedStream::run(std::stop_token stop) {
  try {
    while (const generation::EventPtr event = frames_->next(stop)) {
      const auto* block = std::get_if<generation::FrameBlock>(&event->what);
      if (block && !block->rgb) {  // of the origin
        adopt_gops(media::frame_time(block->first_video_frame + block->video_frames, block->fps), stop);
      } else if (block) {
        encode(*block, stop);
        if (is_last(*block)) break;
      } else if (std::holds_alternative<generation::UtteranceEnded>(event->what)) {
        end_utterance();
      }
    }
    auto pictures = encoder_->flush();
    auto audio = audio_encoder_ ? audio_encoder_->flush() : std::vector<media::AccessUnit>();
    if (!pictures.empty() || !audio.empty()) append(make_gop(std::move(pictures), std::move(audio)));
  } catch (...) {
    session_->fail(generation::current_failure());
  }
  origin_.reset();
  frames_.reset();  // nobody has to wait for this recorder any more
  encoder_.reset();
  writer_.reset();
  end();
}

/// A silent video of known length is complete with its last frame, whatever its session still says.
bool EncodedStream::is_last(const generation::FrameBlock& block) const {
  const auto wanted = session_->format().video_frames;
  return wanted && !audio_track_ && block.first_video_frame + block.video_frames >= *wanted;
}

void EncodedStream::encode(const generation::FrameBlock& block, std::stop_token stop) {
  adopt_gops(media::frame_time(block.first_video_frame, block.fps), stop);
  origin_.reset();
  const auto begin = std::chrono::steady_clock::now();
  std::vector<media::AccessUnit> pictures, audio;
  for (int64_t t = 0; t < block.video_frames && !stop.stop_requested(); ++t) {
    auto encoded = encoder_->encode(block.frame(t), media::frame_time(block.first_video_frame + t, block.fps),
                                    t == 0 ? media::Key::forced : media::Key::automatic);
    std::move(encoded.begin(), encoded.end(), std::back_inserter(pictures));
  }
  if (stop.stop_requested() || pictures.empty()) return;
  if (audio_track_ && block.audio.samples) {
    if (!audio_encoder_) audio_encoder_ = std::make_unique<media::AudioEncoder>(audio_track_->hz);
    audio = audio_encoder_->encode(*block.audio.samples, block.audio.first_sample);
  }
  GopPtr gop = make_gop(std::move(pictures), std::move(audio));
  {
    const std::scoped_lock lock(mutex_);
    status_.encode_time +=
        std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
  }
  append(std::move(gop));
}

/// What the audio encoder holds back goes out now: nobody knows when more will be said. The next utterance begins with
/// an encoder of its own, at the time of its first picture.
void EncodedStream::end_utterance() {
  if (audio_encoder_) {
    auto audio = audio_encoder_->flush();
    audio_encoder_.reset();
    if (!audio.empty()) append(make_gop({}, std::move(audio)));
  }
  const std::scoped_lock lock(mutex_);
  utterance_ends_.push_back(static_cast<int64_t>(records_.size()));
}

std::vector<int64_t> EncodedStream::utterance_ends() const {
  const std::scoped_lock lock(mutex_);
  return utterance_ends_;
}

GopPtr EncodedStream::make_gop(std::vector<media::AccessUnit> pictures, std::vector<media::AccessUnit> audio) {
  auto gop = std::make_shared<Gop>();
  gop->index = ring_.size();
  // Audio alone is the end of it, which lies within the time of the pictures before.
  gop->begin = pictures.empty() ? end_ : pictures.front().pts;
  if (!pictures.empty()) gop->duration = pictures.back().pts + pictures.back().duration - gop->begin;
  gop->fragment = std::make_shared<const media::Bytes>(writer_->fragment(pictures, audio));
  gop->pictures = std::move(pictures);
  gop->audio = std::move(audio);
  return gop;
}

/// The fork stands at a block border and a GOP is a block, so whole GOPs make up what came before `until`.
void EncodedStream::adopt_gops(media::Pts until, const std::stop_token& stop) {
  // One initialisation segment describes all fragments: with another one nothing would play.
  if (!origin_ || *origin_->init_segment_ != *init_segment_) return;
  for (; end_ + kRounding < until && origin_->ring_.wait(adopted_, stop); ++adopted_) {
    GopPtr gop = origin_->gop(adopted_);
    if (!gop) return origin_.reset();
    append(std::move(gop));
  }
}

/// Whether it is in the recording.
bool EncodedStream::record(const media::Bytes& bytes) {
  if (!recording_ || !status_.recording_failure.empty()) return false;
  // status_ is written by this thread only; others read it under the lock.
  const auto size = static_cast<int64_t>(bytes.size());
  std::string failure;
  try {
    require(status_.recorded_bytes + size <= options_.max_recording_bytes, ErrorCode::exhausted,
            "the recording {} has reached its limit of {} bytes", options_.recording.string(),
            options_.max_recording_bytes);
    recording_->append(bytes);
  } catch (const Error& error) {
    failure = error.what();
    log::warning("session {}: {}; live viewing continues", session_->id().text(), failure);
  }
  const std::scoped_lock lock(mutex_);
  if (failure.empty()) status_.recorded_bytes += size;
  status_.recording_failure = std::move(failure);
  return status_.recording_failure.empty();
}

void EncodedStream::append(GopPtr gop) {
  const auto size = static_cast<int64_t>(gop->fragment->size());
  const bool recorded = record(*gop->fragment);
  const media::Bytes& bytes = *gop->fragment;
  // The moof box comes first and tells its size, then the head of the mdat box.
  const int64_t head = int64_t{bytes[0]} << 24 | int64_t{bytes[1]} << 16 | int64_t{bytes[2]} << 8 | bytes[3];
  {
    const std::scoped_lock lock(mutex_);
    records_.push_back({.times = {gop->begin, gop->duration, size, std::chrono::system_clock::now()}});
    if (const int64_t begin = status_.recorded_bytes - size; recorded)
      records_.back().place = media::FragmentPlace{
          .head = begin, .head_bytes = head, .data = begin + head + 8, .data_bytes = size - head - 8};
    status_.bytes += size;
  }
  end_ = gop->end();
  const int64_t memory = memory_of(*gop);
  ring_.push(std::move(gop), memory, Ring::Entry::yes, recorded ? Ring::Recallable::yes : Ring::Recallable::no);
}

/// The recording gets its length and its index. It is complete before and after: what goes wrong here costs only these.
void EncodedStream::finish_recording() {
  try {
    std::vector<media::FragmentPlace> places;
    for (const Record& record : records_)  // no more are added
      if (record.place) places.push_back(*record.place);
    if (places.empty() || recording_->removed()) return;
    const media::PlainMp4File finished = recording_->write_finished(*init_segment_, places);
    {
      const std::scoped_lock lock(mutex_);
      if (!recording_->take_finished(finished)) return;
      status_.recorded_bytes = finished.bytes;
      auto place = finished.places.begin();
      for (Record& record : records_)
        if (record.place) record.place = *place++;
    }
    media::sync_directory_of(recording_->path());
  } catch (const std::exception& error) {
    if (!recording_->removed())
      log::warning("session {}: the recording stays in fragments: {}", session_->id().text(), error.what());
  }
}

void EncodedStream::end() {
  if (recording_) {
    recording_->close();
    finish_recording();
    recording_->rest();
  }
  {
    const std::scoped_lock lock(mutex_);
    status_.recording_complete = recording_ && status_.recording_failure.empty();
  }
  if (status_.recording_complete) ring_.forget();  // the file has it all
  ring_.end();
}

GopPtr EncodedStream::read_back(int64_t index) const {
  Record record;
  Recording::Content content;
  {
    const std::scoped_lock lock(mutex_);
    record = records_[static_cast<std::size_t>(index)];
    content = recording_->content();  // that in which the record has its place
  }
  auto gop = std::make_shared<Gop>();
  gop->index = index;
  gop->begin = record.times.pts;
  gop->duration = record.times.duration;
  gop->fragment = std::make_shared<const media::Bytes>(content.fragment(record.place.value()));
  auto units = parser_->units(*gop->fragment);
  gop->pictures = std::move(units.pictures);
  gop->audio = std::move(units.audio);
  return gop;
}

EncodedStream::Download EncodedStream::download() const {
  require(recording_ != nullptr, ErrorCode::not_found, "session {} is not recorded", session_->id().text());
  const std::scoped_lock lock(mutex_);
  return {recording_->content().file, status_.recorded_bytes};
}

void EncodedStream::rest() {
  if (recording_) recording_->rest();
}

void EncodedStream::remove_recording() {
  if (!recording_) return;
  try {
    if (ring_.readers() > 0 || forks_ > 0) recording_->content();  // for them
  } catch (const Error& error) {
    log::debug("session {}: {}", session_->id().text(), error.what());  // they get no more than is in memory
  }
  recording_->remove();
}

std::unique_ptr<Viewer> EncodedStream::watch(From from, std::function<void()> notify) {
  return watch_from(from == From::newest ? ring_.newest_entry() : 0, std::move(notify));
}

std::unique_ptr<Viewer> EncodedStream::watch_from(int64_t first, std::function<void()> notify) {
  return std::make_unique<Viewer>(std::shared_ptr<Ring>(shared_from_this(), &ring_), first, std::move(notify));
}

std::vector<GopTimes> EncodedStream::times(int64_t first) const {
  const int64_t end = ring_.size();
  std::vector<GopTimes> times;
  const std::scoped_lock lock(mutex_);
  for (int64_t index = first; index < end; ++index) times.push_back(records_[static_cast<std::size_t>(index)].times);
  return times;
}

EncodedStream::Status EncodedStream::status() const {
  const bool ended = ring_.ended();  // asked first, so that nothing is missed
  std::unique_lock lock(mutex_);
  Status status = status_;
  lock.unlock();
  status.ended = ended;
  status.whole = ring_.oldest() == 0 && !lacks_end_;
  status.gops = ring_.size();
  status.viewers = static_cast<int64_t>(ring_.readers());
  status.skipped = ring_.skipped();
  return status;
}

void EncodedStream::join() {
  const std::scoped_lock lock(joining_);  // of two at once, the second finds it joined
  if (thread_.joinable()) thread_.join();
}

}  // namespace rushes::delivery
