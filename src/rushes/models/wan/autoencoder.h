// What a video pipeline needs from an autoencoder, whichever it is: the Wan VAE or the tiny autoencoder. Latents are
// always normalised, as the transformer works with them. Weights are const and shared; all that a stream remembers is
// in its StreamDecoder.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>

#include "rushes/models/wan/segments.h"

namespace rushes::wan {

/// Of a decoded pixel: RGB in float32 in pieces, joined, and clamped, and as bytes.
inline constexpr int64_t kFrameBytes = 3 * (3 * 4 + 1);

/// Decodes a latent stream in pieces whose concatenation equals one whole decode. One thread at a time.
class StreamDecoder {
 public:
  virtual ~StreamDecoder() = default;
  /// latents [F, C, h, w] float32, the next F of the stream. Returns RGB [T, 3, H, W] float32 in [-1, 1];
  /// T = temporal_stride * F, on the first call less by temporal_stride - 1.
  /// Throws Error(invalid_argument) for a wrong shape; the stream is then as before the call.
  virtual at::Tensor decode(const at::Tensor& latents) = 0;
  /// A second stream that goes on from here, independent of this one.
  virtual std::unique_ptr<StreamDecoder> clone() const = 0;
  /// Memory that it keeps from call to call.
  virtual int64_t bytes() const = 0;
};

class Autoencoder {
 public:
  virtual ~Autoencoder() = default;
  virtual int64_t latent_channels() const = 0;
  virtual int64_t spatial_stride() const = 0;   // pixels per latent, along height and width
  virtual int64_t temporal_stride() const = 0;  // video frames per latent frame after the first
  /// Memory that decoding so many latent frames in one call takes at its most, with the frames and what the stream
  /// keeps, about. Height and width of the video.
  virtual int64_t decoding_bytes(int64_t latent_frames, int64_t height, int64_t width) const = 0;
  /// A stream at its beginning. The decoder shares the weights and outlives nothing else of this object.
  virtual std::unique_ptr<StreamDecoder> decoder() const = 0;
  /// video [B, 3, T, H, W] float32 in [-1, 1], T = 1 + temporal_stride * k, H and W multiples of the spatial stride.
  /// Returns [B, F, C, h, w] float32. Throws Error(invalid_argument) for other shapes, Error(unsupported) if the
  /// checkpoint came without an encoder. Any thread.
  virtual at::Tensor encode(const at::Tensor& video) const = 0;
};

}  // namespace rushes::wan
