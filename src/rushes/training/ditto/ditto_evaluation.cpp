#include "rushes/training/ditto/ditto_evaluation.h"

#include <cmath>

#include "rushes/base/error.h"
#include "rushes/generation/registry.h"
#include "rushes/models/ditto/conditions.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/random.h"
#include "rushes/training/ditto/emotion_evaluation.h"
#include "rushes/training/face_world/speech_world.h"
#include "rushes/training/imtalker/talk_evaluation.h"
#include "rushes/training/png.h"
#include "rushes/training/psnr.h"

namespace rushes::training {
namespace {

constexpr uint64_t kSeed = 91;
constexpr int64_t kSpoken = 100;  // video frames

Image image_of(const at::Tensor& picture) {
  const at::Tensor pixels = (picture.clamp(0, 1) * 255 + 0.5).to(at::kByte).permute({1, 2, 0}).contiguous();
  auto bytes = std::make_shared<std::vector<uint8_t>>(pixels.const_data_ptr<uint8_t>(),
                                                      pixels.const_data_ptr<uint8_t>() + pixels.numel());
  return {std::shared_ptr<const uint8_t>(bytes, bytes->data()), pixels.size(0), pixels.size(1)};
}

at::Tensor frames_of(const generation::FrameBlock& block) {
  const at::Tensor pixels =
      at::from_blob(const_cast<uint8_t*>(block.rgb.get()), {block.video_frames, block.height, block.width, 3},
                    at::TensorOptions(at::kByte));
  return pixels.permute({0, 3, 1, 2}).to(at::kFloat) / 255;
}

/// A person who looks into the camera, the mouth shut.
FaceControls portrait_of(uint64_t index) {
  Random random(kSeed ^ 0xd1, index);
  FaceControls pose = random_controls(random);
  calm(pose, {}, 0.35f);
  pose.gaze_x *= 0.3f, pose.gaze_y *= 0.3f, pose.brow *= 0.3f;
  pose.blink = pose.jaw = pose.rounding = pose.width = 0;
  return pose;
}

at::Tensor quiet(int64_t video_frames, uint64_t seed) {
  return 1e-4 * tensor::RandomStream(seed).normal({video_frames * kSamplesPerFrame});
}

Options with(const char* name, OptionValue value) {
  Options options;
  options.set(name, std::move(value));
  return options;
}

/// The head stays where the picture has it, so that places on the picture are places on the face.
Options head_at_rest() { return with("use_d_keys", "[\"exp\"]"); }

std::vector<MouthBox> boxes_of(const Identity& person, const std::vector<FaceControls>& controls) {
  std::vector<MouthBox> boxes;
  for (const FaceControls& each : controls) boxes.push_back(mouth_box(person, each));
  return boxes;
}

/// Mean of a series [T] over each class of phonemes that occurs, as pairs of series.
void add_classes(const at::Tensor& seen, const at::Tensor& jaw, const at::Tensor& visemes, std::vector<double>& sums,
                 std::vector<double>& jaws, std::vector<double>& counts) {
  for (int64_t t = 0; t < visemes.size(0); ++t) {
    const auto viseme = static_cast<std::size_t>(visemes[t].item<int64_t>());
    sums[viseme] += seen[t].item<double>();
    jaws[viseme] += jaw[t].item<double>();
    counts[viseme] += 1;
  }
}

at::Tensor change(const at::Tensor& frames, const at::Tensor& map) {
  return ((frames.slice(0, 1) - frames.slice(0, 0, -1)).abs() * map).mean();
}

/// The largest step from row to row (or column to column) of a square's outermost `width` pixels, in the mean over the
/// row, beyond that of the picture it was put back into; shoulders, at the bottom, are left out. In levels of 255.
double seam_of(const at::Tensor& made, const at::Tensor& picture, int64_t top, int64_t left, int64_t side) {
  constexpr int64_t kWidth = 14;
  const at::Tensor change = (made - picture).narrow(1, top, side).narrow(2, left, side);
  const auto largest = [](const at::Tensor& lines) {  // [3, kWidth, n]
    return (lines.slice(1, 1) - lines.slice(1, 0, -1)).mean({2}).abs().max().item<double>();
  };
  const at::Tensor above = change.narrow(1, 0, kWidth), upper = change.narrow(1, 0, side / 2).transpose(1, 2);
  return 255 * std::max({largest(above), largest(upper.narrow(1, 0, kWidth)),
                         largest(upper.narrow(1, side - kWidth, kWidth))});
}

/// The person's picture on a wall that goes on.
at::Tensor in_larger_picture(const at::Tensor& portrait, int64_t top, int64_t left, int64_t height, int64_t width) {
  const int64_t side = portrait.size(1);
  const auto grow = [](const at::Tensor& x, int64_t axis, int64_t before, int64_t size) {
    at::Tensor index = at::arange(size, at::TensorOptions(at::kLong)) - before;
    return x.index_select(axis, index.clamp(0, x.size(axis) - 1));
  };
  RUSHES_ASSERT(top + side < height && left + side < width);
  return grow(grow(portrait, 1, top, height), 2, left, width).contiguous();
}

}  // namespace

at::Tensor talk(const generation::Model& model, const at::Tensor& picture, const at::Tensor& wave,
                const Options& options, uint64_t seed) {
  generation::Request request;
  request.image = image_of(picture);
  request.seed = seed;
  request.options = options;
  const auto generator = generation::start(model, request);
  const at::Tensor samples = wave.to(at::kFloat).contiguous();
  generation::Inbox inbox;
  inbox.speech.assign(samples.const_data_ptr<float>(), samples.const_data_ptr<float>() + samples.numel());
  inbox.end_of_speech = true;
  std::vector<at::Tensor> frames;
  for (bool finished = false; !finished;) {
    const generation::StepResult result = generator->step(inbox);
    inbox = {};
    for (const generation::Event& event : result.events)
      if (const auto* block = std::get_if<generation::FrameBlock>(&event)) frames.push_back(frames_of(*block).clone());
    finished = result.outcome == generation::StepOutcome::finished;
    require(result.outcome != generation::StepOutcome::needs_input, ErrorCode::internal, "all of the speech is there");
  }
  return at::cat(frames);
}

at::Tensor eye_whites(const at::Tensor& frames, const Identity& identity, const FaceControls& controls) {
  FaceControls open = controls, shut = controls;
  open.blink = 0, shut.blink = 1;
  // Pixels that a blink darkens.
  const at::Tensor map = ((draw_face(identity, open) - draw_face(identity, shut)).mean({0}) > 0.15).to(at::kFloat);
  return (frames.mean({1}) * map).sum({1, 2}) / map.sum().clamp_min(1);
}

DittoQuality measure_ditto(const std::filesystem::path& directory, int64_t people, const std::filesystem::path& sheets,
                           bool with_emotions) {
  const at::NoGradGuard no_grad;
  const auto model = generation::load_model({.path = directory.string()});
  const double share = 1 / static_cast<double>(people);
  DittoQuality quality{};
  std::vector<at::Tensor> talking, feeling;
  std::vector<double> sums(kVisemes), jaws(kVisemes), counts(kVisemes);
  for (int64_t i = 0; i < people; ++i) {
    const auto index = static_cast<uint64_t>(i);
    const Identity person = make_identity(kSeed, index, Split::held_out);
    const FaceControls pose = portrait_of(index);
    const at::Tensor picture = draw_face(person, pose);
    const at::Tensor mouth_map = attention_map(person, pose).slice(1, kFaceSide / 2);

    const SpeechClip spoken = cut(speak(kSeed, index, Split::held_out, 12), 0, kSpoken);
    const at::Tensor frames =
        talk(*model, picture, spoken.wave, with("delta_eye_open_n", "-1"), index).slice(0, 0, kSpoken);
    const at::Tensor jaw = spoken.mouth.select(1, 0);
    std::vector<FaceControls> controls(static_cast<std::size_t>(frames.size(0)), pose);
    std::vector<at::Tensor> drawings;
    for (int64_t t = 0; t < frames.size(0); ++t) {
      FaceControls& c = controls[static_cast<std::size_t>(t)];
      c.jaw = jaw[t].item<float>(), c.width = spoken.mouth[t][1].item<float>(),
      c.rounding = spoken.mouth[t][2].item<float>();
      drawings.push_back(draw_face(person, c));
    }
    const std::vector<MouthBox> boxes = boxes_of(person, controls);
    const at::Tensor seen = mouth_opening(frames, boxes), truth = mouth_opening(at::stack(drawings), boxes);
    quality.mouth_truth += share * correlation(seen, jaw);
    quality.truth_opening += share * correlation(truth, jaw);
    add_classes(seen, jaw, spoken.visemes, sums, jaws, counts);

    const at::Tensor resting = talk(*model, picture, quiet(250, index), with("delta_eye_open_n", "50"), index);
    FaceControls open = pose;
    open.jaw = 1;
    const auto resting_boxes =
        std::vector<MouthBox>(static_cast<std::size_t>(resting.size(0)), mouth_box(person, pose));
    const double widest = mouth_opening(draw_face(person, open).unsqueeze(0), boxes_of(person, {open})).item<double>();
    quality.silent_opening += share * mouth_opening(resting, resting_boxes).max().item<double>() / widest;
    const auto at_mouth = [&](const at::Tensor& x) { return x.slice(2, kFaceSide / 2); };
    quality.silent_motion +=
        share * (change(at_mouth(resting), mouth_map) / change(at_mouth(frames), mouth_map)).item<double>();
    quality.psnr += share * psnr(resting[0], picture);
    Options blinking = head_at_rest();
    blinking.set("delta_eye_open_n", "50");
    const at::Tensor whites = eye_whites(talk(*model, picture, quiet(250, index), blinking, index), person, pose);
    const double usual = whites.narrow(0, 0, 40).mean().item<double>(), lowest = whites.min().item<double>();
    int64_t blinks = 0;
    for (int64_t t = 1; t < whites.size(0); ++t) {
      const double limit = usual - 0.6 * std::max(usual - lowest, 0.1);
      blinks += whites[t].item<double>() < limit && whites[t - 1].item<double>() >= limit;
    }
    quality.blinks += share * static_cast<double>(blinks);

    std::vector<at::Tensor> shown;
    for (int64_t emotion = 0; with_emotions && emotion < ditto::kEmotions; ++emotion) {
      Options options = head_at_rest();
      options.set("emo", std::to_string(emotion));
      options.set("delta_eye_open_n", "-1");
      shown.push_back(talk(*model, picture, quiet(30, index), options, index)[25]);
    }
    if (with_emotions) {
      const EmotionsSeen seen_emotions = emotions_seen(shown, person, pose);
      quality.emotions_named += share * seen_emotions.named;
      quality.emotion_change += share * seen_emotions.change;
      const std::vector<at::Tensor> rendered = rendered_emotions(directory, person, pose);
      quality.emotions_rendered += share * emotions_seen(rendered, person, pose).named;
      const at::Tensor moved = emotions_moved(directory, person, pose).sum({0}) / (ditto::kEmotions - 1);
      quality.emotions_moved += share * moved[0].item<double>();
      quality.emotions_moved_alike += share * moved[1].item<double>();
      feeling.push_back(at::stack(shown));
      feeling.push_back(at::stack(rendered));
    }

    const int64_t top = 40, left = 70, height = 220, width = 300;
    const at::Tensor larger = in_larger_picture(picture, top, left, height, width);
    Options where = with(
        "points", "[[" + std::to_string(left + 64 - 0.6 * 27.826) + "," + std::to_string(top + 64 + 16 - 27.826) +
                      "],[" + std::to_string(left + 64 + 0.6 * 27.826) + "," + std::to_string(top + 64 + 16 - 27.826) +
                      "],[" + std::to_string(left + 64.0) + "," + std::to_string(top + 80.0) + "],[" +
                      std::to_string(left + 64 - 27.826) + "," + std::to_string(top + 80 + 27.826) + "],[" +
                      std::to_string(left + 64 + 27.826) + "," + std::to_string(top + 80 + 27.826) + "]]");
    constexpr int64_t kFrame = 40, kSamplesToIt = (kFrame + 10) * 640;
    const at::Tensor put_back = talk(*model, larger, spoken.wave.narrow(0, 0, kSamplesToIt), where, index)[kFrame];
    quality.seam += share * seam_of(put_back, larger, top, left, kFaceSide);
    if (i == 0 && !sheets.empty()) write_png(sheets / "ditto-larger.png", put_back);

    if (talking.size() < 6) {
      std::vector<at::Tensor> columns{picture};
      for (int64_t t = 12; t < frames.size(0) && columns.size() < 9; t += 8) {
        columns.push_back(frames[t]);
        columns.push_back(drawings[static_cast<std::size_t>(t)]);
      }
      talking.push_back(at::stack(columns));
    }
  }
  std::vector<double> openings, jaw_means;
  for (std::size_t v = 0; v < counts.size(); ++v)
    if (counts[v] >= 5) openings.push_back(sums[v] / counts[v]), jaw_means.push_back(jaws[v] / counts[v]);
  const auto series = [](const std::vector<double>& x) { return at::tensor(at::ArrayRef<double>(x)); };
  quality.mouth_classes = correlation(series(openings), series(jaw_means));
  if (!sheets.empty()) {
    write_png(sheets / "ditto-talk.png", contact_sheet(at::stack(talking), talking[0].size(0)));
    if (with_emotions) write_png(sheets / "ditto-emotions.png", contact_sheet(at::stack(feeling), feeling[0].size(0)));
  }
  return quality;
}

at::Tensor beside(const generation::Model& ditto, const generation::Model& imtalker, int64_t people) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < people; ++i) {
    const auto index = static_cast<uint64_t>(i);
    const at::Tensor picture = draw_face(make_identity(kSeed, index, Split::held_out), portrait_of(index));
    const at::Tensor wave = cut(speak(kSeed, index, Split::held_out, 12), 0, kSpoken).wave;
    for (const generation::Model* model : {&ditto, &imtalker}) {
      const at::Tensor frames = talk(*model, picture, wave, {}, index);
      std::vector<at::Tensor> row{picture};
      for (int64_t t = 12; t < frames.size(0) && row.size() < 9; t += 9) row.push_back(frames[t]);
      rows.push_back(at::stack(row));
    }
  }
  return contact_sheet(at::stack(rows), rows[0].size(0));
}

}  // namespace rushes::training
