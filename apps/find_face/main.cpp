// rushes-find-face: "WIDTH HEIGHT\n" and 8-bit grey pixels from standard input, "X Y WIDTH HEIGHT\n" of each face to
// standard output: of those that pass the whole cascade, else of the one that comes nearest to it. A program of its own
// because OpenCV's libraries bring another BLAS and another protobuf than the ones that libtorch has inside and
// exports: in one process they would call each other's.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <opencv2/core/utility.hpp>
#include <opencv2/imgproc.hpp>
#include <opencv2/objdetect.hpp>
#include <vector>

namespace {

constexpr const char* kCascade = "/usr/share/opencv4/haarcascades/haarcascade_frontalface_alt2.xml";
constexpr int kMostSide = 4096;
constexpr int kLeastFace = 24;  // pixels: the cascade's own size is 20
constexpr double kStep = 1.1;
constexpr int kNeighbours = 4;

int find(std::FILE* input, std::FILE* output) {
  int width = 0, height = 0;
  if (std::fscanf(input, "%d %d", &width, &height) != 2 || std::fgetc(input) != '\n' || width < 1 || height < 1 ||
      width > kMostSide || height > kMostSide)
    return 2;
  cv::Mat grey(height, width, CV_8UC1);
  if (std::fread(grey.data, 1, grey.total(), input) != grey.total()) return 2;
  cv::CascadeClassifier faces;
  if (!faces.load(kCascade)) return 3;
  cv::setNumThreads(1);
  cv::equalizeHist(grey, grey);
  std::vector<cv::Rect> boxes;
  std::vector<int> levels;
  std::vector<double> weights;
  faces.detectMultiScale(grey, boxes, kStep, kNeighbours, 0, {kLeastFace, kLeastFace});
  if (boxes.empty()) {
    faces.detectMultiScale(grey, boxes, levels, weights, kStep, kNeighbours, 0, {kLeastFace, kLeastFace}, {}, true);
    const auto best = std::max_element(weights.begin(), weights.end());
    if (best != weights.end()) boxes = {boxes[static_cast<std::size_t>(best - weights.begin())]};
  }
  for (const cv::Rect& box : boxes) std::fprintf(output, "%d %d %d %d\n", box.x, box.y, box.width, box.height);
  return 0;
}

}  // namespace

int main() try { return find(stdin, stdout); } catch (const std::exception& error) {
  std::fprintf(stderr, "rushes-find-face: %s\n", error.what());
  return 1;
}
