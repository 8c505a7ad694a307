#include "rushes/media/face_finder.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "rushes/base/child_program.h"
#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/media/libav.h"

namespace rushes::media {
namespace {

namespace fs = std::filesystem;

// Larger pictures are searched smaller: it takes as long as there are pixels, and a portrait's face is large.
constexpr int64_t kSearchedSide = 480;
constexpr const char* kProgram = "rushes-find-face";
constexpr const char* kCascade = "/usr/share/opencv4/haarcascades/haarcascade_frontalface_alt2.xml";
constexpr std::chrono::seconds kPatience{30};  // bounds failures only

/// Empty if there is none, or no cascade for it.
fs::path program() {
  static const fs::path found = [] {
    std::error_code missing;
    return fs::exists(kCascade, missing) ? find_program(kProgram, "find_face") : fs::path();
  }();
  return found;
}

/// Runs the program with `input`; what it writes, or nothing if it fails or takes too long.
std::optional<std::string> ask(const std::string& input) try {
  ChildProgram child(program(), {}, kPatience);
  child.write(std::as_bytes(std::span(input)));
  std::string answer;
  if (!child.read_all(answer)) return std::nullopt;
  return answer;
} catch (const Error&) {
  return std::nullopt;
}

/// Grey, with sides of at most kSearchedSide, as the program reads it.
std::string to_search(const Image& picture, int64_t width, int64_t height) {
  std::string text = fmt::format("{} {}\n", width, height);
  const std::size_t head = text.size();
  text.resize(head + static_cast<std::size_t>(width * height));
  const auto scaler = libav::owned(sws_getContext(static_cast<int>(picture.width), static_cast<int>(picture.height),
                                                  AV_PIX_FMT_RGB24, static_cast<int>(width), static_cast<int>(height),
                                                  AV_PIX_FMT_GRAY8, SWS_AREA, nullptr, nullptr, nullptr),
                                   "image scaler");
  const uint8_t* from[] = {picture.rgb.get()};
  const int from_stride[] = {static_cast<int>(3 * picture.width)}, to_stride[] = {static_cast<int>(width)};
  // Some of libswscale's inner loops write beyond a row's end; its last row has no next one.
  std::vector<uint8_t> grey(static_cast<std::size_t>(width * height) + 64);
  uint8_t* to[] = {grey.data()};
  sws_scale(scaler.get(), from, from_stride, 0, static_cast<int>(picture.height), to, to_stride);
  std::copy_n(grey.begin(), width * height, text.begin() + static_cast<std::ptrdiff_t>(head));
  return text;
}

}  // namespace

bool can_find_faces() { return !program().empty(); }

std::vector<FoundFace> find_faces(const Image& picture) {
  if (!can_find_faces() || picture.height < 1 || picture.width < 1) return {};
  const double scale =
      std::min(1.0, static_cast<double>(kSearchedSide) / static_cast<double>(std::max(picture.height, picture.width)));
  const auto scaled = [&](int64_t side) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(side) * scale));
  };
  const auto answer = ask(to_search(picture, scaled(picture.width), scaled(picture.height)));
  if (!answer) log::warning("{} failed; the image is used without cropping", kProgram);
  std::vector<FoundFace> faces;
  std::istringstream lines(answer.value_or(""));
  for (int x = 0, y = 0, width = 0, height = 0; lines >> x >> y >> width >> height;)
    faces.push_back({.x1 = x / scale, .y1 = y / scale, .x2 = (x + width) / scale, .y2 = (y + height) / scale});
  return faces;
}

std::vector<FoundFace> faces_of_portrait(const Image& picture, int64_t model_side, Crop crop, Look look) {
  const bool is_square = picture.height == picture.width;
  if (is_square && picture.height == model_side && look == Look::if_not_framed) return {};
  auto faces = find_faces(picture);
  require(!faces.empty() || is_square || crop == Crop::no || !can_find_faces(), ErrorCode::invalid_argument,
          "no face was found in the {}x{} image; use an image that shows a face from the front, evenly lit and not "
          "small, say where it is (face=x1,y1,x2,y2), cut a square around the face yourself, or turn cropping off "
          "(crop=false)",
          picture.width, picture.height);
  return faces;
}

}  // namespace rushes::media
