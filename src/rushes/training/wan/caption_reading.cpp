#include "rushes/training/wan/caption_reading.h"

#include <numeric>

#include "rushes/tensor/ops.h"

namespace rushes::training {

Probe probe(const at::Tensor& rows, const at::Tensor& mask, const at::Tensor& weight, const at::Tensor& classes,
            at::IntArrayRef counts) {
  const at::Tensor pooled = rows.sum({1}) / mask.to(rows.device(), at::kFloat).sum({1}, true);
  const at::Tensor logits = at::linear(pooled, weight);
  Probe result{at::zeros({}, rows.options()), 0};
  int64_t begin = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const at::Tensor part = logits.narrow(1, begin, counts[i]);
    const at::Tensor wanted = classes.select(1, static_cast<int64_t>(i));
    result.loss = result.loss + at::cross_entropy_loss(part, wanted);
    result.right += part.argmax(1).eq(wanted).to(at::kFloat).mean().item<double>() / static_cast<double>(counts.size());
    begin += counts[i];
  }
  return result;
}

at::Tensor fresh_probe(at::IntArrayRef counts, int64_t dim) {
  return at::randn({std::accumulate(counts.begin(), counts.end(), int64_t{0}), dim}, at::kFloat) * 0.1;
}

void learn_to_read(Optimiser& optimiser, const std::function<at::Tensor(const Prompts&)>& read,
                   const text::Tokenizer& tokenizer, int64_t text_len, const CaptionWorld& world,
                   const RunOptions& options) {
  constexpr int64_t kBatch = 128;
  Run run(options, "text", {"loss", "right"});
  const at::Tensor weight = optimiser.weights().at("probe.weight");
  for (uint64_t index = 0; run.time_left();) {
    std::vector<std::string> captions;
    std::vector<int64_t> classes;
    for (int64_t i = 0; i < kBatch; ++i) {
      CaptionWorld::Caption caption = world.caption(index++);
      captions.push_back(std::move(caption.text));
      classes.insert(classes.end(), caption.classes.begin(), caption.classes.end());
    }
    const Prompts prompts = tokenize(tokenizer, captions, text_len);
    const at::Tensor rows = read(prompts);
    const Probe named =
        probe(rows, prompts.mask, weight,
              at::tensor(at::ArrayRef<int64_t>(classes)).view({kBatch, -1}).to(rows.device()), world.counts);
    named.loss.backward();
    optimiser.step(run.schedule());
    run.record(optimiser.steps(), {named.loss.item<double>(), named.right}, 25);
  }
}

}  // namespace rushes::training
