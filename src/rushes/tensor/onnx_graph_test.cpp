#include "rushes/tensor/onnx_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/tensor/onnx_forge.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class OnnxGraphs : public testing::Test {
 protected:
  void SetUp() override {
    if (find_program("rushes-run-onnx", "run_onnx").empty()) GTEST_SKIP() << "built without OpenCV's dnn module";
  }
  fs::path written(const std::string& bytes) {
    const fs::path file = folder_.path / "graph.onnx";
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }
  std::string refused(const std::function<void()>& act) {
    try {
      act();
    } catch (const Error& error) {
      return error.what();
    }
    return "it was taken";
  }
  ScratchFolder folder_;
};

TEST_F(OnnxGraphs, a_convolution_and_its_rectified_values_come_out) {
  const at::Tensor weight = at::randn({4, 3, 3, 3}), bias = at::randn({4}), x = at::randn({1, 3, 8, 9});
  const OnnxGraph graph(written(
      forge::onnx_bytes({{"Conv", {"x", "w", "b"}, {"y"}, {3, 3}}, {"Relu", {"y"}, {"z"}}, {"Sigmoid", {"z"}, {"s"}}},
                        {{"w", weight}, {"b", bias}}, "x", {1, 3, 8, 9}, {{"s", {1, 4, 6, 7}}})));
  const at::Tensor wanted = at::sigmoid(at::relu(at::conv2d(x, weight, bias)));
  for (int i = 0; i < 2; ++i) {
    const auto outputs = graph.run(x);
    ASSERT_EQ(outputs.size(), 1u);
    EXPECT_TRUE(at::allclose(outputs[0], wanted, 1e-4, 1e-5));
  }
}

TEST_F(OnnxGraphs, several_outputs_are_told_apart_by_their_shapes) {
  const at::Tensor a = at::randn({6, 2}), b = at::randn({6, 5}), x = at::randn({1, 6});
  const OnnxGraph graph(written(forge::onnx_bytes({{"MatMul", {"x", "a"}, {"u"}}, {"MatMul", {"x", "b"}, {"v"}}},
                                                  {{"a", a}, {"b", b}}, "x", {1, 6}, {{"u", {1, 2}}, {"v", {1, 5}}})));
  const auto outputs = graph.run(x);
  ASSERT_EQ(outputs.size(), 2u);
  for (const at::Tensor& output : outputs)
    EXPECT_TRUE(at::allclose(output, at::matmul(x, output.size(1) == 2 ? a : b), 1e-4, 1e-5));
}

TEST_F(OnnxGraphs, an_unknown_operator_and_broken_files_are_refused_with_advice) {
  EXPECT_THAT(refused([&] {
                OnnxGraph(written(forge::onnx_bytes({{"FixedKeys", {"x"}, {"y"}}}, {}, "x", {1, 4}, {{"y", {1, 4}}})));
              }),
              HasSubstr("use the network's plain weights"));
  EXPECT_THAT(refused([&] { OnnxGraph(written("not a graph")); }), HasSubstr("is not an ONNX graph"));
  EXPECT_THAT(refused([&] { OnnxGraph(written("")); }), HasSubstr("is not an ONNX graph"));
  EXPECT_THAT(refused([&] { OnnxGraph(folder_.path / "none.onnx"); }), HasSubstr("is not a file"));
}

TEST_F(OnnxGraphs, an_input_that_does_not_fit_leaves_the_graph_usable) {
  const at::Tensor a = at::randn({6, 2}), x = at::randn({1, 6});
  const OnnxGraph graph(
      written(forge::onnx_bytes({{"MatMul", {"x", "a"}, {"u"}}}, {{"a", a}}, "x", {1, 6}, {{"u", {1, 2}}})));
  EXPECT_NE(refused([&] { graph.run(at::randn({1, 5})); }), "it was taken");
  EXPECT_TRUE(at::allclose(graph.run(x).front(), at::matmul(x, a), 1e-4, 1e-5));
}

}  // namespace
}  // namespace rushes::tensor
