// A loaded Ditto model: the parts that all its sessions share.
#pragma once
#include <map>
#include <memory>
#include <mutex>

#include "rushes/generation/avatars.h"
#include "rushes/generation/ditto/detectors.h"
#include "rushes/generation/ditto/directory.h"
#include "rushes/generation/ditto/plan.h"
#include "rushes/models/ditto/head_renderer.h"
#include "rushes/models/ditto/motion_sampler.h"
#include "rushes/models/ditto/source.h"
#include "rushes/models/ditto/speech_features.h"
#include "rushes/models/wav2vec/encoder.h"

namespace rushes::generation {

/// The weights of all parts by kDittoParts, in the dtypes that they compute in: warp_network and decoder may be
/// bfloat16, the others, which say what moves and where to, are float32.
using DittoWeights = std::map<std::string, tensor::WeightMap>;

/// Immutable; any thread.
struct DittoParts {
  DittoParts(const DittoDirectory& model, const DittoWeights& weights);

  /// With the tables of so many steps, which all sessions that take them share.
  std::shared_ptr<const ditto::MotionSampler> sampler(int64_t steps) const;

  ditto::SpeechFeatures speech_features(const ditto::ChunkSize& chunk) const;
  /// A picture as the source, at the size that it is shown in. The face is at the points that are set, which are in
  /// pixels of the picture as it came, else where the detectors find it: near `face`, or near `points`, those of the
  /// frame before, which become those of this one.
  ditto::SourceFrame encode(const Image& image, const DittoSettings& settings, const std::optional<FaceBox>& face,
                            at::Tensor& points) const;

  // One of both: the plain network, or a graph.
  std::optional<wav2vec::Encoder> speech;
  std::unique_ptr<const tensor::OnnxGraph> speech_graph;
  std::unique_ptr<const DittoDetectors> detectors;  // null: none
  std::unique_ptr<const DittoEyes> eyes;            // null: none
  ditto::Lmdm lmdm;
  ditto::AppearanceExtractor appearance;
  ditto::MotionExtractor motion;
  ditto::StitchNetwork stitch;
  ditto::WarpNetwork warp;
  ditto::SpadeDecoder decoder;
  ditto::SourceEncoder source;
  ditto::HeadRenderer renderer;
  DittoMotionConfig config;
  at::ScalarType frame_dtype;  // of warp and decoder

 private:
  mutable std::mutex mutex_;
  mutable std::map<int64_t, std::shared_ptr<const ditto::MotionSampler>> samplers_;
};

class DittoModel final : public Model, public FaceCrop, public Avatars {
 public:
  /// Throws Error(corrupt_data) for weights that do not fit each other.
  DittoModel(const DittoDirectory& model, const DittoWeights& weights);

  const ModelCard& card() const override { return card_; }
  Capabilities capabilities() const override { return ditto_capabilities(); }
  std::span<const OptionField> options() const override { return options_; }
  std::unique_ptr<Plan> plan(const Request& request) const override;
  Options live_options(const Options& given) const override;
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override;
  void prepare(std::span<const Waiting> together) const override;

  bool finds_faces() const override { return parts_->detectors != nullptr; }
  std::vector<FaceBox> faces(const Image& image) const override;
  int64_t side() const override { return parts_->source.crop_side(); }
  bool crops(const Request&) const override { return true; }  // without a face there is nothing that moves
  Image crop(const Request& request, int64_t side) const override;

  std::filesystem::path avatar_folder() const override { return shape_.avatars; }
  void register_avatar(const Request& request, const std::filesystem::path& file) const override;

  /// Makes a window and a frame, so that the first request finds kernels chosen and memory mapped.
  void warm_up() const;

 private:
  ModelCard card_;
  DittoShape shape_;
  DittoSettings defaults_;
  std::vector<OptionField> options_;
  std::shared_ptr<const DittoParts> parts_;
};

}  // namespace rushes::generation
