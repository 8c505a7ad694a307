// Guidance by the prompt and by the speech: passes of one step that go through the network as one batch.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace rushes::omniavatar {

struct Guidance {
  double text_scale = 4.5;            // 1: none, whatever the other one says
  std::optional<double> audio_scale;  // nothing: text_scale

  /// What the rows of a batch are told, in their order:
  ///   1  prompt and speech
  ///   2  negative prompt without speech; prompt and speech
  ///   3  negative prompt without speech; prompt without speech; prompt and speech
  int64_t passes() const {
    if (text_scale == 1) return 1;
    return audio_scale.value_or(text_scale) == text_scale ? 2 : 3;
  }

  /// velocities [passes, ..]. Returns [1, ..]. Source: arXiv:2207.12598; two scales as published.
  at::Tensor combine(const at::Tensor& velocities) const {
    if (passes() == 1) return velocities;
    const auto of = [&](int64_t pass) { return velocities.narrow(0, pass, 1); };
    if (passes() == 2) return of(0) + text_scale * (of(1) - of(0));
    return of(0) + text_scale * (of(1) - of(0)) + *audio_scale * (of(2) - of(1));
  }
};

}  // namespace rushes::omniavatar
