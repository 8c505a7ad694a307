// Text-to-video and image-to-video with a block-causal Wan model, as the resumable generator that sessions step.
// A video is a chain of segments. Each starts with an empty cache that looks back on the last latents of the segment
// before (the overlap), which keeps memory flat however long the video; the decoder runs through all of them as one
// stream, so that no frame is repeated and no seam is seen.
#pragma once
#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "rushes/generation/generator.h"
#include "rushes/generation/introspection.h"
#include "rushes/generation/wan/noise.h"
#include "rushes/generation/wan/pipeline.h"
#include "rushes/generation/wan/plan.h"
#include "rushes/models/wan/autoencoder.h"

namespace rushes::generation {

/// The loaded parts that all generators of a model share.
struct WanParts {
  std::shared_ptr<const wan::CausalTransformer> transformer;
  std::shared_ptr<const wan::Autoencoder> decoder;
  std::shared_ptr<const wan::Autoencoder> encoder;  // of first images; may be the decoder
  /// What the transformer is told for a prompt. Any thread; cached by the model.
  std::function<std::shared_ptr<const wan::TextContext>(const std::string& prompt)> context;
};

enum class DecodeMode {
  continuous,           // one stream over the whole video: 9 video frames, then 12 a block
  restart_every_block,  // the decoder forgets everything at each block: 9 a block, as Inferix's callback delivers
};

class WanGenerator final : public Generator, public DescribesSteps {
 public:
  struct Options {
    DecodeMode decode = DecodeMode::continuous;
    bool rerun_last_block = false;  // nothing looks back on a segment's last block; the reference passes it anyway
  };
  /// `image` [1, 3, 1, H, W] float32 in [-1, 1] if plan.image. Allocates the caches.
  WanGenerator(std::shared_ptr<const WanParts> parts, WanPlan plan, std::unique_ptr<NoiseSource> noise,
               at::Tensor image, Options options);
  WanGenerator(std::shared_ptr<const WanParts> parts, WanPlan plan, std::unique_ptr<NoiseSource> noise,
               at::Tensor image)
      : WanGenerator(std::move(parts), std::move(plan), std::move(noise), std::move(image), Options{}) {}

  /// Plan::working_bytes of such a plan.
  static int64_t working_bytes(const WanParts& parts, const WanPlan& plan);

  VideoFormat format() const override { return plan_.format(); }
  StepResult step(const Inbox& inbox) override;
  bool at_block_border() const override { return phase_ == Phase::border; }
  std::unique_ptr<Generator> fork() const override;
  int64_t bytes() const override;
  Step newest_step() const override { return newest_step_; }

  /// The newest block, before it became 8-bit (a fork() at a border begins without): latents [1, f, C, h, w], frames
  /// [T, 3, H, W] in [-1, 1].
  struct BlockTensors {
    at::Tensor latents, frames;
  };
  const BlockTensors& newest() const { return newest_; }
  /// Latents of the segment so far, those it began with included: [1, F, C, h, w].
  at::Tensor segment_latents() const { return pipeline_.latents(); }
  int64_t segment() const { return segment_; }
  /// The next block is the first of its segment.
  bool at_segment_border() const { return phase_ == Phase::border && !segment_begun_; }

 private:
  enum class Phase {
    image,   // the given image becomes the first latent frame
    border,  // between blocks: prompts are taken over
    block,   // model calls, until the block is clean
    decode,  // its latents become frames
    rerun,   // the clean block passes the model once more
    finished,
  };

  WanGenerator(const WanGenerator& other);
  void encode_image();
  bool take_over_prompt(StepResult& result);
  void begin_segment();
  void advance(StepResult& result);
  FrameBlock decode_block();
  void end_block();

  std::shared_ptr<const WanParts> parts_;
  WanPlan plan_;
  Options options_;
  std::unique_ptr<NoiseSource> noise_;
  SegmentPipeline pipeline_;
  std::unique_ptr<wan::StreamDecoder> decoder_;

  Phase phase_ = Phase::border;
  at::Tensor image_;  // until it is encoded
  at::Tensor given_;  // latents that the next segment begins with, [1, F0, C, h, w]
  int64_t segment_ = 0;
  bool segment_begun_ = false;
  std::optional<std::string> live_prompt_;  // set by the inbox: stays for the rest of the video
  std::string prompt_;                      // that context_ is of
  PromptContext context_;
  BlockTensors newest_;
  Step newest_step_;
  int64_t video_frames_ = 0;  // delivered
  StageTimes times_;          // of the block in work
};

}  // namespace rushes::generation
