// Speech as features of video frames: a window of a stream that goes on, or a clip that has ended.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "rushes/models/omniavatar/speech_windows.h"
#include "rushes/models/wav2vec/encoder.h"

namespace rushes::generation {

/// Of the video frames `shown`, of which, with those around them, `heard` says what `samples` last; fewer than
/// `least_samples` are filled up with zeros. The window is normalised by itself. Returns [1, shown, C] float32.
at::Tensor window_features(const wav2vec::Encoder& encoder, std::span<const float> samples, omniavatar::Span heard,
                           omniavatar::Span shown, int64_t least_samples);

/// Of `video_frames`, for which the clip is stretched: normalised over the whole of it, then followed by zeros up to
/// `padded_samples`. Returns [1, video_frames, C] float32.
at::Tensor clip_features(const wav2vec::Encoder& encoder, std::span<const float> samples, int64_t padded_samples,
                         int64_t video_frames);

}  // namespace rushes::generation
