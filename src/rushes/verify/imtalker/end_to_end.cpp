// Golden cases of whole use: speech or a video drives a portrait, as each of the published servers does it.
#include <fmt/format.h>

#include "rushes/audio/chunk_buffer.h"
#include "rushes/models/imtalker/face_crop.h"
#include "rushes/models/imtalker/renderer.h"
#include "rushes/tensor/image_resize.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/imtalker/configs.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using imtalker::MotionContext;

/// A case's portrait and its models; weights with the prefixes of the published files.
struct Talker {
  explicit Talker(const Case& c)
      : speaker(c, c.weights.under("model.")),
        renderer(renderer_of(c, c.hyper.at("renderer"), c.weights.under("gen."))),
        portrait(renderer.portrait(network_picture(c.input("in.source"), c.target))),
        options(motion_options(c.hyper)) {}

  imtalker::Motion speak(const at::Tensor& wave, tensor::RandomStream& noise,
                         const MotionContext* past = nullptr) const {
    return speaker.generator.sample({.audio_features = speaker.features(wave), .reference = portrait.motion}, options,
                                    noise, past);
  }

  /// Motion pulled towards that of the portrait, which keeps the head calm.
  at::Tensor calmed(const at::Tensor& latents, double motion_scale) const {
    return (1 - motion_scale) * portrait.motion.unsqueeze(1) + motion_scale * latents;
  }

  /// latents [1, T, dim_motion] to frames [T, 3, S, S] float32.
  at::Tensor frames(const at::Tensor& latents) const {
    std::vector<at::Tensor> parts;
    for (const at::Tensor& part : latents.squeeze(0).split(8))
      parts.push_back(renderer.render(part, portrait).to(at::kFloat));
    return at::cat(parts);
  }

  Speaker speaker;
  imtalker::Renderer renderer;
  imtalker::Portrait portrait;
  imtalker::MotionOptions options;
};

/// What every speech-driven case records of its video [T, 3, S, S].
Produced produced_video(const Case& c, const at::Tensor& frames) {
  // Named otherwise than its output, so that sampled.h does not find it.
  const int64_t stride = c.hyper.value("frame0_stride", 1);
  return {
      {{"out.frames_u8", imtalker::frames_to_pixels(frames, imtalker::FrameRange::unit_or_signed)},
       {"out.frame0_float", frames.narrow(0, 0, 1).slice(2, 0, std::nullopt, stride).slice(3, 0, std::nullopt, stride)},
       {"out.frame_means", frames.mean(at::IntArrayRef{2, 3})}},
      {}};
}

/// The source picture was cut out of the whole one by the server's rule.
Check crop_agrees(const Case& c) {
  const at::Tensor &image = c.input("in.image"), &source = c.input("in.source");
  const std::vector<double> box = c.hyper.at("face_box");
  const auto square = imtalker::face_square({{box.at(0), box.at(1), box.at(2), box.at(3), box.at(4)}}, image.size(0),
                                            image.size(1), imtalker::CropRule::server(c.hyper.at("crop_scale")));
  const at::Tensor cut = image.slice(0, square->y1, square->y2).slice(1, square->x1, square->x2);
  const at::Tensor resized = tensor::resize(cut, source.size(0), source.size(1), tensor::Resampling::bicubic);
  const int64_t levels = (resized.to(at::kInt) - source.to(at::kCPU, at::kInt)).abs().max().item<int64_t>();
  return {"crop and resize of the source image", levels <= 1, fmt::format("differs by {} levels", levels)};
}

Produced e2e_audio_driven(const Case& c) {
  const Talker talker(c);
  tensor::RandomStream noise(c.hyper.at("seed").get<uint64_t>());
  const at::Tensor wave = wav2vec::normalise(c.recorded.at("in.audio")).unsqueeze(0);
  const at::Tensor latents = talker.calmed(talker.speak(wave, noise).latents, c.hyper.at("motion_scale"));
  Produced produced = produced_video(c, talker.frames(latents));
  if (c.has_input("in.image")) produced.checks.push_back(crop_agrees(c));
  return produced;
}

/// Windows that overlap and know nothing of each other: each starts from the same noise and an empty context.
Produced e2e_chunked_feed(const Case& c) {
  const Talker talker(c);
  const imtalker::GeneratorConfig& config = talker.speaker.generator.config();
  audio::ChunkBuffer buffer(audio::ChunkBuffer::Options::of_seconds(c.hyper.at("chunk_duration"), config.sampling_rate,
                                                                    c.hyper.value("overlap_ratio", 0.2)));
  const at::Tensor wave = c.recorded.at("in.audio").to(at::kCPU).contiguous();
  const std::vector<int64_t> feeds = c.hyper.at("feeds");
  const int64_t last_feed = c.hyper.at("is_final_on_feed");
  std::vector<at::Tensor> frames;
  std::vector<int64_t> frames_per_feed;
  int64_t at = 0;
  for (std::size_t feed = 0; feed < feeds.size(); ++feed) {
    auto windows = buffer.feed({wave.const_data_ptr<float>() + at, static_cast<std::size_t>(feeds[feed])});
    at += feeds[feed];
    if (static_cast<int64_t>(feed) == last_feed)
      if (auto rest = buffer.flush()) windows.push_back(std::move(*rest));
    int64_t made = 0;
    for (const std::vector<float>& window : windows) {
      tensor::RandomStream noise(c.hyper.at("seed").get<uint64_t>());
      const at::Tensor audio = at::tensor(window, at::TensorOptions(at::kFloat)).unsqueeze(0).to(c.target.device);
      frames.push_back(talker.frames(talker.calmed(talker.speak(audio, noise).latents, c.hyper.at("motion_scale"))));
      made += frames.back().size(0);
    }
    frames_per_feed.push_back(made);
  }
  Produced produced = produced_video(c, at::cat(frames));
  produced.tensors["out.frames_per_feed"] = at::tensor(frames_per_feed, at::TensorOptions(at::kLong));
  return produced;
}

/// Pieces of speech joined by the context; each normalised on its own.
Produced e2e_streamer(const Case& c) {
  const Talker talker(c);
  tensor::RandomStream noise(c.hyper.at("seed").get<uint64_t>());
  MotionContext context = talker.speaker.generator.no_past(1);
  std::vector<at::Tensor> frames;
  for (int64_t i = 0; c.has_input(fmt::format("in.audio_{}", i)); ++i) {
    const at::Tensor wave = wav2vec::normalise(c.recorded.at(fmt::format("in.audio_{}", i))).unsqueeze(0);
    imtalker::Motion motion = talker.speak(wave, noise, &context);
    frames.push_back(talker.frames(motion.latents));
    context = std::move(motion.context);
  }
  return produced_video(c, at::cat(frames));
}

Produced e2e_video_driven(const Case& c) {
  constexpr int64_t kMaskSide = 512, kMaskMargin = 32;
  const imtalker::Renderer renderer = renderer_of(c, c.hyper.at("renderer"), c.weights.under("gen."));
  const imtalker::Portrait portrait = renderer.portrait(network_picture(c.input("in.source"), c.target));
  const std::vector<int64_t> at = c.hyper.at("coords");
  const at::Tensor full = imtalker::pixels_to_frames(c.input("in.full")).to(c.target.device);
  const at::Tensor faces =
      renderer.render(renderer.motion(network_picture(c.input("in.driving"), c.target)), portrait).to(at::kFloat);
  const at::Tensor pasted = imtalker::paste_back(faces, full, {at.at(0), at.at(1), at.at(2), at.at(3)},
                                                 imtalker::border_mask(kMaskSide, kMaskMargin));
  return {{{"out.frames_u8", imtalker::frames_to_pixels(pasted, imtalker::FrameRange::unit_or_signed)}}, {}};
}

}  // namespace

void add_imtalker_end_to_end(Registry& registry) {
  registry[{"imtalker", "e2e_audio_driven"}] = e2e_audio_driven;
  registry[{"imtalker", "e2e_chunked_feed"}] = e2e_chunked_feed;
  registry[{"imtalker", "e2e_streamer"}] = e2e_streamer;
  registry[{"imtalker", "e2e_video_driven"}] = e2e_video_driven;
}

}  // namespace rushes::verify
