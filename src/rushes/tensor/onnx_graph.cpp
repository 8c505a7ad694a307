#include "rushes/tensor/onnx_graph.h"

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{120};  // bounds failures only: a large graph takes a while to load
constexpr uintmax_t kMostBytes = uintmax_t{2} << 30;
constexpr uint32_t kMostOutputs = 64, kMostAxes = 8, kMostText = 1 << 16;
constexpr int64_t kMostValues = 64 << 20;

template <typename T>
T get(ChildProgram& program) {
  T value;
  program.read(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

template <typename T>
void put(ChildProgram& program, T value) {
  program.write(std::as_bytes(std::span(&value, 1)));
}

std::string text(ChildProgram& program) {
  const auto bytes = get<uint32_t>(program);
  require(bytes <= kMostText, ErrorCode::unavailable, "rushes-run-onnx answers with a text of {} bytes", bytes);
  std::string text(bytes, '\0');
  program.read(std::as_writable_bytes(std::span(text)));
  // The first line says it; what follows is where in OpenCV's sources.
  return printable(text.substr(0, text.find('\n')));
}

at::Tensor output(ChildProgram& program) {
  const auto axes = get<uint32_t>(program);
  require(axes <= kMostAxes, ErrorCode::unavailable, "rushes-run-onnx answers with {} axes", axes);
  std::vector<int64_t> sizes;
  int64_t values = 1;
  for (uint32_t i = 0; i < axes; ++i) {
    sizes.push_back(get<int64_t>(program));
    require(sizes.back() >= 0 && sizes.back() <= kMostValues && (values *= sizes.back()) <= kMostValues,
            ErrorCode::unavailable, "rushes-run-onnx answers with more than {} values", kMostValues);
  }
  at::Tensor tensor = at::empty(sizes, at::kFloat);
  program.read(std::as_writable_bytes(std::span(tensor.data_ptr<float>(), static_cast<std::size_t>(values))));
  return tensor;
}

}  // namespace

OnnxGraph::OnnxGraph(const fs::path& file) : name_(file.string()) {
  std::error_code status;
  const auto bytes = fs::file_size(file, status);
  require(!status && fs::is_regular_file(file, status), ErrorCode::not_found, "'{}' is not a file", name_);
  require(bytes <= kMostBytes, ErrorCode::too_large, "'{}' has {} bytes; graphs of at most {} are read", name_, bytes,
          kMostBytes);
  const fs::path program = find_program("rushes-run-onnx", "run_onnx");
  require(!program.empty(), ErrorCode::unavailable,
          "'{}' cannot be read: this build has no rushes-run-onnx, which needs OpenCV's dnn module (Debian: "
          "libopencv-dnn-dev)",
          name_);
  program_ = std::make_unique<ChildProgram>(program, std::vector<std::string>{fs::absolute(file).string()}, kPatience);
  const bool answered = get<uint32_t>(*program_) == 0;
  const std::string problem = answered ? text(*program_) : "the program is of another version";
  require(problem.empty(), ErrorCode::unsupported,
          "'{}' is not an ONNX graph that OpenCV's dnn module can compute; use the network's plain weights: {}", name_,
          problem);
}

std::vector<at::Tensor> OnnxGraph::run(const at::Tensor& input) const {
  const at::Tensor values = input.to(at::kCPU, at::kFloat).contiguous();
  require(values.dim() >= 1 && values.dim() <= kMostAxes && values.numel() >= 1 && values.numel() <= kMostValues,
          ErrorCode::invalid_argument, "'{}': an input must have 1 to {} axes and 1 to {} values", name_, kMostAxes,
          kMostValues);
  const std::scoped_lock lock(mutex_);
  require(program_ != nullptr, ErrorCode::unavailable, "'{}': the program that computes it has failed", name_);
  try {
    put(*program_, static_cast<uint32_t>(values.dim()));
    for (const int64_t size : values.sizes()) put(*program_, size);
    program_->write(std::as_bytes(std::span(values.const_data_ptr<float>(), static_cast<std::size_t>(values.numel()))));
    const auto count = get<uint32_t>(*program_);
    if (count == 0) fail(ErrorCode::unsupported, "'{}' cannot be computed: {}", name_, text(*program_));
    require(count <= kMostOutputs, ErrorCode::unavailable, "'{}': {} outputs", name_, count);
    std::vector<at::Tensor> outputs;
    for (uint32_t i = 0; i < count; ++i) outputs.push_back(output(*program_));
    return outputs;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unavailable) program_.reset();  // what comes next would not be understood
    throw;
  }
}

}  // namespace rushes::tensor
