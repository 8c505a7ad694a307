#include "rushes/server/api/omniavatar/segments.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "rushes/generation/failure.h"
#include "rushes/media/fragmented_mp4.h"
#include "rushes/media/plain_mp4.h"
#include "rushes/server/api/native/session_json.h"
#include "rushes/server/http/base64.h"

namespace rushes::server::omniavatar {
namespace {

using Form = SegmentsDialect::Form;

/// A message by either way: an event with a name, or a line that says its status.
Message message(Form form, const char* event, const char* status, Json fields, Json more_of_lines = Json::object()) {
  if (form == Form::server_sent_events) return {python_json(fields), event};
  Json line{{"status", status}};
  line.update(fields);
  line.update(more_of_lines);
  return {python_json(line)};
}

int64_t frames_of_segment(const generation::VideoFormat& format) {
  return std::max<int64_t>(1, std::llround(Segmentation::kSeconds * format.fps));
}

/// The model's own segments, as far as it tells of them.
bool has_segments(const generation::VideoFormat& format) {
  return format.segments > 1 || (format.segments == 1 && format.blocks_per_segment == 1);
}

}  // namespace

std::vector<media::AccessUnit> SegmentSound::take_until(media::Pts end) {
  const std::span<const float> samples(speech_->audio.samples);
  const auto piece = static_cast<std::size_t>(speech_->audio.hz);
  const std::vector<float> silence(piece);
  while (waiting_.empty() || waiting_.back().pts < end) {
    const std::size_t at = std::min(static_cast<std::size_t>(encoded_), samples.size());
    const auto next = samples.subspan(at, std::min(piece, samples.size() - at));
    for (media::AccessUnit& unit : encoder_.encode(next.empty() ? silence : next, encoded_))
      waiting_.push_back(std::move(unit));
    encoded_ += static_cast<int64_t>(next.empty() ? silence.size() : next.size());
  }
  std::vector<media::AccessUnit> units;
  for (; waiting_.front().pts < end; waiting_.pop_front()) units.push_back(std::move(waiting_.front()));
  return units;
}

media::Bytes segment_file(const media::VideoTrack& track, std::span<const delivery::GopPtr> gops, SegmentSound* sound) {
  const media::Pts begin = gops.front()->begin, end = gops.back()->end();
  const auto shifted = [&](std::vector<media::AccessUnit> units) {
    for (media::AccessUnit& unit : units) {
      unit.pts -= begin;
      unit.dts -= begin;
    }
    return units;
  };
  media::FragmentWriter writer(track, sound ? std::optional(sound->track()) : std::nullopt);
  media::Bytes all = writer.init_segment();
  for (const delivery::GopPtr& gop : gops) {
    const auto audio = sound ? shifted(sound->take_until(gop->end())) : std::vector<media::AccessUnit>{};
    const media::Bytes fragment = writer.fragment(shifted(gop->pictures), audio);
    all.insert(all.end(), fragment.begin(), fragment.end());
  }
  return media::plain_mp4(all, end - begin);
}

Json notes_of(const generation::Session& session) {
  Json notes = Json::object();
  if (const auto& use = session.image_use()) notes["image"] = image_json(use);
  if (const auto ignored = session.ignored(); !ignored.empty()) notes["ignored"] = ignored_json(ignored);
  if (const auto warnings = session.warnings(); !warnings.empty()) notes["warnings"] = warnings;
  return notes;
}

// As many as fit, so that none is shorter than it should be but where all of it is. A block is not longer than a
// segment: each that is announced has at least one.
Segmentation::Segmentation(const generation::VideoFormat& format)
    : format_(format),
      follows_model_(has_segments(format)),
      segment_frames_(frames_of_segment(format)),
      total_(follows_model_ ? format.segments
                            : std::max<int64_t>(1, format.video_frames.value_or(0) / segment_frames_)) {}

bool Segmentation::completes(const generation::FrameBlock& block) {
  ++blocks_;
  const bool is_last = index_ + 1 == total_;
  const int64_t end = block.first_video_frame + block.video_frames;
  bool complete =
      is_last ? format_.video_frames && end >= *format_.video_frames : end >= (index_ + 1) * segment_frames_;
  if (follows_model_) {
    const bool is_later = index_ > 0 && format_.blocks_per_later_segment > 0;
    complete = blocks_ >= (is_later ? format_.blocks_per_later_segment : format_.blocks_per_segment);
  }
  if (!complete) return false;
  ++index_;
  blocks_ = 0;
  return true;
}

SegmentsDialect::SegmentsDialect(Form form, SpeechPtr speech) : form_(form) {
  if (speech) sound_.emplace(std::move(speech));
}

Message SegmentsDialect::started(Form form) {
  return message(form, "start", "started", {{"message", "Video generation started"}}, {{"streaming", true}});
}

Message SegmentsDialect::failed(Form form, std::string_view error) {
  return message(form, "error", "error", {{"error", error}});
}

std::vector<Message> SegmentsDialect::begin(const Hosted& hosted) {
  segmentation_.emplace(hosted.session->format());
  video_ = hosted.video;
  notes_ = notes_of(*hosted.session);
  return {};
}

Message SegmentsDialect::tell_segment() {
  Json fields{{"segment_index", told_}, {"total_segments", segmentation_->total()}, {"segment_base64", nullptr}};
  // A client goes on without a segment that could not be written.
  generation::attempt("a segment", [&] {
    fields["segment_base64"] = encode_base64(segment_file(video_->track(), gops_, sound_ ? &*sound_ : nullptr));
  });
  fields["is_final"] = ++told_ == segmentation_->total();
  gops_.clear();
  fields.update(std::exchange(notes_, Json::object()));
  return message(form_, "segment", "segment", fields);
}

std::vector<Message> SegmentsDialect::on(const StreamItem& item) {
  if (const auto* event = std::get_if<generation::EventPtr>(&item)) {
    if (const auto* block = std::get_if<generation::FrameBlock>(&(*event)->what)) {
      blocks_.push_back(*block);
      blocks_.back().rgb.reset();
    }
    if (const auto* change = std::get_if<generation::StateChanged>(&(*event)->what)) reason_ = change->reason;
    return {};
  }
  const delivery::GopPtr& gop = std::get<delivery::GopPtr>(item);
  if (gop->pictures.empty() || blocks_.empty()) return {};
  gops_.push_back(gop);
  const bool complete = segmentation_->completes(blocks_.front());
  blocks_.pop_front();
  if (!complete) return {};
  return just(tell_segment());
}

std::vector<Message> SegmentsDialect::end(const generation::SessionStatus& status) {
  if (status.failure) return just(failed(form_, status.failure->message));
  if (status.state == generation::SessionState::stopped)
    return just(failed(form_, reason_.empty() ? "the session was stopped" : reason_));
  std::vector<Message> messages;
  if (!gops_.empty()) messages.push_back(tell_segment());
  messages.push_back(message(form_, "complete", "completed",
                             {{"message", "Video generation completed"}, {"total_segments", segmentation_->total()}},
                             {{"final", true}}));
  return messages;
}

}  // namespace rushes::server::omniavatar
