#include "rushes/models/ditto/motion_windows.h"

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::ditto {

void WindowOptions::check() const {
  require(frames >= 2 && overlap >= 1 && overlap < frames, ErrorCode::invalid_argument,
          "overlap_v2 must be from 1 to {} for windows of {} frames, got {}", frames - 1, frames, overlap);
  require(
      !online || 2 * overlap >= frames, ErrorCode::invalid_argument,
      "overlap_v2 must be at least {} in online mode, half of the {} frames of a window, got {}: frames would be lost",
      (frames + 1) / 2, frames, overlap);
}

MotionFusion::MotionFusion(const WindowOptions& options, at::Tensor start_frame)
    : options_(options), start_frame_(std::move(start_frame)), condition_frame_(start_frame_) {}

void MotionFusion::smooth(int64_t from, int64_t to) {
  if (options_.smoothing <= 1) return;
  const int64_t half = options_.smoothing / 2, n = length(), width = std::min(kPose, sequence_.size(1));
  const at::Tensor before = sequence_.narrow(1, 0, width).clone();
  for (int64_t i = std::max<int64_t>(from, 0); i < std::min(to, n); ++i) {
    const int64_t first = std::max<int64_t>(0, i - half), last = std::min(n, i + half + 1);
    sequence_[i]
        .narrow(0, 0, width)
        .copy_(at::mean(before.narrow(0, first, last - first), at::OptionalIntArrayRef(at::IntArrayRef{0})));
  }
}

void MotionFusion::add(const at::Tensor& prediction) {
  const int64_t T = options_.frames, overlap = options_.overlap, V = options_.fresh(), L = options_.fused();
  require(prediction.dim() == 2 && prediction.size(0) == T, ErrorCode::invalid_argument,
          "a window's motion must be [{}, N]", T);
  if (!sequence_.defined()) {
    sequence_ = prediction.to(at::kFloat).clone();
    smooth(0, length());
  } else {
    const at::Tensor alpha =
        (at::arange(L, at::TensorOptions(at::kFloat).device(prediction.device())) / static_cast<double>(L))
            .unsqueeze(1);
    const int64_t before = length() - L;
    const at::Tensor mixed =
        sequence_.narrow(0, before, L) * (1 - alpha) + prediction.narrow(0, overlap - L, L) * alpha;
    sequence_ = at::cat({sequence_.narrow(0, 0, before), mixed, prediction.narrow(0, overlap, V)}, 0);
    const int64_t n = length();
    smooth(n - V - L, n - V + 1);
  }
  ++windows_;
  const at::Tensor last = sequence_.narrow(0, length() - overlap - 1, 1);
  const bool reset = options_.reset_every > 0 && windows_ % options_.reset_every == 0;
  condition_frame_ = reset ? start_frame_.clone() : last.clone();
  if (reset && options_.carried) {
    const auto [first, end] = *options_.carried;
    condition_frame_.narrow(1, first, end - first).copy_(last.narrow(1, first, end - first));
  }
}

at::Tensor MotionFusion::frames(int64_t from, int64_t count) const {
  const int64_t n = length(), first = std::clamp<int64_t>(from, 0, n);
  const at::Tensor rows = sequence_.narrow(0, first, std::clamp<int64_t>(count, 0, n - first));
  if (!options_.lowest.defined()) return rows;
  return at::minimum(at::maximum(rows, options_.lowest), options_.highest);
}

void MotionFusion::drop_front(int64_t rows) { sequence_ = sequence_.narrow(0, rows, length() - rows).clone(); }

void MotionFusion::finish(int64_t count) {
  sequence_ = sequence_.narrow(0, 0, std::min(count, length())).clone();
  smooth(0, length());
}

OnlineMotion::OnlineMotion(const WindowOptions& options, at::Tensor start_frame, at::Tensor prefill)
    : options_(options),
      fusion_(options, std::move(start_frame)),
      features_(std::move(prefill)),
      start_(-options.overlap) {
  options_.check();
  require(features_.dim() == 2 && features_.size(0) == options_.overlap, ErrorCode::invalid_argument,
          "the features before the first row must be [{}, H]", options_.overlap);
  waiting_ = features_.narrow(0, 0, 0);
}

void OnlineMotion::push(const at::Tensor& features) {
  waiting_ = at::cat({waiting_, features.to(at::kFloat)}, 0);
  if (waiting_.size(0) >= options_.fresh()) take_waiting();
}

void OnlineMotion::end() {
  ended_ = true;
  take_waiting();
}

void OnlineMotion::take_waiting() {
  features_ = at::cat({features_, waiting_}, 0);
  waiting_ = waiting_.narrow(0, 0, 0);
}

int64_t OnlineMotion::rows_left() const { return std::max<int64_t>(features_.size(0) - at_, 0); }

std::optional<OnlineMotion::Window> OnlineMotion::next() const {
  const int64_t T = options_.frames;
  const int64_t left = rows_left();
  if (left == 0 || (left < T && !ended_)) return std::nullopt;
  at::Tensor rows = features_.narrow(0, at_, std::min(left, T));
  if (left < T) rows = at::cat({rows, rows.narrow(0, left - 1, 1).expand({T - left, -1})}, 0);
  return Window{rows, start_};
}

at::Tensor OnlineMotion::accept(const at::Tensor& prediction) {
  const int64_t T = options_.frames, real = std::min(rows_left(), T) < T ? rows_left() : options_.fresh();
  fusion_.add(prediction);
  at::Tensor frames;
  if (!reference_.defined()) {
    // The first window only leads in: what it adds is given out with the next one, after fusing.
    given_out_ = T - options_.fused();
    reference_ = fusion_.frames(0, 1).clone();
    frames = fusion_.frames(0, 0);
  } else {
    frames = fusion_.frames(given_out_, real).clone();
    given_out_ += real;
    if (const int64_t surplus = fusion_.length() - 2 * T; surplus > 0) {
      fusion_.drop_front(surplus);
      given_out_ -= surplus;
    }
  }
  at_ += real;
  start_ += real;
  // Rows before the next window are not needed again.
  if (const int64_t used = std::min(at_, features_.size(0)); used > 0) {
    features_ = features_.narrow(0, used, features_.size(0) - used).clone();
    at_ -= used;
  }
  return frames;
}

}  // namespace rushes::ditto
