// The face detector S3FD: a VGG-like trunk with anchors of six sizes. Source: arXiv:1708.05237.
#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "rushes/models/imtalker/face_crop.h"
#include "rushes/tensor/weight_map.h"

namespace rushes::imtalker {

struct FaceDetections {
  int64_t candidates = 0;         // anchors that might be faces
  std::vector<FaceBox> distinct;  // those left after non-maximum suppression, best first
  std::vector<FaceBox> faces;     // of them, those with a score above FaceDetector::kMinScore
};

/// Keeps the best of boxes that overlap by more than `max_overlap` (intersection over union, corners inclusive).
/// Returns them best first.
std::vector<FaceBox> suppress_overlapping(std::vector<FaceBox> boxes, double max_overlap);

/// Any thread: no state.
class FaceDetector {
 public:
  static constexpr double kCandidateScore = 0.05, kMinScore = 0.5, kMaxOverlap = 0.3;

  /// Keys conv1_1 to conv7_2, fc6, fc7, {conv3_3,conv4_3,conv5_3}_norm.weight, {tap}_mbox_{conf,loc}, all widths as in
  /// the weights. Throws Error(corrupt_data) naming a missing key.
  explicit FaceDetector(const tensor::WeightMap& weights);
  /// As published; the widths are the file's own.
  static std::vector<std::string> parameter_names();

  /// picture [H, W, 3] uint8 RGB at its own size, at least 32 x 32. Throws Error(invalid_argument) for others.
  FaceDetections detect(const at::Tensor& picture) const;

 private:
  struct Conv {
    at::Tensor weight, bias;
    int64_t stride = 1, padding = 0;
    at::Tensor operator()(const at::Tensor& x) const;
  };
  struct Head {
    Conv scores, offsets;
    at::Tensor norm;  // weights of the L2 norm over channels; undefined at the later taps
  };
  struct Stage {
    std::vector<Conv> convs;
    bool pool_before = false;
    int head = -1;  // which head looks at the end of this stage
  };
  static void collect(const at::Tensor& scores, const at::Tensor& offsets, int64_t stride, std::vector<FaceBox>& boxes);

  std::vector<Stage> stages_;
  std::vector<Head> heads_;
};

}  // namespace rushes::imtalker
