// Text beside video: how many words a second come while frames are made on the same device, against the text alone; and
// how much later the video is. The given model, else the shipped one; and one with random weights as wide as the
// published models, of which it has some layers.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench.h"
#include "model_options.h"
#include "rushes/base/error.h"
#include "rushes/generation/foresight/model.h"
#include "rushes/models/ltx/random_weights.h"
#include "rushes/models/qwen/random_weights.h"
#include "rushes/models/t5/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::app::bench {
namespace {

using Clock = std::chrono::steady_clock;
using generation::Request;

constexpr const char* kName = "Foresight, text beside video";
constexpr int64_t kSide = 256, kVideoFrames = 9;  // of the random model

// ---- a model of published widths ------------------------------------------------------------------------------------

/// Each letter is a token.
class Letters final : public text::Tokenizer {
 public:
  Letters() : Tokenizer({.pad = 0, .before = {}, .after = {{1, "</s>"}}}) {}
  int64_t vocabulary_size() const override { return 256; }

 protected:
  std::vector<text::Token> split(std::string_view text) const override {
    std::vector<text::Token> tokens;
    for (const char letter : text) tokens.push_back({static_cast<unsigned char>(letter), std::string(1, letter)});
    return tokens;
  }
};

/// Qwen2.5-VL 3B, whose vision tower is small: it is of the prompt, which comes before all that is measured.
std::shared_ptr<const qwen::Model> language_of(const Setup& setup, int64_t layers) {
  qwen::Config config = qwen::tiny_config();
  constexpr int64_t kWords = 26;
  text::BpeFiles files = qwen::byte_tokenizer_files();
  const int64_t first = config.text.vocab_size;
  for (int64_t i = 0; i < kWords; ++i)
    files.vocabulary[text::to_byte_alphabet(std::string{static_cast<char>('a' + i), ' '})] = first + i;
  config.text = {.vocab_size = first + kWords,
                 .hidden_size = 2048,
                 .intermediate_size = 11'008,
                 .num_hidden_layers = layers,
                 .num_attention_heads = 16,
                 .num_key_value_heads = 2};
  config.vision.out_hidden_size = config.text.hidden_size;
  config.eos_token_ids = {-1};  // a text is as long as it may be
  tensor::WeightMap weights = qwen::random_weights(config, 1);
  // Words only, which are told as they come: a token of all others is a piece of one.
  const at::Tensor spoken = at::zeros({config.text.vocab_size, 1}, at::TensorOptions(at::kFloat));
  spoken.narrow(0, first, kWords).fill_(1);
  weights.set("lm_head.weight", weights.at("lm_head.weight") * spoken);
  const tensor::Placement placement{.device = setup.device, .dtype = setup.dtype};
  return std::make_shared<const qwen::Model>(
      qwen::Model{.config = config,
                  .tokenizer = std::make_shared<const text::ByteLevelBpe>(files),
                  .language = qwen::LanguageModel(config.text, placement.put(qwen::language_weights(weights))),
                  .vision = qwen::VisionTower(config.vision, placement.put(qwen::vision_weights(weights)))});
}

/// LTX-Video 2B, whose text encoder and autoencoder are small: what is denoised is much more work.
generation::VideoParts video_of(const Setup& setup, int64_t layers) {
  const t5::Config text{.vocab_size = 256, .d_model = 64, .d_kv = 16, .num_heads = 4, .d_ff = 128, .num_layers = 1};
  ltx::Config config;
  config.transformer.num_layers = layers;
  config.transformer.caption_channels = text.d_model;
  config.vae.block_out_channels = config.vae.decoder_block_out_channels = {32, 64, 64, 64};
  config.vae.layers_per_block = config.vae.decoder_layers_per_block = {1, 1, 1, 1, 1};
  const auto put = [&](const tensor::WeightMap& weights) { return weights.to(setup.dtype).to(setup.device); };
  return {.transformer = std::make_shared<const ltx::Transformer>(
              config.transformer, put(ltx::random_transformer_weights(config.transformer))),
          .vae = std::make_shared<const ltx::Vae>(config.vae, put(ltx::random_vae_weights(config.vae))),
          .scheduler = config.scheduler,
          .text = std::make_shared<const t5::TextEncoder>(
              std::make_shared<const Letters>(),
              std::make_shared<const t5::Encoder>(text, put(ltx::random_weights(t5::parameter_shapes(text)))))};
}

std::shared_ptr<const generation::Model> model_of_published_widths(const Setup& setup) {
  const int64_t layers = setup.quick ? 1 : 4;
  generation::ForesightSettings defaults;
  defaults.height = defaults.width = kSide;
  defaults.video_frames = kVideoFrames;
  defaults.steps = setup.quick ? 4 : 10;
  defaults.max_new_tokens = setup.quick ? 32 : 128;
  return std::make_shared<const generation::ForesightModel>(
      generation::ModelCard{.name = fmt::format("random, {} of 36 and of 28 layers", layers)}, defaults,
      std::make_shared<const generation::ForesightParts>(language_of(setup, layers), video_of(setup, layers),
                                                         std::nullopt));
}

// ---- what is measured -----------------------------------------------------------------------------------------------

/// Of one run, in seconds from its beginning.
struct Run {
  std::vector<double> words;  // when each came
  double first_frame = 0, video = 0;

  double words_per_second() const {
    return words.size() < 2 ? 0 : static_cast<double>(words.size() - 1) / (words.back() - words.front());
  }
  double longest_wait() const {
    double longest = 0;
    for (std::size_t i = 1; i < words.size(); ++i) longest = std::max(longest, words[i] - words[i - 1]);
    return longest;
  }
};

Request question() {
  const auto pixels = std::make_shared<std::vector<uint8_t>>(kSide * kSide * 3, uint8_t{128});
  return {.prompts = {"What will happen?"},
          .image = Image{.rgb = {pixels, pixels->data()}, .height = kSide, .width = kSide},
          .seed = 1};
}

Run run(const generation::Model& model, const char* tracks) {
  Request request = question();
  request.options.set("tracks", std::string(tracks));
  request.options.set("temperature", 0.0);
  const auto generator = generation::start(model, request);
  Run run;
  const auto begin = Clock::now();
  for (auto outcome = generation::StepOutcome::again; outcome == generation::StepOutcome::again;) {
    const generation::StepResult result = generator->step({});
    outcome = result.outcome;
    const double now = std::chrono::duration<double>(Clock::now() - begin).count();
    for (const generation::Event& event : result.events) {
      if (const auto* failed = std::get_if<generation::TrackFailed>(&event)) fail(failed->code, "{}", failed->message);
      const auto* chunk = std::get_if<generation::TextChunk>(&event);
      if (chunk && !chunk->utf8.empty()) run.words.push_back(now);
      if (std::holds_alternative<generation::PreviewFrames>(event) && run.first_frame == 0) run.first_frame = now;
      if (std::holds_alternative<generation::FrameBlock>(event)) run.video = now;
    }
  }
  return run;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void measure(Report& report, const generation::Model& model) {
  const Setup& setup = report.setup();
  run(model, "both");  // kernels are chosen, memory is mapped, the prompts are read
  std::vector<Run> alone, both, video;
  for (int round = 0; round < setup.rounds; ++round) {
    alone.push_back(run(model, "text"));
    both.push_back(run(model, "both"));
    video.push_back(run(model, "video"));
  }
  const auto of = [](const std::vector<Run>& runs, const auto& value) {
    std::vector<double> values(runs.size());
    std::ranges::transform(runs, values.begin(), value);
    return median(values);
  };
  const auto rate = [](const Run& each) { return each.words_per_second(); };
  const auto wait = [](const Run& each) { return each.longest_wait(); };
  const auto end = [](const Run& each) { return each.video; };
  BesideFigures figures{.name = model.card().name,
                        .words = static_cast<int64_t>(alone.front().words.size()),
                        .words_per_second_alone = of(alone, rate),
                        .words_per_second_beside = of(both, rate),
                        .longest_wait_alone = of(alone, wait),
                        .longest_wait_beside = of(both, wait),
                        .first_word_seconds = of(both, [](const Run& each) { return each.words.front(); }),
                        .first_frame_seconds = of(both, [](const Run& each) { return each.first_frame; }),
                        .video_seconds_alone = of(video, end),
                        .video_seconds_beside = of(both, end)};
  require(both.front().words.size() == alone.front().words.size() && figures.words > 1, ErrorCode::internal,
          "{} words come alone, {} beside the video", alone.front().words.size(), both.front().words.size());
  fmt::print(
      "{}: {}, {} words\n"
      "  {:7.1f} words/s alone, {:7.1f} beside the video: {:+.0f} %; longest wait for one {:.0f} ms, {:.0f} ms\n"
      "  first word after {:.0f} ms, first frame after {:.0f} ms; video after {:.2f} s alone, {:.2f} s beside the "
      "text\n",
      kName, figures.name, figures.words, figures.words_per_second_alone, figures.words_per_second_beside,
      100 * (figures.words_per_second_beside / figures.words_per_second_alone - 1), figures.longest_wait_alone * 1e3,
      figures.longest_wait_beside * 1e3, figures.first_word_seconds * 1e3, figures.first_frame_seconds * 1e3,
      figures.video_seconds_alone, figures.video_seconds_beside);
  report.beside.push_back(std::move(figures));
}

bool makes_both(const std::string& path) {
  const generation::Family* family = path.empty() ? nullptr : generation::family_of(path);
  using generation::Modality;
  return family && family->capabilities.yields.has(Modality::text) && family->capabilities.yields.has(Modality::video);
}

}  // namespace

void bench_foresight(Report& report, const generation::ModelOptions& options) {
  if (!report.wants(kName)) return;
  const int threads = at::get_num_threads();
  generation::ModelOptions model = options;
  if (!makes_both(model.path)) model.path = answering_model("");
  if (!model.path.empty()) {
    if (is_small(model)) at::set_num_threads(1);
    measure(report, *generation::load_model(model));
    at::set_num_threads(threads);
  }
  measure(report, *model_of_published_widths(report.setup()));
}

}  // namespace rushes::app::bench
