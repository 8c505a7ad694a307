#include "rushes/generation/ditto/detectors.h"

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/models/ditto/face_detection.h"
#include "rushes/models/ditto/face_geometry.h"
#include "rushes/tensor/ops.h"

namespace rushes::generation {
namespace {

constexpr int64_t kDetectorSide = 512, kLandmarkSide = 224;
constexpr int64_t kStrides[] = {8, 16, 32};
// The square that the 203 points are looked for in.
const ditto::CropRule kLandmarkCrop{.scale = 1.5, .shift_x = 0, .shift_y = -0.1, .rotate = true};

/// The outputs of a level: of each kind the one with as many rows as the level has anchors.
ditto::DetectorLevel level(const std::vector<at::Tensor>& outputs, int64_t stride) {
  const int64_t anchors = 2 * (kDetectorSide / stride) * (kDetectorSide / stride);
  const auto find = [&](int64_t width) {
    for (const at::Tensor& output : outputs)
      if (output.numel() == anchors * width && output.size(-1) == width) return output.reshape({anchors, width});
    fail(ErrorCode::unsupported, "the face detector has no output of {} rows of {}", anchors, width);
  };
  return {find(1), find(4), find(10), stride};
}

ditto::DetectedFaces detect(const tensor::OnnxGraph& graph, const at::Tensor& pixels) {
  const auto outputs = graph.run(ditto::detector_input(pixels, kDetectorSide));
  std::vector<ditto::DetectorLevel> levels;
  for (const int64_t stride : kStrides) levels.push_back(level(outputs, stride));
  return ditto::detected_faces(levels, kDetectorSide, pixels.size(0), pixels.size(1));
}

/// The output of so many numbers.
at::Tensor output_of(const tensor::OnnxGraph& graph, const at::Tensor& input, int64_t numbers, const char* name) {
  for (const at::Tensor& output : graph.run(input))
    if (output.numel() == numbers) return output.reshape({1, numbers});
  fail(ErrorCode::unsupported, "the {} network has no output of {} numbers", name, numbers);
}

FaceBox box_of(const at::Tensor& row) {
  const auto* values = row.const_data_ptr<float>();
  return {values[0], values[1], values[2], values[3]};
}

double distance(const FaceBox& a, const FaceBox& b) {
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

std::vector<FaceBox> boxes_of(const ditto::DetectedFaces& found) {
  std::vector<FaceBox> faces;
  const at::Tensor boxes = found.boxes.contiguous();
  for (int64_t i = 0; i < boxes.size(0); ++i) faces.push_back(box_of(boxes[i]));
  return faces;
}

}  // namespace

const std::map<std::string, std::vector<const char*>>& detector_files() {
  static const std::map<std::string, std::vector<const char*>> names{
      {"detector", {"det_10g.onnx", "insightface_det.onnx"}},
      {"landmark106", {"2d106det.onnx", "landmark106.onnx"}},
      {"landmark203", {"landmark203.onnx"}},
      {"mesh_detector", {"blaze_face.onnx"}},
      {"mesh", {"face_mesh.onnx"}}};
  return names;
}

DittoDetectors::DittoDetectors(const std::map<std::string, std::filesystem::path>& files)
    : detector_(files.at("detector")) {
  if (const auto file = files.find("landmark106"); file != files.end()) landmark106_.emplace(file->second);
  if (const auto file = files.find("landmark203"); file != files.end()) landmark203_.emplace(file->second);
}

std::vector<FaceBox> DittoDetectors::faces(const at::Tensor& pixels) const {
  std::vector<FaceBox> faces = boxes_of(detect(detector_, pixels));
  put_subject_first(faces, pixels.size(0), pixels.size(1));
  return faces;
}

at::Tensor DittoDetectors::points(const at::Tensor& pixels, const std::optional<FaceBox>& face) const {
  const ditto::DetectedFaces found = detect(detector_, pixels);
  std::vector<FaceBox> faces = boxes_of(found);
  require(!faces.empty(), ErrorCode::invalid_argument, "no face detected");
  FaceBox wanted = face.value_or(faces.front());
  if (!face) {
    std::vector<FaceBox> ordered = faces;
    put_subject_first(ordered, pixels.size(0), pixels.size(1));
    wanted = ordered.front();
  }
  const auto nearest = std::min_element(faces.begin(), faces.end(), [&](const FaceBox& a, const FaceBox& b) {
    return distance(a, wanted) < distance(b, wanted);
  });
  const int64_t index = nearest - faces.begin();
  at::Tensor points = found.points[index];
  if (landmark106_) {
    const ditto::Affine map = ditto::landmark106_map(found.boxes[index].narrow(0, 0, 4));
    points = ditto::landmark106_points(
        output_of(*landmark106_, ditto::landmark106_input(pixels, map), 212, "106-point"), map);
  }
  return refined(pixels, points);
}

at::Tensor DittoDetectors::refined(const at::Tensor& pixels, const at::Tensor& around) const {
  if (!landmark203_) return around;
  const ditto::Affine map = ditto::crop_map(around, kLandmarkSide, kLandmarkCrop);
  const at::Tensor crop = ditto::warp_affine(pixels, map, kLandmarkSide, kLandmarkSide);
  return ditto::landmark203_points(output_of(*landmark203_, ditto::landmark203_input(crop), 406, "203-point"),
                                   map.inverse());
}

at::Tensor DittoDetectors::next_points(const at::Tensor& pixels, const at::Tensor& before) const {
  return refined(pixels, before);
}

DittoEyes::DittoEyes(const std::map<std::string, std::filesystem::path>& files)
    : detector_(files.at("mesh_detector")), mesh_(files.at("mesh")) {}

ditto::Eyes DittoEyes::read(const at::Tensor& crop) const {
  constexpr int64_t kAnchors = 896, kNumbers = 16, kMeshNumbers = 3 * 478;
  at::Tensor regressors, scores;
  for (const at::Tensor& output : detector_.run(ditto::mesh_detector_input(crop))) {
    if (output.numel() == kAnchors * kNumbers) regressors = output.reshape({1, kAnchors, kNumbers});
    if (output.numel() == kAnchors) scores = output.reshape({1, kAnchors, 1});
  }
  require(regressors.defined() && scores.defined(), ErrorCode::unsupported,
          "the face mesh's detector does not give {} boxes and scores", kAnchors);
  const at::Tensor found = ditto::mesh_detections(regressors, scores);
  require(found.size(0) > 0, ErrorCode::invalid_argument,
          "no face detected in the square around the face; its eyes are needed");
  const int64_t height = crop.size(0), width = crop.size(1);
  const ditto::MeshRegion region = ditto::mesh_region(found[0], height, width);
  const at::Tensor answer = output_of(mesh_, ditto::mesh_input(crop, region), kMeshNumbers, "face mesh");
  return ditto::eyes_of(ditto::mesh_points(answer, region, height, width));
}

}  // namespace rushes::generation
