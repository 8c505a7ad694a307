// An ONNX graph, computed in a program of its own by OpenCV's dnn module (rushes-run-onnx).
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "rushes/base/child_program.h"

namespace rushes::tensor {

/// Of one input. Any thread; one computation at a time.
class OnnxGraph {
 public:
  /// Throws Error(not_found) for a missing file, Error(too_large) above 2 GiB, Error(unavailable) where the program is
  /// not built or does not answer, Error(unsupported) with what it said for a graph that it does not know.
  explicit OnnxGraph(const std::filesystem::path& file);

  /// input of any shape, float32. Returns the outputs, float32, in no promised order: tell them apart by their shapes.
  /// Throws Error(unsupported) for an input that does not fit, Error(unavailable), after which every call throws.
  std::vector<at::Tensor> run(const at::Tensor& input) const;

 private:
  std::string name_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<ChildProgram> program_;
};

}  // namespace rushes::tensor
