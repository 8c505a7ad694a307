// Golden cases of Ditto's networks: speech encoder, extractors, warp and decoder.
#include "rushes/models/ditto/appearance_extractor.h"
#include "rushes/models/ditto/motion_extractor.h"
#include "rushes/models/ditto/spade_decoder.h"
#include "rushes/models/ditto/stitch_network.h"
#include "rushes/models/ditto/warp_network.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/ditto/configs.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

Produced hubert_chunk(const Case& c) {
  const wav2vec::Encoder encoder(hubert_config(c.hyper), c.weights);
  return {{{"out.encoding", encoder.forward(c.input("in.input_values")).squeeze(0)}}, {}};
}

Produced wav2feat(const Case& c) {
  const wav2vec::Encoder encoder(hubert_config(c.hyper), c.weights);
  const ditto::SpeechFeatures features(encoder, chunk_size(c.hyper));
  const at::Tensor audio = c.recorded.at("in.audio").to(at::kFloat).contiguous();
  // In pieces of an odd size, which must make no difference.
  ditto::SpeechWindows cutter(features.size());
  std::vector<at::Tensor> rows;
  const auto append = [&](const std::vector<std::vector<float>>& windows) {
    for (const auto& window : windows)
      rows.push_back(features.windows(at::tensor(window, at::TensorOptions(at::kFloat)).unsqueeze(0)).squeeze(0));
  };
  const std::span<const float> samples(audio.const_data_ptr<float>(), static_cast<std::size_t>(audio.numel()));
  for (std::size_t at = 0; at < samples.size(); at += 777)
    append(cutter.push(samples.subspan(at, std::min<std::size_t>(777, samples.size() - at))));
  append(cutter.finish());
  return {{{"out.offline_feat", features.whole(audio)},
           {"out.online_feat", at::cat(rows, 0)},
           {"out.silence_feat10", features.silence(10)}},
          {}};
}

Produced appearance_extractor(const Case& c) {
  const ditto::AppearanceExtractor extractor(c.weights, c.hyper.at("reshape_depth"));
  return {{{"out.f_s", extractor.forward(c.input("in.image"))}}, {}};
}

Produced motion_extractor(const Case& c) {
  const ditto::MotionReading read = ditto::MotionExtractor(c.weights).forward(c.input("in.image"));
  return {{{"out.pitch", read.pitch},
           {"out.yaw", read.yaw},
           {"out.roll", read.roll},
           {"out.t", read.t},
           {"out.exp", read.exp},
           {"out.scale", read.scale},
           {"out.kp", read.kp}},
          {}};
}

Produced stitch_network(const Case& c) {
  const ditto::StitchNetwork stitch(c.weights);
  const at::Tensor &source = c.input("in.kp_source"), &driving = c.input("in.kp_driving");
  return {{{"out.out", stitch.forward(source, driving)}, {"out.delta", stitch.delta(source, driving)}}, {}};
}

Produced warp_network(const Case& c) {
  const ditto::WarpNetwork warp(c.weights);
  return {{{"out.out",
            warp.forward(c.input("in.feature_3d"), c.recorded.at("in.kp_source"), c.recorded.at("in.kp_driving"))}},
          {}};
}

Produced spade_decoder(const Case& c) {
  return {{{"out.image01", ditto::SpadeDecoder(c.weights).forward(c.input("in.feature"))}}, {}};
}

}  // namespace

void add_ditto_networks(Registry& registry) {
  registry[{"ditto", "hubert_chunk"}] = hubert_chunk;
  registry[{"ditto", "wav2feat"}] = wav2feat;
  registry[{"ditto", "appearance_extractor"}] = appearance_extractor;
  registry[{"ditto", "motion_extractor"}] = motion_extractor;
  registry[{"ditto", "stitch_network"}] = stitch_network;
  registry[{"ditto", "warp_network"}] = warp_network;
  registry[{"ditto", "spade_decoder"}] = spade_decoder;
}

}  // namespace rushes::verify
