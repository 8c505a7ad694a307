#include "rushes/generation/ditto/avatar.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/models/ditto/pose.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
constexpr const char* kModelKey = "model";
constexpr const char* kEnding = ".safetensors";
constexpr int64_t kMostSide = 4096;

bool is_name(const std::string& name) {
  const auto allowed = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; };
  return !name.empty() && name.size() <= 64 && name.front() != '.' && std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

void save_avatar(const fs::path& file, const ditto::SourceFrame& source, const std::string& model) {
  const ditto::HeadMotion& m = source.motion;
  tensor::save_safetensors(file,
                           {{"pixels", source.pixels},
                            {"motion", at::cat({m.scale, m.pitch, m.yaw, m.roll, m.t, m.exp, m.kp}, 1).flatten()},
                            {"feature", source.feature.to(at::kCPU, at::kFloat)},
                            {"crop_to_frame", source.crop_to_frame.matrix()}},
                           {{kModelKey, model}});
}

ditto::SourceFrame load_avatar(const fs::path& file, const std::string& model) {
  const tensor::SafetensorsContents contents = tensor::read_safetensors(tensor::FileBytes::map(file));
  const auto made_for = contents.metadata.find(kModelKey);
  require(made_for != contents.metadata.end(), ErrorCode::corrupt_data, "'{}' is not an avatar", file.string());
  require(made_for->second == model, ErrorCode::invalid_argument,
          "'{}' was registered for the model '{}', not for '{}'; register it again", file.string(),
          printable(made_for->second), model);
  const tensor::WeightMap& tensors = contents.tensors;
  ditto::SourceFrame source;
  const at::Tensor& pixels = tensors.at("pixels", {-1, -1, 3});
  require(pixels.scalar_type() == at::kByte && pixels.size(0) >= 2 && pixels.size(1) >= 2 &&
              pixels.size(0) <= kMostSide && pixels.size(1) <= kMostSide && pixels.size(0) % 2 == 0 &&
              pixels.size(1) % 2 == 0,
          ErrorCode::corrupt_data, "'{}': its pixels are not a picture with even sides of at most {}", file.string(),
          kMostSide);
  // Copies: the file may change while it is mapped.
  source.pixels = pixels.clone();
  const auto finite = [&](const at::Tensor& values) {
    require(at::isfinite(values).all().item<bool>(), ErrorCode::corrupt_data, "'{}' holds numbers that are not finite",
            file.string());
    return values.to(at::kFloat).clone();
  };
  source.motion = ditto::from_source_vector(finite(tensors.at("motion", {ditto::kMotion + ditto::kExpression})));
  source.feature = finite(tensors.at("feature", {1, -1, -1, -1, -1}));
  source.crop_to_frame = ditto::Affine::of(finite(tensors.at("crop_to_frame", {3, 3})));
  return source;
}

fs::path avatar_file(const fs::path& folder, const std::string& name) {
  require(is_name(name), ErrorCode::invalid_argument,
          "avatar: '{}' is not a name: 1 to 64 letters, digits, '-', '_' and '.'", printable(name));
  std::error_code status;
  fs::path file = folder / (name + kEnding);
  if (fs::is_regular_file(file, status)) return file;
  std::vector<std::string> known;
  for (const auto& entry : fs::directory_iterator(folder, status))
    if (entry.path().extension() == kEnding) known.push_back(printable(entry.path().stem().string()));
  std::sort(known.begin(), known.end());
  fail(ErrorCode::not_found, "avatar: there is no '{}'; {}", name,
       known.empty() ? "none is registered: rushes portrait register"
                     : fmt::format("there are {}", fmt::join(known, ", ")));
}

}  // namespace rushes::generation
