// ONNX files for tests, field by field as onnx.proto3 numbers them. Compiled into tests only.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace rushes::tensor::forge {

/// Protocol buffers: a varint, and a field with bytes in it.
inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(0x80 | (value & 0x7f));
  return bytes + static_cast<char>(value);
}
inline std::string number_field(int field, uint64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(value);
}
inline std::string bytes_field(int field, const std::string& bytes) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(bytes.size()) + bytes;
}

struct OnnxNode {
  std::string operation;
  std::vector<std::string> inputs, outputs;
  std::vector<int64_t> kernel_shape = {};  // of a convolution
};

/// A value's name and shape.
inline std::string onnx_value(const std::string& name, const std::vector<int64_t>& sizes) {
  std::string shape;
  for (const int64_t size : sizes) shape += bytes_field(1, number_field(1, static_cast<uint64_t>(size)));
  return bytes_field(1, name) + bytes_field(2, bytes_field(1, number_field(1, 1) + bytes_field(2, shape)));
}

/// A file of one graph: nodes in order, constants by name, one input.
inline std::string onnx_bytes(const std::vector<OnnxNode>& nodes,
                              const std::vector<std::pair<std::string, at::Tensor>>& constants,
                              const std::string& input, const std::vector<int64_t>& input_sizes,
                              const std::vector<std::pair<std::string, std::vector<int64_t>>>& outputs) {
  std::string graph;
  for (const OnnxNode& node : nodes) {
    std::string bytes;
    for (const std::string& name : node.inputs) bytes += bytes_field(1, name);
    for (const std::string& name : node.outputs) bytes += bytes_field(2, name);
    bytes += bytes_field(3, node.outputs.front()) + bytes_field(4, node.operation);
    if (!node.kernel_shape.empty()) {
      constexpr uint64_t kInts = 7;
      std::string attribute = bytes_field(1, "kernel_shape");
      for (const int64_t side : node.kernel_shape) attribute += number_field(8, static_cast<uint64_t>(side));
      bytes += bytes_field(5, attribute + number_field(20, kInts));
    }
    graph += bytes_field(1, bytes);
  }
  graph += bytes_field(2, "graph");
  for (const auto& [name, tensor] : constants) {
    std::string bytes;
    for (const int64_t size : tensor.sizes()) bytes += number_field(1, static_cast<uint64_t>(size));
    const at::Tensor values = tensor.contiguous();
    graph += bytes_field(
        5, bytes + number_field(2, 1) + bytes_field(8, name) +
               bytes_field(9, std::string(static_cast<const char*>(values.const_data_ptr()), values.nbytes())));
  }
  graph += bytes_field(11, onnx_value(input, input_sizes));
  for (const auto& [name, sizes] : outputs) graph += bytes_field(12, onnx_value(name, sizes));
  return number_field(1, 7) + bytes_field(7, graph) + bytes_field(8, bytes_field(1, "") + number_field(2, 12));
}

}  // namespace rushes::tensor::forge
