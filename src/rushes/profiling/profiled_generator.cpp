#include "rushes/profiling/profiled_generator.h"

#include <algorithm>
#include <utility>

#include "rushes/profiling/profiler.h"

namespace rushes::profiling {
namespace {

using generation::StepResult;

class ProfiledGenerator final : public generation::Generator {
 public:
  ProfiledGenerator(std::unique_ptr<Generator> inner, std::shared_ptr<Profiler> profiler)
      : inner_(std::move(inner)), profiler_(std::move(profiler)) {}

  generation::VideoFormat format() const override { return inner_->format(); }
  bool at_block_border() const override { return inner_->at_block_border(); }
  std::unique_ptr<Generator> fork() const override { return inner_->fork(); }
  int64_t bytes() const override { return inner_->bytes(); }

  StepResult step(const generation::Inbox& inbox) override {
    const bool new_block = inner_->at_block_border();
    const Stopwatch watch(profiler_.get());
    StepResult result = inner_->step(inbox);
    Span span;
    span.start = watch.start();
    span.duration = watch.elapsed();
    if (const auto* parted = dynamic_cast<const generation::WorksInParts*>(inner_.get());
        parted && parted->was_part()) {
      parts_ += span.duration;
      return result;
    }
    const bool is_text = !result.events.empty() && std::holds_alternative<generation::TextChunk>(result.events.front());
    if (!is_text) {  // as one, which ends where the last of its parts did
      span.start -= parts_;
      span.duration += std::exchange(parts_, Microseconds{0});
    }
    // A step without events passes latents through the model: those of the finished block, or given ones.
    span.stage = after_block_ && !new_block ? Stage::rerun : Stage::context;
    span.segment = segment_;
    span.block = block_;
    bool placed = span.stage == Stage::rerun;
    after_block_ = false;
    for (const generation::Event& event : result.events) placed |= std::visit(Describe{*this, span}, event);
    if (placed) {
      place_waiting(span);
      profiler_->add(span);
    } else {
      waiting_.push_back(span);
    }
    return result;
  }

 private:
  struct Describe {
    ProfiledGenerator& self;
    Span& span;
    bool operator()(const generation::PromptApplied& event) const {
      span.stage = Stage::text;
      return place(event.segment, event.block);
    }
    bool operator()(const generation::BlockProgress& event) const {
      span.stage = Stage::denoise;
      span.step = event.step;
      if (const auto* described = dynamic_cast<const generation::DescribesSteps*>(self.inner_.get())) {
        span.timestep = described->newest_step().timestep;
        span.latent_frames = described->newest_step().latent_frames;
      }
      return place(event.segment, event.block);
    }
    bool operator()(const generation::FrameBlock& event) const {
      span.stage = Stage::decode;
      span.latent_frames = event.latent_frames;
      span.video_frames = event.video_frames;
      span.memory_mb = self.profiler_->memory_mb();
      span.cache_bytes = self.inner_->bytes();
      self.after_block_ = true;
      return place(event.segment, event.block);
    }
    bool operator()(const generation::UtteranceEnded&) const { return false; }
    bool operator()(const generation::TextChunk&) const {
      span.stage = Stage::text;
      return place(std::max<int64_t>(0, self.segment_), std::max<int64_t>(0, self.block_));
    }
    bool operator()(const generation::PreviewFrames&) const { return false; }
    bool operator()(const generation::TrackFailed&) const { return false; }
    bool place(int64_t segment, int64_t block) const {
      self.segment_ = span.segment = segment;
      self.block_ = span.block = block;
      return true;
    }
  };

  /// Context passes happen before their segment is named: they belong to the block that comes next.
  void place_waiting(const Span& next) {
    for (Span& span : waiting_) {
      span.segment = next.segment;
      span.block = next.block;
      profiler_->add(span);
    }
    waiting_.clear();
  }

  std::unique_ptr<Generator> inner_;
  std::shared_ptr<Profiler> profiler_;
  std::vector<Span> waiting_;
  Microseconds parts_{0};  // of the work that goes on
  int64_t segment_ = -1, block_ = -1;
  bool after_block_ = false;
};

}  // namespace

std::unique_ptr<generation::Generator> profiled(std::unique_ptr<generation::Generator> generator,
                                                std::shared_ptr<Profiler> profiler) {
  return std::make_unique<ProfiledGenerator>(std::move(generator), std::move(profiler));
}

}  // namespace rushes::profiling
