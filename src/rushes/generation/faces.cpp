#include "rushes/generation/faces.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "rushes/base/error.h"

namespace rushes::generation {
namespace {

constexpr double kAtTheEdge = 0.5;  // of the weight in the middle: size counts more than place

double weight(const FaceBox& face, int64_t height, int64_t width) {
  const double half_width = static_cast<double>(width) / 2, half_height = static_cast<double>(height) / 2;
  const double x = ((face[0] + face[2]) / 2 - half_width) / half_width,
               y = ((face[1] + face[3]) / 2 - half_height) / half_height;
  const double from_middle = std::min(1.0, std::sqrt((x * x + y * y) / 2));
  return (face[2] - face[0]) * (face[3] - face[1]) * (1 - (1 - kAtTheEdge) * from_middle);
}

}  // namespace

void put_subject_first(std::vector<FaceBox>& faces, int64_t height, int64_t width) {
  std::stable_sort(faces.begin(), faces.end(), [&](const FaceBox& a, const FaceBox& b) {
    return weight(a, height, width) > weight(b, height, width);
  });
}

OptionField face_option() {
  return {.name = "face",
          .type = OptionType::numbers,
          .doc =
              "which face of the image: its index (0: the largest near the middle, which is the default), or its box "
              "in pixels: x1, y1, x2, y2",
          .least = -100'000,
          .most = 100'000,
          .least_count = 1,
          .most_count = 4};
}

FaceChoice face_choice(const Options& options, int64_t height, int64_t width) {
  const auto values = options.get<std::vector<double>>("face");
  FaceChoice choice;
  if (!values) return choice;
  const bool is_index = values->size() == 1 && values->front() >= 0 && std::floor(values->front()) == values->front();
  const bool is_box = values->size() == 4 && (*values)[0] < (*values)[2] && (*values)[1] < (*values)[3];
  require(is_index || is_box, ErrorCode::invalid_argument,
          "face must be the index of a face, 0 or more, or its box, x1, y1, x2, y2 with x1 < x2 and y1 < y2 (got {})",
          fmt::join(*values, ", "));
  const auto is_seen = [&](const FaceBox& box) {
    return box[0] < static_cast<double>(width) && box[1] < static_cast<double>(height) && box[2] > 0 && box[3] > 0;
  };
  if (is_index) choice.index = static_cast<std::size_t>(values->front());
  if (is_box) choice.box = FaceBox{(*values)[0], (*values)[1], (*values)[2], (*values)[3]};
  require(!choice.box || is_seen(*choice.box), ErrorCode::invalid_argument,
          "face {} is not in the image, which is {}x{}: x from 0 to {}, y from 0 to {}", fmt::join(*values, ", "),
          width, height, width, height);
  return choice;
}

std::optional<FaceBox> chosen_face(const FaceChoice& choice, const std::vector<FaceBox>& faces) {
  if (choice.box) return choice.box;
  const std::size_t index = choice.index.value_or(0);
  require(!choice.index || index < faces.size(), ErrorCode::invalid_argument,
          "face {} is not in the image, in which {} faces were found{}", index, faces.size(),
          faces.empty() ? std::string("; give a box: x1, y1, x2, y2") : fmt::format(": {}", fmt::join(faces, ", ")));
  return index < faces.size() ? std::optional(faces[index]) : std::nullopt;
}

}  // namespace rushes::generation
