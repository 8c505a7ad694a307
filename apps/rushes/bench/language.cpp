// The language model of Qwen2.5-VL 3B: reading a prompt with a picture, and writing a token after it. Some of its
// layers with weights of their own: their time is what the others take too. The head is whole.
#include <fmt/format.h>

#include "bench.h"
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/models/qwen/language_model.h"
#include "rushes/nn/stock_operators.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

constexpr int64_t kPromptTokens = 360;  // a picture of 512 x 512 and a question

qwen::TextConfig config_3b(int64_t layers) {
  return {.vocab_size = 151936,
          .hidden_size = 2048,
          .intermediate_size = 11008,
          .num_hidden_layers = layers,
          .num_attention_heads = 16,
          .num_key_value_heads = 2,
          .tie_word_embeddings = true};
}

qwen::LanguageModel language_model(const Setup& setup, int64_t layers) {
  const qwen::TextConfig config = config_3b(layers);
  tensor::WeightMap weights;
  for (const auto& [key, shape] : qwen::language_shapes(config))
    weights.set(key, shape.size() == 1 ? at::ones(shape, setup.options())
                                       : at::randn(shape, setup.options()).mul_(1 / std::sqrt(shape.back())));
  return {config, weights};
}

at::Tensor positions(int64_t from, int64_t tokens, at::Device device) {
  return at::arange(from, from + tokens, at::TensorOptions(at::kLong).device(device)).expand({3, 1, tokens});
}

void add_candidates(Operation& operation, const std::function<at::Tensor()>& run) {
  operation.candidates.push_back({"rushes", run});
  operation.candidates.push_back({"stock operators", [run] {
                                    const nn::StockOperators stock;
                                    return run();
                                  }});
}

}  // namespace

void bench_language(Report& report) {
  const Setup& setup = report.setup();
  const int64_t layers = setup.quick ? 1 : 4;
  const std::string writing =
                        fmt::format("Qwen 3B, one token after {}, {} of 36 layers and the head", kPromptTokens, layers),
                    reading = fmt::format("Qwen 3B, a prompt of {} tokens, {} of 36 layers", kPromptTokens, layers);
  if (!report.wants(writing) && !report.wants(reading)) return;
  const qwen::LanguageModel model = language_model(setup, layers);
  const at::Tensor x = at::randn({1, kPromptTokens, model.config().hidden_size}, setup.floats()).to(setup.dtype);
  qwen::KeyValues past = model.past(2 * kPromptTokens);
  model.forward(x, positions(0, kPromptTokens, setup.device), &past);

  if (report.wants(writing)) {
    Operation operation{.name = writing, .bytes = static_cast<double>(model.bytes_per_token())};
    add_candidates(operation, [&] {
      qwen::KeyValues own = past;
      return model.logits(model.forward(x.narrow(1, 0, 1), positions(kPromptTokens, 1, setup.device), &own));
    });
    report.measure(operation);
  }
  if (report.wants(reading)) {
    const int64_t head_bytes = model.config().vocab_size * model.config().hidden_size * x.element_size();
    const double weights = static_cast<double>((model.bytes_per_token() - head_bytes) / x.element_size());
    Operation operation{.name = reading, .flop = 2 * kPromptTokens * weights};
    add_candidates(operation, [&] { return model.forward(x, positions(0, kPromptTokens, setup.device)); });
    report.measure(operation);
  }
}

}  // namespace rushes::app::bench
