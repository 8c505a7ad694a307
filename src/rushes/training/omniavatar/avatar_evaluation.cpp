#include "rushes/training/omniavatar/avatar_evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "rushes/generation/model.h"
#include "rushes/tensor/ops.h"
#include "rushes/training/imtalker/talk_evaluation.h"
#include "rushes/training/omniavatar/shipped_avatar.h"
#include "rushes/training/png.h"
#include "rushes/training/psnr.h"

namespace rushes::training {
namespace {

constexpr uint64_t kSeed = 93;
constexpr int64_t kFaces = 8;  // that one is told apart from

Image image_of(const at::Tensor& picture) {
  const at::Tensor pixels = (picture.clamp(0, 1) * 255 + 0.5).to(at::kByte).permute({1, 2, 0}).contiguous();
  auto bytes = std::make_shared<std::vector<uint8_t>>(pixels.const_data_ptr<uint8_t>(),
                                                      pixels.const_data_ptr<uint8_t>() + pixels.numel());
  return {std::shared_ptr<const uint8_t>(bytes, bytes->data()), pixels.size(0), pixels.size(1)};
}

/// Mean colour of a patch in the middle of which `centre` is, [3], levels of 255.
at::Tensor colour_at(const at::Tensor& frame, int64_t x, int64_t y) {
  constexpr int64_t kHalf = 2;
  return frame.narrow(1, std::clamp<int64_t>(y - kHalf, 0, frame.size(1) - 5), 5)
             .narrow(2, std::clamp<int64_t>(x - kHalf, 0, frame.size(2) - 5), 5)
             .mean({1, 2}) *
         255;
}

/// Largest change, from the first block to the last one, of the mean colour of two patches of the ground and two of the
/// clothes, beyond that of the drawing: shoulders move.
double drift(const at::Tensor& made, const at::Tensor& drawn) {
  const int64_t T = made.size(0), S = made.size(3), n = std::min<int64_t>(12, T / 2);
  const auto change = [&](const at::Tensor& frames, int64_t x, int64_t y) {
    return colour_at(frames.narrow(0, T - n, n).mean({0}), x, y) - colour_at(frames.narrow(0, 0, n).mean({0}), x, y);
  };
  double largest = 0;
  for (const auto& [x, y] : {std::pair{S / 12, S / 12}, {S - S / 12, S / 12}, {S / 2, S - 4}, {S / 3, S - 4}})
    largest = std::max(largest, (change(made, x, y) - change(drawn, x, y)).abs().max().item<double>());
  return largest;
}

std::vector<int64_t> late_times(int64_t video_frames) {
  return {video_frames / 2, video_frames * 2 / 3, video_frames * 5 / 6, video_frames - 2};
}

at::Tensor chosen(const at::Tensor& frames, const std::vector<int64_t>& times) {
  return frames.index_select(0, at::tensor(at::ArrayRef<int64_t>(times)));
}

/// Whether the frames look most like the drawing of the true value of one of the labels.
template <typename E>
bool shows(const at::Tensor& frames, const Speaker& speaker, const Performance& spoken, E SpeakerLabels::*field,
           int count, const std::vector<int64_t>& times) {
  std::vector<Speaker> candidates;
  for (int value = 0; value < count; ++value) {
    SpeakerLabels labels = speaker.labels;
    labels.*field = static_cast<E>(value);
    candidates.push_back(dressed_as(speaker, labels));
  }
  const std::vector<std::vector<FaceControls>> controls(candidates.size(), spoken.controls);
  return nearest_drawing(chosen(frames, times), candidates, controls, times) ==
         static_cast<int64_t>(speaker.labels.*field);
}

/// The same of what moves.
template <typename E>
bool moves(const at::Tensor& frames, const Speaker& speaker, uint64_t index, E SpeakerLabels::*field, int count,
           const std::vector<int64_t>& times) {
  std::vector<Speaker> candidates;
  std::vector<std::vector<FaceControls>> controls;
  for (int value = 0; value < count; ++value) {
    Speaker other = speaker;
    other.labels.*field = static_cast<E>(value);
    controls.push_back(perform(other, kSeed, index, Split::held_out, frames.size(0)).controls);
    candidates.push_back(std::move(other));
  }
  return nearest_drawing(chosen(frames, times), candidates, controls, times) ==
         static_cast<int64_t>(speaker.labels.*field);
}

/// The right one of kFaces people in the same clothes.
bool is_same_person(const at::Tensor& frames, const Speaker& speaker, const Performance& spoken,
                    const std::vector<int64_t>& times) {
  std::vector<Speaker> candidates{speaker};
  for (uint64_t i = 1; i < kFaces; ++i) {
    Speaker other = speaker;
    const Identity face = make_identity(kSeed + 1, i, Split::held_out), own = speaker.identity;
    other.identity = face;
    Identity& id = other.identity;
    id.skin = own.skin, id.hair = own.hair, id.lips = own.lips, id.shirt = own.shirt;
    id.ground_from = own.ground_from, id.ground_to = own.ground_to, id.ground_angle = own.ground_angle;
    id.hair_style = own.hair_style, id.beard = own.beard, id.glasses = own.glasses;
    candidates.push_back(std::move(other));
  }
  const std::vector<std::vector<FaceControls>> controls(candidates.size(), spoken.controls);
  return nearest_drawing(chosen(frames, times), candidates, controls, times) == 0;
}

Speaker with_or_without_portrait(uint64_t index, bool has_portrait) {
  Speaker speaker = make_speaker(kSeed, index, Split::held_out);
  speaker.has_portrait = has_portrait;
  FaceControls& c = speaker.portrait;
  c.jaw = 0;
  if (!has_portrait) c = {};
  speaker.caption = speaker_caption(speaker.labels, has_portrait, index);
  return speaker;
}

}  // namespace

at::Tensor avatar_film(const generation::Model& model, const std::string& caption, const at::Tensor& portrait,
                       const at::Tensor& wave, uint64_t seed) {
  generation::Request request;
  request.prompts = {caption};
  request.seed = seed;
  if (portrait.defined()) request.image = image_of(portrait);
  const auto generator = generation::start(model, request);
  const at::Tensor sound = wave.to(at::kFloat).contiguous();
  generation::Inbox inbox;
  inbox.speech.assign(sound.const_data_ptr<float>(), sound.const_data_ptr<float>() + sound.numel());
  inbox.end_of_speech = true;
  std::vector<at::Tensor> blocks;
  for (;;) {
    const generation::StepResult result = generator->step(inbox);
    inbox = {};
    for (const generation::Event& event : result.events)
      if (const auto* block = std::get_if<generation::FrameBlock>(&event))
        blocks.push_back(at::from_blob(const_cast<uint8_t*>(block->rgb.get()),
                                       {block->video_frames, block->height, block->width, 3}, at::kByte)
                             .clone());
    if (result.outcome != generation::StepOutcome::again) break;
  }
  return at::cat(blocks).permute({0, 3, 1, 2}).to(at::kFloat) / 255;
}

at::Tensor seen_opening(const Speaker& speaker, const std::vector<FaceControls>& controls, const at::Tensor& frames) {
  std::vector<MouthBox> boxes;
  for (int64_t t = 0; t < frames.size(0); ++t) {
    const FacePlaces at = face_places(speaker, controls.at(static_cast<std::size_t>(t)), frames.size(3));
    boxes.push_back({static_cast<int64_t>(at.mouth.x), static_cast<int64_t>(at.mouth.y),
                     static_cast<int64_t>(0.42f * at.unit), static_cast<int64_t>(0.32f * at.unit)});
  }
  return mouth_opening(frames, boxes);
}

int64_t nearest_drawing(const at::Tensor& frames, const std::vector<Speaker>& candidates,
                        const std::vector<std::vector<FaceControls>>& controls, const std::vector<int64_t>& times) {
  std::vector<double> distances;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < times.size(); ++k) {
      const FaceControls& then = controls[i].at(static_cast<std::size_t>(times[k]));
      const at::Tensor drawn = draw_speaker(candidates[i], then, frames.size(3));
      sum += (frames[static_cast<int64_t>(k)] - drawn).square().mean().item<double>();
    }
    distances.push_back(sum);
  }
  return std::min_element(distances.begin(), distances.end()) - distances.begin();
}

AvatarQuality measure_avatar(const generation::Model& model, int64_t people, int64_t blocks,
                             const std::filesystem::path& sheet) {
  constexpr int64_t kRows = 4;  // of the sheet, with and without a portrait
  const at::NoGradGuard no_grad;
  AvatarQuality q;
  std::vector<at::Tensor> rows;
  const double share = 1 / static_cast<double>(people);
  const int64_t T = 12 * blocks - 3;
  const std::vector<int64_t> late = late_times(T);
  for (const bool has_portrait : {true, false})
    for (int64_t i = 0; i < people; ++i) {
      const auto index = static_cast<uint64_t>(i);
      const Speaker speaker = with_or_without_portrait(index, has_portrait);
      const Performance spoken = perform(speaker, kSeed, index, Split::held_out, T);
      const at::Tensor drawn = draw_frames(speaker, spoken, 0, T);
      const at::Tensor made =
          avatar_film(model, speaker.caption, has_portrait ? drawn[0] : at::Tensor(), spoken.wave, index)
              .narrow(0, 0, T);
      const at::Tensor jaw = spoken.mouth.select(1, 0);
      const double mouth = correlation(seen_opening(speaker, spoken.controls, made), jaw);
      if (has_portrait) {
        q.mouth += share * mouth;
        q.drawn_mouth += share * correlation(seen_opening(speaker, spoken.controls, drawn), jaw);
        q.psnr += share * psnr(made, drawn);
        q.colour_drift = std::max(q.colour_drift, drift(made, drawn));
        q.person.add(is_same_person(made, speaker, spoken, late));
        q.mood.add(moves(made, speaker, index, &SpeakerLabels::mood, kMoods, late));
        q.gesture.add(moves(made, speaker, index, &SpeakerLabels::gesture, kGestures, late));
      } else {
        q.free_mouth += share * mouth;
        q.free_colour_drift = std::max(q.free_colour_drift, drift(made, drawn));
        q.wall.add(shows(made, speaker, spoken, &SpeakerLabels::wall, kWalls, late));
        q.cloth.add(shows(made, speaker, spoken, &SpeakerLabels::cloth, kCloths, late));
        if (speaker.labels.cut != Cut::bald)
          q.hair.add(shows(made, speaker, spoken, &SpeakerLabels::hair, kHairs, late));
        q.cut.add(shows(made, speaker, spoken, &SpeakerLabels::cut, kCuts, late));
        q.framing.add(shows(made, speaker, spoken, &SpeakerLabels::framing, kFramings, late));
        q.glasses.add(shows(made, speaker, spoken, &SpeakerLabels::glasses, 2, late));
      }
      if (i < kRows) rows.push_back(drawn), rows.push_back(made);
    }
  if (!sheet.empty()) write_png(sheet, contact_sheet(at::stack(rows), 11));
  return q;
}

std::string describe(const AvatarQuality& q) {
  return fmt::format(
      "with a portrait, {} held-out people and voices: mouth against the jaw {:.2f} (drawings {:.2f}), {:.1f} dB, the "
      "right one of {} faces {:.0f} %, mood {:.0f} %, gesture {:.0f} %, colours drift by at most {:.1f} levels; "
      "captions alone: ground {:.0f} %, clothes {:.0f} %, hair {:.0f} %, cut {:.0f} %, framing {:.0f} %, glasses "
      "{:.0f} "
      "%, mouth {:.2f}, drift {:.1f} levels",
      q.person.of, q.mouth, q.drawn_mouth, q.psnr, kFaces, q.person.percent(), q.mood.percent(), q.gesture.percent(),
      q.colour_drift, q.wall.percent(), q.cloth.percent(), q.hair.percent(), q.cut.percent(), q.framing.percent(),
      q.glasses.percent(), q.free_mouth, q.free_colour_drift);
}

}  // namespace rushes::training
