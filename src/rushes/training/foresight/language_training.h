// The stage that trains the language half: from a picture and a question to an answer, as generation reads them.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "rushes/models/qwen/model.h"
#include "rushes/models/qwen/picture_patches.h"
#include "rushes/tensor/weight_map.h"
#include "rushes/training/foresight/foresight_world.h"
#include "rushes/training/run.h"

namespace rushes::training {

/// A picture, a question and its answer as the model reads them.
struct LanguageLesson {
  std::vector<int64_t> ids;  // prompt, then answer with the end of the turn
  int64_t prompt_tokens = 0;
  qwen::PicturePatches patches;
  std::vector<int64_t> seen;  // classes of what the picture shows, for training
};
LanguageLesson lesson_of(const ForesightScene& scene, const qwen::PicturePatches& patches, const qwen::Config& config,
                         const text::ByteLevelBpe& tokenizer);
qwen::PicturePatches patches_of(const ForesightScene& scene, const qwen::Config& config);

/// What comes out where an answer is to come out: logits [n, V] float32 and the right tokens [n] int64, answer after
/// answer.
struct Answers {
  at::Tensor logits, targets;
};
/// What the vision tower makes of their pictures, one after the other: [tokens, C]. Pictures of one size are quicker.
at::Tensor see_lessons(const qwen::VisionTower& vision, std::span<const LanguageLesson> lessons);
/// Reads lessons together, shorter ones padded behind: the same numbers as one by one. `seen` is see_lessons() of them.
/// Differentiable where the weights are trained.
Answers read_lessons(const qwen::LanguageModel& language, const at::Tensor& seen,
                     std::span<const LanguageLesson> lessons, const qwen::Config& config);

/// Continues from DIRECTORY/language.state.safetensors; writes language.merges.txt, language.safetensors (moving
/// average, published names) and language.csv. Cross entropy of the answers alone.
void train_foresight_language(const RunOptions& options);

/// Greedy answers to held-out scenes, as sessions make them.
struct LanguageQuality {
  int64_t pictures = 0;
  int64_t things = 0;                       // all shapes and colours named right, none beside them
  int64_t outcome = 0;                      // what will happen
  int64_t grounds = 0;                      // ground, or floor
  int64_t ended = 0;                        // the text came to its end
  double first_word_ms = 0, answer_ms = 0;  // medians: picture seen, prompt read, first token; all of it
  std::vector<std::string> mistakes;
};
LanguageQuality measure_foresight_language(const std::shared_ptr<const qwen::Model>& model, int64_t pictures,
                                           uint64_t seed);
std::string describe(const LanguageQuality& quality);

}  // namespace rushes::training
