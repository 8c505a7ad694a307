#include "rushes/training/foresight/foresight_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "rushes/generation/model.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/foresight/film_rule.h"
#include "rushes/training/png.h"
#include "rushes/training/psnr.h"

namespace rushes::training {
namespace {

constexpr uint64_t kSeed = 93;
constexpr std::size_t kSheetPictures = 10;
constexpr int64_t kSheetColumns = 8;

Image image_of(const ForesightScene& scene) {
  const auto pixels = std::make_shared<const at::Tensor>(foresight_picture(scene).contiguous());
  return {{pixels, pixels->const_data_ptr<uint8_t>()}, pixels->size(0), pixels->size(1)};
}

/// [T, H, W, 3] uint8 to [T, 3, H, W] in [0, 1].
at::Tensor frames_of(const uint8_t* rgb, int64_t count, int64_t height, int64_t width) {
  return at::from_blob(const_cast<uint8_t*>(rgb), {count, height, width, 3}, at::kByte)
             .permute({0, 3, 1, 2})
             .to(at::kFloat) /
         255;
}

bool names_things(const AnswerReading& reading, const ForesightLabels& labels) {
  return reading.things.size() == labels.things.size() &&
         std::is_permutation(reading.things.begin(), reading.things.end(), labels.things.begin());
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + std::ssize(values) / 2, values.end());
  return values[values.size() / 2];
}

std::string_view name_or_none(const std::optional<Outcome>& outcome) { return outcome ? name(*outcome) : "?"; }

}  // namespace

Foreseen foresee(const generation::Model& model, const ForesightScene& scene, uint64_t seed, const Options& options) {
  generation::Request request;
  request.prompts = {scene.question};
  if (scene.question.empty()) request.prompts.clear();
  request.seed = seed;
  request.image = image_of(scene);
  request.options = options;
  Foreseen answer;
  std::vector<at::Tensor> blocks;
  const auto begin = std::chrono::steady_clock::now();
  const auto since = [&] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
  };
  const auto generator = generation::start(model, request);
  for (;;) {
    const generation::StepResult result = generator->step({});
    for (const generation::Event& event : result.events) {
      if (const auto* chunk = std::get_if<generation::TextChunk>(&event)) {
        if (answer.text.empty() && !chunk->utf8.empty()) answer.first_word_ms = since();
        answer.text += chunk->utf8;
      } else if (const auto* preview = std::get_if<generation::PreviewFrames>(&event)) {
        if (answer.first_frame.defined() || !preview->rgb) continue;
        answer.first_frame_ms = since();
        answer.first_frame = frames_of(preview->rgb.get(), 1, preview->height, preview->width)[0];
      } else if (const auto* block = std::get_if<generation::FrameBlock>(&event)) {
        blocks.push_back(frames_of(block->rgb.get(), block->video_frames, block->height, block->width));
      }
    }
    if (result.outcome != generation::StepOutcome::again) break;
  }
  answer.all_ms = since();
  if (!blocks.empty()) answer.film = at::cat(blocks);
  return answer;
}

ForesightQuality measure_foresight(const generation::Model& model, int64_t pictures, const std::filesystem::path& sheet,
                                   const Options& options) {
  const at::NoGradGuard no_grad;
  ForesightQuality q;
  std::vector<at::Tensor> rows;
  std::vector<double> first_words, first_frames, alls;
  for (int64_t i = 0; i < pictures; ++i) {
    const ForesightScene scene = make_foresight_scene(kSeed, static_cast<uint64_t>(i), Split::held_out);
    const at::Tensor drawn = draw(scene, 0, kForesightVideoFrames);
    const Foreseen answer = foresee(model, scene, static_cast<uint64_t>(i), options);
    const AnswerReading said = read_answer(answer.text);
    const auto true_outcome = std::optional(scene.labels.outcome);
    std::optional<Outcome> shown;
    if (answer.film.defined()) {
      shown = read_outcome(answer.film, scene);
      q.film.add(shown == true_outcome);
      q.agreement.add(shown && shown == said.outcome);
      q.first_frame_psnr += psnr(answer.film[0], drawn[0]) / static_cast<double>(pictures);
      q.film_psnr += psnr(answer.film, drawn.narrow(0, 0, answer.film.size(0))) / static_cast<double>(pictures);
      if (rows.size() < 2 * kSheetPictures) {
        rows.push_back(answer.film);
        rows.push_back(drawn);
        q.said.push_back(fmt::format("'{}' {}", scene.question, answer.text));
      }
    }
    q.rule.add(read_outcome(drawn, scene) == true_outcome);
    q.things.add(names_things(said, scene.labels));
    q.outcome.add(said.outcome == true_outcome);
    first_words.push_back(answer.first_word_ms);
    first_frames.push_back(answer.first_frame_ms);
    alls.push_back(answer.all_ms);
    if (shown != true_outcome || said.outcome != true_outcome || !names_things(said, scene.labels))
      q.mistakes.push_back(fmt::format("{}: '{}' is {} ({}), said '{}', shown {}", i, scene.question,
                                       name(scene.labels.outcome), name(scene.labels.cue), answer.text,
                                       name_or_none(shown)));
  }
  q.first_word_ms = median(first_words);
  q.first_frame_ms = median(first_frames);
  q.all_ms = median(alls);
  if (!sheet.empty() && !rows.empty()) write_png(sheet, contact_sheet(at::stack(rows), kSheetColumns));
  return q;
}

std::string describe(const ForesightQuality& q) {
  return fmt::format(
      "{} held-out pictures: shapes and colours named {:.0f} %, what happens named {:.0f} %, shown {:.0f} %, shown as "
      "said {:.0f} % (the rule reads {:.0f} % of drawn films); first frame {:.1f} dB, film {:.1f} dB; first word "
      "{:.0f} "
      "ms, first frame {:.0f} ms, all {:.0f} ms",
      q.things.of, q.things.percent(), q.outcome.percent(), q.film.percent(), q.agreement.percent(), q.rule.percent(),
      q.first_frame_psnr, q.film_psnr, q.first_word_ms, q.first_frame_ms, q.all_ms);
}

}  // namespace rushes::training
