// The published networks that find a face and its points, and those that read its eyes. All are ONNX graphs; each may
// be missing.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rushes/generation/faces.h"
#include "rushes/models/ditto/face_mesh.h"
#include "rushes/tensor/onnx_graph.h"

namespace rushes::generation {

/// Their file names by part: detector, landmark106, landmark203; mesh_detector, mesh.
const std::map<std::string, std::vector<const char*>>& detector_files();

/// Any thread.
class DittoDetectors {
 public:
  /// `files` by part; the detector must be among them.
  explicit DittoDetectors(const std::map<std::string, std::filesystem::path>& files);

  /// In the order of put_subject_first(). pixels [H, W, 3] uint8.
  std::vector<FaceBox> faces(const at::Tensor& pixels) const;
  /// Of the face nearest to `face`, or of the subject: 203, 106 or 5 of them, [n, 2]. Throws Error(invalid_argument) if
  /// there is no face.
  at::Tensor points(const at::Tensor& pixels, const std::optional<FaceBox>& face) const;
  /// Of a later frame of a video, whose face is near those of the frame before; `before` where no network finds better.
  at::Tensor next_points(const at::Tensor& pixels, const at::Tensor& before) const;

 private:
  at::Tensor refined(const at::Tensor& pixels, const at::Tensor& around) const;

  tensor::OnnxGraph detector_;
  std::optional<tensor::OnnxGraph> landmark106_, landmark203_;
};

/// What the eyes of a source do, where no reference character says it. Any thread.
class DittoEyes {
 public:
  /// `files` by part: mesh_detector and mesh.
  explicit DittoEyes(const std::map<std::string, std::filesystem::path>& files);
  /// crop [S, S, 3] uint8. Throws Error(invalid_argument) if there is no face in it.
  ditto::Eyes read(const at::Tensor& crop) const;

 private:
  tensor::OnnxGraph detector_, mesh_;
};

}  // namespace rushes::generation
