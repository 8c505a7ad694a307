#include "rushes/generation/omniavatar/segment_sampler.h"

#include <utility>

#include "rushes/base/error.h"
#include "rushes/models/omniavatar/speech_conditioner.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

/// Passes of guidance, in the order of omniavatar::Guidance::passes().
constexpr int64_t kPromptWithoutSpeech = 1;

wan::TextContext row(const wan::TextContext& all, int64_t pass) {
  if (all.text.empty() || all.text.front().k.size(0) == 1) return all;  // of all passes the same
  wan::TextContext one;
  for (const nn::KeyValue& layer : all.text)
    one.text.push_back({layer.k.narrow(0, pass, 1), layer.v.narrow(0, pass, 1)});
  return one;
}

wan::FrameAdditions row(const wan::FrameAdditions& all, int64_t pass) {
  if (!all.values.defined()) return all;
  return {all.values.narrow(1, pass, 1), all.first_layer};
}

}  // namespace

SegmentSampler::SegmentSampler(std::shared_ptr<const omniavatar::AvatarTransformer> model, const Options& options,
                               Segment segment)
    : model_(std::move(model)),
      options_(options),
      segment_(std::move(segment)),
      solver_(options.steps, options.timestep_shift),
      teacache_(options.teacache, options.steps),
      x_(segment_.noise.to(model_->options().device(), at::kFloat).clone()) {
  const SegmentPrompts& prompts = segment_.prompts;
  const wan::FrameAdditions &speech = segment_.speech, &silence = segment_.silence;
  switch (options_.guidance.passes()) {
    case 1:
      text_ = *prompts.positive;
      speech_ = speech;
      break;
    case 2:
      text_ = wan::side_by_side({prompts.negative.get(), prompts.positive.get()});
      speech_ = omniavatar::batch_of({silence, speech});
      break;
    default:
      text_ = wan::side_by_side({prompts.negative.get(), prompts.positive.get(), prompts.positive.get()});
      speech_ = omniavatar::batch_of({silence, silence, speech});
  }
}

void SegmentSampler::hold_known() {
  if (segment_.known.defined()) x_.narrow(2, 0, segment_.known.size(2)).copy_(segment_.known);
}

std::optional<at::Tensor> SegmentSampler::step() {
  RUSHES_ASSERT(solver_.done() < solver_.steps());
  hold_known();
  const double time = timestep();
  x_ = solver_.step(
      velocity(options_.rounds_times ? static_cast<double>(c10::BFloat16(static_cast<float>(time))) : time), x_);
  if (solver_.done() < solver_.steps()) return std::nullopt;
  hold_known();
  return x_;
}

/// Of x_, guided: [1, C, F, h, w] float32.
at::Tensor SegmentSampler::velocity(double time) {
  const int64_t passes = options_.guidance.passes();
  const auto times = [&](int64_t count) { return at::full({count}, time, x_.options()); };
  const auto latents = [&](int64_t count) { return x_.expand({count, -1, -1, -1, -1}); };
  if (options_.teacache <= 0)
    return options_.guidance.combine(
        model_->forward(latents(passes), times(passes), text_, segment_.condition, speech_).to(at::kFloat));

  auto all = model_->begin(latents(passes), times(passes), segment_.condition);
  // The time is the same for all passes.
  skipped_.push_back(teacache_.skips(all.time.e0.narrow(0, 0, 1).to(at::kFloat)));
  if (!skipped_.back()) {
    const at::Tensor before = all.tokens.clone();
    const at::Tensor velocities = model_->finish(all, text_, speech_);
    gain_ = all.tokens - before;
    return options_.guidance.combine(velocities.to(at::kFloat));
  }
  all.tokens = all.tokens + gain_;
  at::Tensor velocities = model_->head(all).to(at::kFloat);
  if (passes == 3) {
    // As published: this pass has no memory of the steps before.
    auto one = model_->begin(latents(1), times(1), segment_.condition);
    velocities.narrow(0, kPromptWithoutSpeech, 1)
        .copy_(model_->finish(one, row(text_, kPromptWithoutSpeech), row(speech_, kPromptWithoutSpeech)));
  }
  return options_.guidance.combine(velocities);
}

int64_t SegmentSampler::bytes() const {
  int64_t total = 0;
  for (const at::Tensor* tensor : {&segment_.noise, &segment_.known, &segment_.condition, &speech_.values, &gain_, &x_})
    if (tensor->defined()) total += static_cast<int64_t>(tensor->nbytes());
  if (text_.text.size() > 0 && options_.guidance.passes() > 1)
    for (const nn::KeyValue& layer : text_.text) total += static_cast<int64_t>(layer.k.nbytes() + layer.v.nbytes());
  return total;
}

}  // namespace rushes::generation
