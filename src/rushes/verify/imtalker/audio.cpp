// Golden cases of the sound that drives a portrait: resampling, normalisation, windows, speech encoder.
#include <fmt/format.h>

#include <algorithm>

#include "rushes/audio/chunk_buffer.h"
#include "rushes/audio/resample.h"
#include "rushes/base/error.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/ops.h"
#include "rushes/verify/imtalker/configs.h"
#include "rushes/verify/runners.h"

namespace rushes::verify {
namespace {

using audio::ChunkBuffer;
using nlohmann::json;

std::vector<float> values(const at::Tensor& wave) {
  const at::Tensor flat = wave.to(at::kCPU, at::kFloat).contiguous();
  return {flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel()};
}

at::Tensor as_tensor(const std::vector<float>& wave) { return at::tensor(wave, at::TensorOptions(at::kFloat)); }

Check compare(std::string what, const json& got, const json& wanted) {
  const bool passed = got == wanted;
  return {std::move(what), passed, passed ? "" : fmt::format("got {}, expected {}", got.dump(), wanted.dump())};
}

Produced audio_normalise(const Case& c) {
  const double fps = c.hyper.value("fps", 25.0);
  const int64_t rate = c.hyper.value("sampling_rate", int64_t{16000});
  const at::Tensor counts = c.input("in.sample_counts").to(at::kCPU).contiguous();
  at::Tensor frames = at::empty_like(counts), lengths = at::empty_like(counts);
  for (int64_t i = 0; i < counts.numel(); ++i) {
    const int64_t T = wav2vec::video_frames(counts.const_data_ptr<int64_t>()[i], fps, rate);
    frames.data_ptr<int64_t>()[i] = T;
    lengths.data_ptr<int64_t>()[i] = wav2vec::samples_of(T, fps, rate);
  }
  return {{{"out.normalised", wav2vec::normalise(c.input("in.raw"), c.hyper.value("eps", 1e-7))},
           {"out.T", frames},
           {"out.padded_len", lengths}},
          {}};
}

Produced audio_resample(const Case& c) {
  Produced produced;
  for (const auto& [name, rate] : c.hyper.at("orig_sr").items()) {
    const std::string prefix = "in.x";
    require(name.starts_with(prefix), ErrorCode::corrupt_data, "{}: the name of the input '{}' does not begin with {}",
            c.name, name, prefix);
    produced.tensors["out.from" + name.substr(prefix.size())] =
        as_tensor(audio::resample(values(c.recorded.at(name)), rate.get<int64_t>(), c.hyper.at("target_sr")));
  }
  return produced;
}

/// Counters of every feed as the recorded table has them.
json fed(ChunkBuffer& buffer, const std::vector<float>& wave, const std::vector<std::size_t>& feeds,
         std::vector<std::vector<float>>& windows) {
  json rows = json::array();
  std::size_t at = 0;
  for (const std::size_t count : feeds) {
    const bool enough = buffer.waiting() + static_cast<int64_t>(count) >= buffer.options().chunk_samples;
    const auto full = buffer.feed(std::span(wave).subspan(at, count));
    windows.insert(windows.end(), full.begin(), full.end());
    rows.push_back({{"samples", count}, {"has_enough", enough}, {"windows", full.size()}, {"left", buffer.waiting()}});
    at += count;
  }
  return rows;
}

Produced audio_chunk_buffer(const Case& c) {
  const std::pair<const char*, ChunkBuffer::Tail> variants[] = {{"server", ChunkBuffer::Tail::pad},
                                                                {"unified", ChunkBuffer::Tail::fade_and_pad}};
  Produced produced;
  for (const json& sequence : c.hyper.at("sequences"))
    for (const auto& [variant, tail] : variants) {
      const int64_t number = sequence.at("sequence");
      ChunkBuffer buffer(ChunkBuffer::Options::of_seconds(sequence.at("chunk_duration"),
                                                          c.hyper.value("target_sr", int64_t{16000}),
                                                          c.hyper.value("overlap_ratio", 0.2), tail));
      const auto wave = values(c.recorded.at(fmt::format("in.audio_{}", number)));
      std::vector<std::vector<float>> windows;
      const json counters = fed(buffer, wave, sequence.at("feeds"), windows);
      if (sequence.at("final_flush").get<bool>())
        if (auto last = buffer.flush()) windows.push_back(std::move(*last));
      std::vector<at::Tensor> rows;
      std::transform(windows.begin(), windows.end(), std::back_inserter(rows), as_tensor);
      produced.tensors[fmt::format("out.{}_windows_{}", variant, number)] =
          rows.empty() ? at::empty({0, buffer.options().chunk_samples}) : at::stack(rows);
      for (const json& row : c.config.value("table", json::array()))
        if (row.at("sequence") == number && row.at("variant") == variant)
          produced.checks.push_back(
              compare(fmt::format("counters of sequence {}, {}", number, variant), counters, row.at("feeds")));
    }
  return produced;
}

Produced wav2vec2_encoder(const Case& c) {
  const wav2vec::Config config = wav2vec_config(c.hyper.at("wav2vec2"));
  const wav2vec::Encoder encoder(config, c.weights.under("audio_encoder.wav2vec2."));
  const double fps = c.hyper.value("fps", 25.0);
  const int64_t rate = c.hyper.value("sampling_rate", int64_t{16000}), T = c.hyper.at("T");
  const auto states =
      encoder.hidden_states(wav2vec::pad_with_last(c.input("in.wave"), wav2vec::samples_of(T, fps, rate)), T);
  return {{{"out.last_hidden_state", states.back()},
           {"out.all_layers_concat", at::cat(std::vector<at::Tensor>(states.begin() + 1, states.end()), 2)}},
          {}};
}

}  // namespace

void add_imtalker_audio(Registry& registry) {
  registry[{"imtalker", "audio_normalise"}] = audio_normalise;
  registry[{"imtalker", "audio_resample"}] = audio_resample;
  registry[{"imtalker", "audio_chunk_buffer"}] = audio_chunk_buffer;
  registry[{"imtalker", "wav2vec2_encoder"}] = wav2vec2_encoder;
}

}  // namespace rushes::verify
