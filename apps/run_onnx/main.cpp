// rushes-run-onnx FILE: loads a graph, answers once, then computes it for each input that standard input brings. A
// program of its own because OpenCV's libraries bring another BLAS and another protobuf than libtorch has inside and
// exports. The other side is rushes/tensor/onnx_graph.cpp; numbers are little-endian.
//   input   u32 axes, i64 size of each, float32 values
//   answer  u32 count of outputs, each as an input; or u32 0, u32 bytes, a text that says what failed. The first
//   answer, to
//           loading, is of the second kind; its text is empty if nothing failed
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr uint32_t kMostAxes = 8;
constexpr int64_t kMostValues = 64 << 20;  // of one tensor

void put(const void* bytes, std::size_t count) {
  if (std::fwrite(bytes, 1, count, stdout) != count) std::_Exit(1);
}
template <typename T>
void put(T value) {
  put(&value, sizeof value);
}

void answer_failure(const std::string& text) {
  put(uint32_t{0});
  put(static_cast<uint32_t>(text.size()));
  put(text.data(), text.size());
  std::fflush(stdout);
}

bool get(void* bytes, std::size_t count) { return std::fread(bytes, 1, count, stdin) == count; }

/// False at the end.
bool next_input(cv::Mat& input) {
  uint32_t axes = 0;
  if (!get(&axes, sizeof axes) || axes < 1 || axes > kMostAxes) return false;
  std::vector<int> sizes;
  int64_t values = 1;
  for (uint32_t i = 0; i < axes; ++i) {
    int64_t size = 0;
    if (!get(&size, sizeof size) || size < 1 || size > kMostValues || (values *= size) > kMostValues) return false;
    sizes.push_back(static_cast<int>(size));
  }
  input.create(sizes, CV_32F);
  return get(input.data, static_cast<std::size_t>(values) * sizeof(float));
}

void answer(const std::vector<cv::Mat>& outputs) {
  put(static_cast<uint32_t>(outputs.size()));
  for (const cv::Mat& output : outputs) {
    cv::Mat values;
    output.convertTo(values, CV_32F);
    put(static_cast<uint32_t>(values.dims));
    for (int i = 0; i < values.dims; ++i) put(static_cast<int64_t>(values.size[i]));
    put(values.data, values.total() * sizeof(float));
  }
  std::fflush(stdout);
}

int serve(const std::string& file) {
  cv::dnn::Net net;
  std::vector<cv::String> names;
  try {
    cv::setNumThreads(1);
    net = cv::dnn::readNetFromONNX(file);
    names = net.getUnconnectedOutLayersNames();
    if (names.empty()) throw std::runtime_error("the graph has no outputs");
  } catch (const std::exception& error) {
    answer_failure(error.what());
    return 1;
  }
  answer_failure("");  // nothing failed
  for (cv::Mat input; next_input(input);) {
    try {
      net.setInput(input);
      std::vector<cv::Mat> outputs;
      net.forward(outputs, names);
      answer(outputs);
    } catch (const std::exception& error) {
      answer_failure(error.what());
    }
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::fprintf(stderr, "usage: rushes-run-onnx FILE (started by rushes)\n");
    return 2;
  }
  return serve(arguments[1]);
}
