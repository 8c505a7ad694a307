// A loaded talking-head model: the parts that all its sessions share, and what a request must fulfil.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "rushes/generation/imtalker/directory.h"
#include "rushes/generation/imtalker/plan.h"
#include "rushes/models/imtalker/face_detector.h"
#include "rushes/models/imtalker/motion_generator.h"
#include "rushes/models/imtalker/renderer.h"
#include "rushes/models/wav2vec/encoder.h"
#include "rushes/tensor/cpu_allocator.h"

namespace rushes::generation {

/// The weights of all parts, in the dtypes that they compute in: the renderer's as renderer_weights_in() has them, the
/// others float32.
struct TalkWeights {
  tensor::WeightMap renderer, motion_generator, audio_encoder;
  tensor::WeightMap face_detector;  // empty: pictures are cut in their centre

  int64_t parameter_count() const;
};

/// Immutable; any thread.
struct TalkParts {
  TalkParts(const TalkDirectory& model, const TalkWeights& weights);

  /// Features of speech [S] for the video frames that it fills, [1, T, dim_audio].
  at::Tensor speech_features(const at::Tensor& wave) const;
  int64_t samples_per_frame() const;

  imtalker::Renderer renderer;
  imtalker::MotionGenerator generator;
  wav2vec::Encoder encoder;
  std::optional<imtalker::FaceDetector> detector;
  TalkDefaults defaults;
  at::TensorOptions like;  // float32 on the device of the networks: what they are given
};

class TalkModel final : public Model, public FaceCrop {
 public:
  /// Throws Error(corrupt_data) for weights that do not fit the configurations.
  TalkModel(const TalkDirectory& model, const TalkWeights& weights);

  const ModelCard& card() const override { return card_; }
  Capabilities capabilities() const override;
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<Plan> plan(const Request& request) const override;
  /// Finds the face too, which takes a while where there is a detector.
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override;
  void give_back_memory() const override { tensor::trim_cpu_memory(); }
  void prepare(std::span<const Waiting> together) const override;

  bool finds_faces() const override { return parts_->detector.has_value(); }
  std::vector<FaceBox> faces(const Image& image) const override;
  int64_t side() const override { return shape_.side; }
  bool crops(const Request& request) const override;
  Image crop(const Request& request, int64_t side) const override;

  const std::shared_ptr<const TalkParts>& parts() const { return parts_; }
  /// Makes one chunk, so that the first request finds kernels chosen and memory mapped.
  void warm_up() const;

 private:
  ModelCard card_;
  TalkShape shape_;
  std::vector<OptionField> options_;
  std::shared_ptr<const TalkParts> parts_;
};

}  // namespace rushes::generation
