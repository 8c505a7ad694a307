#include "rushes/models/imtalker/face_detector.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::imtalker {
namespace {

constexpr int64_t kFirstStride = 4;    // of the first tap; each later one doubles it
constexpr int64_t kAnchorStrides = 4;  // side of an anchor in strides
constexpr double kCentreVariance = 0.1, kSizeVariance = 0.2;
constexpr int64_t kMinSide = 32;  // less leaves no pixel after the poolings

struct StageSpec {
  const char* convs;  // names, separated by spaces
  bool pool_before;
  const char* tap;  // prefix of the head's keys, or null
};
constexpr StageSpec kStages[] = {
    {"conv1_1 conv1_2", false, nullptr},
    {"conv2_1 conv2_2", true, nullptr},
    {"conv3_1 conv3_2 conv3_3", true, "conv3_3_norm"},
    {"conv4_1 conv4_2 conv4_3", true, "conv4_3_norm"},
    {"conv5_1 conv5_2 conv5_3", true, "conv5_3_norm"},
    {"fc6 fc7", true, "fc7"},
    {"conv6_1 conv6_2", false, "conv6_2"},
    {"conv7_1 conv7_2", false, "conv7_2"},
};

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    all.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return all;
}

/// The two layers that halve the map; fc6 looks three pixels over the edge, so its map is larger than its stride says.
int64_t stride_of(const std::string& name) { return name == "conv6_2" || name == "conv7_2" ? 2 : 1; }
int64_t padding_of(const std::string& name, int64_t kernel) { return name == "fc6" ? 3 : kernel / 2; }

double overlap(const FaceBox& a, const FaceBox& b) {
  const auto area = [](const FaceBox& box) { return (box.x2 - box.x1 + 1) * (box.y2 - box.y1 + 1); };
  const double w = std::max(0.0, std::min(a.x2, b.x2) - std::max(a.x1, b.x1) + 1);
  const double h = std::max(0.0, std::min(a.y2, b.y2) - std::max(a.y1, b.y1) + 1);
  return w * h / (area(a) + area(b) - w * h);
}

}  // namespace

std::vector<FaceBox> suppress_overlapping(std::vector<FaceBox> boxes, double max_overlap) {
  std::stable_sort(boxes.begin(), boxes.end(), [](const FaceBox& a, const FaceBox& b) { return a.score > b.score; });
  std::vector<FaceBox> kept;
  for (const FaceBox& box : boxes)
    if (std::none_of(kept.begin(), kept.end(),
                     [&](const FaceBox& better) { return overlap(better, box) > max_overlap; }))
      kept.push_back(box);
  return kept;
}

at::Tensor FaceDetector::Conv::operator()(const at::Tensor& x) const {
  return at::conv2d(x, weight, bias, stride, padding);
}

std::vector<std::string> FaceDetector::parameter_names() {
  std::vector<std::string> names;
  const auto add_conv = [&](const std::string& name) {
    for (const char* parameter : {".weight", ".bias"}) names.push_back(name + parameter);
  };
  for (const StageSpec& spec : kStages) {
    for (const std::string& name : words(spec.convs)) add_conv(name);
    if (spec.tap == nullptr) continue;
    const std::string tap = spec.tap;
    for (const char* output : {"_mbox_conf", "_mbox_loc"}) add_conv(tap + output);
    if (tap.ends_with("_norm")) names.push_back(tap + ".weight");
  }
  return names;
}

FaceDetector::FaceDetector(const tensor::WeightMap& weights) {
  const auto conv = [&](const std::string& name) {
    const at::Tensor& weight = weights.at(name + ".weight", {-1, -1, -1, -1});
    return Conv{weight, weights.at(name + ".bias", {weight.size(0)}), stride_of(name),
                padding_of(name, weight.size(2))};
  };
  for (const StageSpec& spec : kStages) {
    Stage stage;
    stage.pool_before = spec.pool_before;
    for (const std::string& name : words(spec.convs)) stage.convs.push_back(conv(name));
    if (spec.tap != nullptr) {
      const std::string tap = spec.tap;
      stage.head = static_cast<int>(heads_.size());
      heads_.push_back({conv(tap + "_mbox_conf"), conv(tap + "_mbox_loc"), {}});
      if (tap.ends_with("_norm")) heads_.back().norm = weights.at(tap + ".weight", {-1}).view({1, -1, 1, 1});
    }
    stages_.push_back(std::move(stage));
  }
}

void FaceDetector::collect(const at::Tensor& scores, const at::Tensor& offsets, int64_t stride,
                           std::vector<FaceBox>& boxes) {
  // The first level tells three kinds of background apart: the likeliest counts.
  const at::Tensor background = at::amax(scores.narrow(1, 0, scores.size(1) - 1), {1}, /*keepdim=*/true);
  const at::Tensor classes = at::cat({background, scores.narrow(1, scores.size(1) - 1, 1)}, 1);
  const at::Tensor p = at::softmax(classes, 1).to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor loc = offsets.to(at::kCPU, at::kFloat).contiguous();
  const int64_t H = p.size(2), W = p.size(3);
  const auto face = p.accessor<float, 4>();
  const auto at = loc.accessor<float, 4>();
  const auto size = static_cast<double>(kAnchorStrides * stride);
  for (int64_t row = 0; row < H; ++row)
    for (int64_t column = 0; column < W; ++column) {
      const double score = face[0][1][row][column];
      if (score <= kCandidateScore) continue;
      const auto centre = [&](int64_t cell) {
        return static_cast<double>(stride) / 2 + static_cast<double>(cell * stride);
      };
      const double cx = centre(column) + at[0][0][row][column] * kCentreVariance * size;
      const double cy = centre(row) + at[0][1][row][column] * kCentreVariance * size;
      const double w = size * std::exp(at[0][2][row][column] * kSizeVariance);
      const double h = size * std::exp(at[0][3][row][column] * kSizeVariance);
      boxes.push_back({cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, score});
    }
}

FaceDetections FaceDetector::detect(const at::Tensor& picture) const {
  require(picture.dim() == 3 && picture.size(2) == 3 && picture.scalar_type() == at::kByte &&
              picture.size(0) >= kMinSide && picture.size(1) >= kMinSide,
          ErrorCode::invalid_argument, "the face detector expects 8-bit images [H, W, 3] of at least {}x{}, got [{}]",
          kMinSide, kMinSide, fmt::join(picture.sizes(), ", "));
  const at::Tensor& like = stages_.front().convs.front().weight;
  const at::Tensor mean_bgr = at::tensor({104.0f, 117.0f, 123.0f}).view({1, 3, 1, 1});
  const at::Tensor bgr = picture.flip({2}).permute({2, 0, 1}).unsqueeze(0).to(at::kCPU, at::kFloat) - mean_bgr;
  at::Tensor x = bgr.to(like.options());
  std::vector<FaceBox> boxes;
  int64_t stride = kFirstStride;
  for (const Stage& stage : stages_) {
    if (stage.pool_before) x = at::max_pool2d(x, 2, 2);
    for (const Conv& conv : stage.convs) x = at::relu(conv(x));
    if (stage.head < 0) continue;
    const Head& head = heads_[static_cast<std::size_t>(stage.head)];
    at::Tensor seen = x;
    if (head.norm.defined()) seen = x / (at::sqrt((x * x).sum({1}, /*keepdim=*/true)) + 1e-10) * head.norm;
    collect(head.scores(seen), head.offsets(seen), stride, boxes);
    stride *= 2;
  }
  FaceDetections found;
  found.candidates = static_cast<int64_t>(boxes.size());
  found.distinct = suppress_overlapping(std::move(boxes), kMaxOverlap);
  std::copy_if(found.distinct.begin(), found.distinct.end(), std::back_inserter(found.faces),
               [](const FaceBox& box) { return box.score > kMinScore; });
  return found;
}

}  // namespace rushes::imtalker
