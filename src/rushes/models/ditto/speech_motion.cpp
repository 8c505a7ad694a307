#include "rushes/models/ditto/speech_motion.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {
namespace {

constexpr int kPiecesPerStep = 4;  // that are encoded before others get their turn

SpeechLayout layout_of(const WindowOptions& options) {
  return options.online ? SpeechLayout::stream : SpeechLayout::whole_file;
}

}  // namespace

SpeechMotion::SpeechMotion(const SpeechFeatures& features, const MotionSampler& sampler, const WindowOptions& options,
                           Conditions conditions, at::Tensor start_frame, MotionNoise noise)
    : speech_(features),
      sampler_(sampler),
      options_(options),
      conditions_(std::move(conditions)),
      noise_(std::move(noise)),
      cutter_(features.size(), layout_of(options)) {
  options_.check();
  if (options_.online)
    online_.emplace(options_, std::move(start_frame), speech_.silence(options_.overlap));
  else
    whole_.emplace(options_, std::move(start_frame));
}

void SpeechMotion::hear(std::span<const float> samples) {
  RUSHES_ASSERT(!ended_);
  heard_ += static_cast<int64_t>(samples.size());
  for (auto& piece : cutter_.push(samples)) pieces_.push_back(std::move(piece));
}

void SpeechMotion::end() {
  if (ended_) return;
  // Online, fewer rows than a window's fresh ones give no frame at all.
  const ChunkSize& size = speech_.size();
  const int64_t pieces = (options_.fresh() + size.current - 1) / size.current,
                least = (pieces - 1) * size.step() + 1 - size.past * kFrameSamples;
  if (options_.online && heard_ > 0 && heard_ < least)
    hear(std::vector<float>(static_cast<std::size_t>(least - heard_), 0.0f));
  for (auto& piece : cutter_.finish()) pieces_.push_back(std::move(piece));
  ended_ = true;
  if (online_ && pieces_.empty()) online_->end();
}

/// One feature for each frame: [n, H].
void SpeechMotion::take(const at::Tensor& features) {
  if (online_) {
    online_->push(features);
    if (ended_ && pieces_.empty()) online_->end();
  } else {
    rows_ = rows_.defined() ? at::cat({rows_, features}) : features;
    if (ended_ && pieces_.empty()) rows_ = rows_.narrow(0, 0, std::min(rows_.size(0), frames_of(heard_)));
  }
}

std::optional<OnlineMotion::Window> SpeechMotion::next_window() const {
  if (online_) return online_->next();
  if (!ended_ || !pieces_.empty() || finished_ || !rows_.defined() || window_begin_ >= rows_.size(0))
    return std::nullopt;
  const int64_t T = options_.frames, left = std::min(T, rows_.size(0) - window_begin_);
  at::Tensor rows = rows_.narrow(0, window_begin_, left);
  // Conditions are made for all frames and the last one repeated: so is its feature, with its frame's number.
  return OnlineMotion::Window{rows, window_begin_};
}

bool SpeechMotion::window_is_next() const { return prepared_.has_value() || next_window().has_value(); }

const at::Tensor& SpeechMotion::condition_frame() const {
  return online_ ? online_->condition_frame() : whole_->condition_frame();
}

SpeechMotion::Prepared SpeechMotion::prepare(const OnlineMotion::Window& window) const {
  at::Tensor rows = conditions_.rows(window.features, window.start);
  if (const int64_t missing = options_.frames - rows.size(0); missing > 0)
    rows = at::cat({rows, rows.narrow(0, rows.size(0) - 1, 1).expand({missing, -1})});
  return {condition_frame(), rows.unsqueeze(0), {}};
}

void SpeechMotion::predict_together(const std::vector<SpeechMotion*>& sessions) {
  std::vector<Prepared> prepared;
  std::vector<at::Tensor> rows, frames, starts;
  std::vector<std::vector<at::Tensor>> added(sessions.front()->noise_.steps().size());
  std::vector<MotionNoise> noise;  // taken over when nothing can fail any more
  for (SpeechMotion* const session : sessions) {
    prepared.push_back(session->prepare(session->next_window().value()));
    noise.push_back(session->noise_);
    rows.push_back(prepared.back().rows);
    frames.push_back(prepared.back().condition_frame);
    starts.push_back(noise.back().next_start());
    for (std::size_t i = 0; i < added.size(); ++i) added[i].push_back(session->noise_.steps()[i]);
  }
  MotionSampler::Noise together{at::cat(starts), {}};
  for (const auto& step : added) together.steps.push_back(at::cat(step));
  const at::Tensor motion = sessions.front()->sampler_.sample(at::cat(rows), at::cat(frames), together);
  for (std::size_t i = 0; i < sessions.size(); ++i) {
    prepared[i].motion = motion.narrow(0, static_cast<int64_t>(i), 1);
    sessions[i]->noise_ = std::move(noise[i]);
    sessions[i]->prepared_ = std::move(prepared[i]);
  }
}

at::Tensor SpeechMotion::accept(const at::Tensor& motion) {
  if (online_) return online_->accept(motion);
  whole_->add(motion);
  window_begin_ += options_.fresh();
  if (window_begin_ < rows_.size(0)) return whole_->frames(0, 0);
  whole_->finish(rows_.size(0));
  finished_ = true;
  return whole_->frames(0, whole_->length());
}

SpeechMotion::Progress SpeechMotion::step() {
  if (!window_is_next()) {
    if (pieces_.empty()) return {};
    // Each by itself: convolutions of a batch are not, to the bit, those of its samples.
    for (int i = 0; i < kPiecesPerStep && !pieces_.empty(); ++i) {
      const at::Tensor piece = at::tensor(pieces_.front(), at::TensorOptions(at::kFloat)).unsqueeze(0);
      pieces_.pop_front();
      take(speech_.windows(piece).squeeze(0));
    }
    return {.worked = true, .window = {}};
  }
  if (!prepared_) predict_together({this});
  Prepared made = *std::exchange(prepared_, std::nullopt);
  const at::Tensor frames = accept(made.motion.squeeze(0));
  return {.worked = true, .window = Window{made.condition_frame, made.rows, made.motion, frames}};
}

}  // namespace rushes::ditto
