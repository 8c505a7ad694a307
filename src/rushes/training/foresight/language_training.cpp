#include "rushes/training/foresight/language_training.h"

#include <algorithm>

#include "rushes/base/log.h"
#include "rushes/base/stop_signal.h"
#include "rushes/models/qwen/checkpoint.h"
#include "rushes/models/qwen/positions.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "rushes/training/begin_with.h"
#include "rushes/training/drawing.h"
#include "rushes/training/foresight/shipped_language.h"
#include "rushes/training/optimiser.h"
#include "rushes/training/parallel.h"
#include "rushes/training/precision.h"
#include "rushes/training/wan/caption_reading.h"

namespace rushes::training {
namespace {

constexpr at::ScalarType kIntegers = at::kLong;
constexpr std::string_view kInner = "inner.", kOuter = "outer.";

at::Tensor integers(const std::vector<int64_t>& values) { return at::tensor(values, at::TensorOptions(kIntegers)); }

// Names of the optimiser: the matrices that Muon moves have a beginning of their own. It takes matrices only; AdamW
// moves each of the 1,176 weights of a patch by the same length, most of them the same way where a patch has one
// colour, which would throw activations of size 1 by several: those weights are kept so much larger.
constexpr double kPatchScale = 24;
constexpr std::string_view kPatches = "visual.patch_embed.proj.weight";

bool is_inner(const std::string& key) {
  return key.find("layers.") != std::string::npos || key.find("blocks.") != std::string::npos ||
         key.find("merger.") != std::string::npos;
}
std::map<std::string, at::Tensor> optimiser_names(const std::map<std::string, at::Tensor>& published) {
  std::map<std::string, at::Tensor> named;
  for (const auto& [key, value] : published)
    named[std::string(is_inner(key) && value.dim() == 2 ? kInner : kOuter) + key] =
        key == kPatches ? value * kPatchScale : value;
  return named;
}
tensor::WeightMap published_names(const tensor::WeightMap& named) {
  tensor::WeightMap published;
  for (const auto& [name, value] : named.tensors()) {
    if (!name.starts_with(kInner) && !name.starts_with(kOuter)) continue;  // of training alone
    const std::string key = name.substr(kInner.size());
    published.set(key, key == kPatches ? value / kPatchScale : value);
  }
  published.set_trainable(named.trainable());
  return published;
}

struct Networks {
  qwen::LanguageModel language;
  qwen::VisionTower vision;

  Networks(const qwen::Config& config, const tensor::WeightMap& published)
      : language(config.text, trained(qwen::language_weights(published))),
        vision(config.vision, trained(qwen::vision_weights(published))) {}

 private:
  // The parts lose the mark of the whole.
  static tensor::WeightMap trained(tensor::WeightMap weights) {
    weights.set_trainable(true);
    return weights;
  }
};

// ---- looking --------------------------------------------------------------------------------------------------------

// The vision tower alone, which is a third of an update's price, first learns to name what a picture shows; what it
// sees is then there to be told.
constexpr double kLooking = 0.2;      // of the time
constexpr double kTelling = 0.05;     // of the time, until what tells moves at full speed
constexpr double kProbeWeight = 0.1;  // of the loss, afterwards

constexpr int64_t kShown = 12;  // nothing, arrow or trail in four ways, floor, curve, an arrow between two
constexpr std::array<int64_t, 7> kSeenCounts{kShapes,  kColours,     kShapes + 1, kColours + 1,
                                             kGrounds, kGrounds + 1, kShown};

int64_t shown(const ForesightLabels& labels) {
  const auto way = static_cast<int64_t>(labels.outcome);
  if (labels.cue == Cue::none) return 0;
  if (labels.cue == Cue::floor) return 9;
  if (labels.cue == Cue::curve) return 10;
  if (labels.outcome == Outcome::hit) return 11;
  return 1 + way + (labels.cue == Cue::trail ? 4 : 0);
}

std::vector<int64_t> seen_in(const ForesightLabels& labels) {
  const auto number = [](auto value) { return static_cast<int64_t>(value); };
  const Thing& first = labels.things.front();
  const bool is_pair = labels.things.size() > 1;
  return {number(first.shape),
          number(first.colour),
          is_pair ? number(labels.things[1].shape) : kShapes,
          is_pair ? number(labels.things[1].colour) : kColours,
          number(labels.ground),
          labels.floor ? number(*labels.floor) : kGrounds,
          shown(labels)};
}

// seen [B n, C], what each picture of `seen_in` has alike many rows of; the size of rows tells nothing.
Probe named(const at::Tensor& seen, std::span<const LanguageLesson> lessons, const at::Tensor& weight) {
  const auto B = std::ssize(lessons);
  std::vector<int64_t> classes;
  for (const LanguageLesson& lesson : lessons) classes.insert(classes.end(), lesson.seen.begin(), lesson.seen.end());
  const at::Tensor wide = seen.to(at::kFloat);
  const at::Tensor rows = (wide * at::rsqrt(at::mean(wide * wide, {-1}, true) + 1e-6)).view({B, -1, seen.size(-1)});
  return probe(rows, at::ones({B, rows.size(1)}, at::kFloat), weight, integers(classes).view({B, -1}), kSeenCounts);
}

// ---- lessons --------------------------------------------------------------------------------------------------------

// Pictures are drawn ahead; what is said about them costs nothing and follows from the same numbers.
class Lessons {
 public:
  Lessons(const RunOptions& options, const qwen::Config& config, const text::ByteLevelBpe& tokenizer, uint64_t first)
      : config_(config),
        tokenizer_(tokenizer),
        seed_(options.seed),
        next_(first),
        drawing_(
            [seed = options.seed, config](uint64_t index) {
              return patches_of(make_foresight_scene(seed, index, Split::train), config).values;
            },
            first, options.batch) {}

  std::vector<LanguageLesson> next_batch() {
    const at::Tensor values = drawing_.next_batch();
    std::vector<LanguageLesson> lessons;
    for (int64_t i = 0; i < values.size(0); ++i) {
      const ForesightScene scene = make_foresight_scene(seed_, next_++, Split::train);
      lessons.push_back(lesson_of(scene, {values[i], grid()}, config_, tokenizer_));
    }
    // Like lengths together: less padding.
    std::ranges::stable_sort(lessons, {}, [](const LanguageLesson& lesson) { return lesson.ids.size(); });
    return lessons;
  }

 private:
  static at::Tensor grid() {
    const int64_t side = kForesightPictureSide / 14;
    return integers({1, side, side}).view({1, 3});
  }
  const qwen::Config& config_;
  const text::ByteLevelBpe& tokenizer_;
  uint64_t seed_, next_;
  Drawing drawing_;
};

// Share of answers of which every token is the most probable one, the ones before it given.
double all_right(const qwen::Config& config, const text::ByteLevelBpe& tokenizer, const tensor::WeightMap& weights,
                 uint64_t seed) {
  constexpr int64_t kPictures = 96, kTogether = 16;
  const c10::InferenceMode inference;
  const qwen::LanguageModel language(config.text, qwen::language_weights(weights));
  const qwen::VisionTower vision(config.vision, qwen::vision_weights(weights));
  int64_t right = 0;
  for (int64_t first = 0; first < kPictures; first += kTogether) {
    std::vector<LanguageLesson> lessons;
    for (int64_t i = first; i < first + kTogether; ++i) {
      const ForesightScene scene = make_foresight_scene(seed, static_cast<uint64_t>(i), Split::held_out);
      lessons.push_back(lesson_of(scene, patches_of(scene, config), config, tokenizer));
    }
    const Answers answers = read_lessons(language, see_lessons(vision, lessons), lessons, config);
    const at::Tensor wrong = answers.logits.argmax(-1).ne(answers.targets);
    int64_t begin = 0;
    for (const LanguageLesson& lesson : lessons) {
      const int64_t tokens = std::ssize(lesson.ids) - lesson.prompt_tokens;
      right += wrong.narrow(0, begin, tokens).any().item<bool>() ? 0 : 1;
      begin += tokens;
    }
  }
  return static_cast<double>(right) / static_cast<double>(kPictures);
}

}  // namespace

qwen::PicturePatches patches_of(const ForesightScene& scene, const qwen::Config& config) {
  return qwen::picture_patches(foresight_picture(scene), config.picture);
}

LanguageLesson lesson_of(const ForesightScene& scene, const qwen::PicturePatches& patches, const qwen::Config& config,
                         const text::ByteLevelBpe& tokenizer) {
  const int64_t picture_tokens = patches.values.size(0) / config.vision.unit_patches();
  LanguageLesson lesson{
      .ids = qwen::ChatPrompt(tokenizer).ids(qwen::question_about(1, scene.question), {picture_tokens}),
      .patches = patches,
      .seen = seen_in(scene.labels)};
  lesson.prompt_tokens = std::ssize(lesson.ids);
  const std::vector<int64_t> answer = tokenizer.encode(scene.answer);
  lesson.ids.insert(lesson.ids.end(), answer.begin(), answer.end());
  lesson.ids.push_back(config.eos_token_ids.front());
  return lesson;
}

at::Tensor see_lessons(const qwen::VisionTower& vision, std::span<const LanguageLesson> lessons) {
  std::vector<at::Tensor> patches, grids;
  for (const LanguageLesson& lesson : lessons) {
    patches.push_back(lesson.patches.values);
    grids.push_back(lesson.patches.grid);
  }
  return vision.forward(at::cat(patches, 0), at::cat(grids, 0));
}

Answers read_lessons(const qwen::LanguageModel& language, const at::Tensor& seen,
                     std::span<const LanguageLesson> lessons, const qwen::Config& config) {
  const auto B = std::ssize(lessons);
  // The last token is only to be said.
  int64_t L = 0;
  for (const LanguageLesson& lesson : lessons) L = std::max<int64_t>(L, std::ssize(lesson.ids) - 1);
  const at::Tensor ids = at::full({B, L}, config.eos_token_ids.back(), kIntegers), mask = at::zeros({B, L}, kIntegers);
  std::vector<at::Tensor> grids;
  std::vector<int64_t> places, targets;  // of hidden states [B L, C] that say an answer's token
  for (int64_t b = 0; b < B; ++b) {
    const LanguageLesson& lesson = lessons[static_cast<std::size_t>(b)];
    const auto read = std::ssize(lesson.ids) - 1;
    ids[b].narrow(0, 0, read).copy_(integers(lesson.ids).narrow(0, 0, read));
    mask[b].narrow(0, 0, read).fill_(1);
    grids.push_back(lesson.patches.grid);
    for (int64_t i = lesson.prompt_tokens; i <= read; ++i) {
      places.push_back(b * L + i - 1);
      targets.push_back(lesson.ids[static_cast<std::size_t>(i)]);
    }
  }
  const qwen::Positions positions =
      qwen::rope_index(ids, mask, at::cat(grids, 0), {config.image_token_id, config.vision.spatial_merge_size});
  const at::Tensor pictures = at::nonzero(ids.view({-1}).eq(config.image_token_id)).squeeze(1);
  const at::Tensor x = language.embed(ids).flatten(0, 1).index_copy(0, pictures, seen).view({B, L, -1});
  const at::Tensor hidden = language.forward(x, positions.ids).flatten(0, 1);
  return {language.logits(hidden.index_select(0, integers(places))), integers(targets)};
}

void train_foresight_language(const RunOptions& options) {
  at::manual_seed(options.seed);
  const auto& directory = options.directory;
  const auto state_file = directory / "language.state.safetensors";
  const auto earlier_file = directory / "language.safetensors";
  // The tokenizer that training began with stays.
  if (!std::filesystem::exists(state_file) && !std::filesystem::exists(earlier_file))
    write_merges(directory, train_foresight_bpe(options.seed));
  const text::BpeMerges merges = read_merges(directory);
  const qwen::Config config = foresight_language(merges);
  const text::ByteLevelBpe tokenizer(foresight_tokenizer(merges));
  std::map<std::string, at::Tensor> published = fresh_foresight_language(config);
  // Who has begun to speak need not look at pictures alone once more.
  const double looking = begin_with(published, earlier_file) > 0 ? 0 : kLooking;
  std::map<std::string, at::Tensor> initial = optimiser_names(published);
  initial["probe.weight"] = fresh_probe(kSeenCounts, config.text.hidden_size);  // does not ship
  Optimiser optimiser(initial, {.learning_rate = options.learning_rate,
                                .average = 0.997,
                                .warm_up_steps = 50,
                                .muon_prefix = std::string(kInner),
                                .threads = options.threads});
  if (optimiser.load(state_file)) log::info("continuing at step {}", optimiser.steps());
  Lessons source(options, config, tokenizer, static_cast<uint64_t>(optimiser.steps() * options.batch));
  const int64_t parts = parallel_parts(options.batch, options.threads), share = options.batch / parts;
  const at::Tensor probe_weight = optimiser.weights().at("probe.weight");
  Run run(options, "language", {"loss", "right", "seen", "gradient"});
  const auto save = [&] {
    optimiser.save(state_file);
    run.saved();
    const tensor::WeightMap average = published_names(optimiser.average());
    tensor::save_safetensors(earlier_file, average.tensors());
    if (base::stop_signal() == 0)
      log::info("language: {:.0f} % of held-out answers are right in every token",
                100 * all_right(config, tokenizer, average, options.seed));
  };
  while (run.time_left()) {
    const std::vector<LanguageLesson> lessons = source.next_batch();
    const double told = run.progress() - looking;  // below 0: pictures are only looked at
    std::vector<double> losses(static_cast<std::size_t>(parts)), right(losses.size()), seen_right(losses.size());
    in_parallel(parts, [&](int64_t part) {
      const auto place = static_cast<std::size_t>(part);
      const std::span own =
          std::span(lessons).subspan(place * static_cast<std::size_t>(share), static_cast<std::size_t>(share));
      const Networks networks(config, published_names(for_products(optimiser.weights())));
      const at::Tensor seen = see_lessons(networks.vision, own);
      const Probe looked = named(seen, own, probe_weight);
      at::Tensor loss = looked.loss;
      seen_right[place] = looked.right;
      if (told >= 0) {
        const Answers answers = read_lessons(networks.language, seen, own, config);
        const at::Tensor telling = at::cross_entropy_loss(answers.logits, answers.targets);
        loss = telling + kProbeWeight * looked.loss;
        losses[place] = telling.item<double>();
        right[place] = answers.logits.detach().argmax(-1).eq(answers.targets).to(at::kFloat).mean().item<double>();
      }
      (loss / static_cast<double>(parts)).backward();
    });
    const double begun = told < 0 ? 1 : std::min(1.0, 0.1 + told / kTelling);
    const double gradient = optimiser.step(run.schedule() * begun);
    run.record(optimiser.steps(), {mean_of(losses), mean_of(right), mean_of(seen_right), gradient}, 25);
    if (run.due()) save();
  }
  save();
}

}  // namespace rushes::training
