#include "rushes/models/foresight/adapter.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/foresight/streaming_predictor.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"

namespace rushes::foresight {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;

/// The tensors of a full-size file.
tensor::WeightMap published(const char* manifest) {
  const auto tensors =
      forge::published(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/foresight" / manifest, at::kFloat);
  const ScratchFolder scratch;
  forge::write_sparse_safetensors(scratch.path / "adapter.safetensors", tensors);
  return tensor::load_checkpoint(scratch.path / "adapter.safetensors").tensors;
}

tensor::WeightMap random_weights(const tensor::Shapes& shapes) {
  tensor::WeightMap weights;
  for (const auto& [key, shape] : shapes) weights.set(key, at::randn(shape) * 0.2);
  return weights;
}

AdapterConfig small(AdapterForm form) {
  return {.form = form,
          .vlm_dim = 6,
          .spatial_dim = 5,
          .hidden_dim = 16,
          .output_dim = 9,
          .num_layers = 2,
          .num_queries = 3,
          .num_heads = 8,
          .mlp_dim = 20,
          .spatial_positions = 7};
}

TEST(Adapter, the_deployed_sizes_are_told_from_names_and_shapes) {
  const tensor::WeightMap query = published("manifest_query_adapter.json"),
                          hybrid = published("manifest_hybrid_fusion.json");
  EXPECT_EQ(infer_adapter(query), AdapterConfig{});
  EXPECT_NEAR(static_cast<double>(query.parameter_count()) / 1e6, 8.11, 0.005);
  const AdapterConfig config = infer_adapter(hybrid);
  EXPECT_EQ(config, (AdapterConfig{.form = AdapterForm::hybrid_fusion,
                                   .hidden_dim = 1024,
                                   .num_layers = 4,
                                   .num_queries = 64,
                                   .num_heads = 8,
                                   .mlp_dim = 4096}));
  tensor::check_complete(query, parameter_shapes(infer_adapter(query)), "query adapter", tensor::Extra::refuse);
  tensor::check_complete(hybrid, parameter_shapes(config), "hybrid fusion", tensor::Extra::refuse);
  EXPECT_FALSE(is_adapter(published("manifest_dinov2_vitl14_hub.json")));
}

TEST(Adapter, every_form_is_told_from_the_names_of_its_parameters) {
  for (const auto& [word, form] : words_of(AdapterForm{})) {
    SCOPED_TRACE(word);
    const tensor::WeightMap weights = random_weights(parameter_shapes(small(form)));
    ASSERT_TRUE(is_adapter(weights));
    AdapterConfig inferred = infer_adapter(weights);
    inferred.num_heads = 8;
    if (form != AdapterForm::hybrid_fusion) inferred.spatial_positions = 7;
    EXPECT_EQ(inferred, small(form));
    EXPECT_EQ(Adapter(inferred, weights).forward(at::randn({2, 4, 6}), at::randn({2, 7, 5})).sizes(),
              (std::vector<int64_t>{2, 3, 9}));
  }
}

TEST(Adapter, the_order_of_the_tokens_matters_only_where_they_have_positions) {
  const at::Tensor vlm = at::randn({1, 4, 6}), patches = at::randn({1, 7, 5});
  for (const auto& [word, form] : words_of(AdapterForm{})) {
    SCOPED_TRACE(word);
    const Adapter adapter(small(form), random_weights(parameter_shapes(small(form))));
    const bool same = at::allclose(adapter.forward(vlm, patches), adapter.forward(vlm, patches.flip({1})), 1e-4, 1e-5);
    EXPECT_EQ(same, form != AdapterForm::hybrid_fusion);
    EXPECT_TRUE(at::allclose(adapter.forward(vlm, patches), adapter.forward(vlm.flip({1}), patches), 1e-4, 1e-5));
  }
}

TEST(Adapter, features_that_do_not_fit_are_refused) {
  const AdapterConfig config = small(AdapterForm::hybrid_fusion);
  const Adapter adapter(config, random_weights(parameter_shapes(config)));
  EXPECT_THROW(adapter.forward(at::randn({1, 4, 6}), at::randn({1, 8, 5})), Error);  // seven positions
  EXPECT_THROW(adapter.forward(at::randn({1, 4, 7}), at::randn({1, 7, 5})), Error);
  EXPECT_THROW(adapter.forward(at::randn({2, 4, 6}), at::randn({1, 7, 5})), Error);
  EXPECT_THROW(infer_adapter({}), Error);
}

TEST(Adapter, longer_features_are_cut_and_shorter_ones_filled_with_zeros) {
  const at::Tensor x = at::arange(6, at::kFloat).view({1, 3, 2});
  EXPECT_TRUE(at::equal(cut_or_padded(x, 2), x.narrow(1, 0, 2)));
  EXPECT_TRUE(at::equal(cut_or_padded(x, 3), x));
  EXPECT_TRUE(at::equal(cut_or_padded(x, 4), at::cat({x, at::zeros({1, 1, 2})}, 1)));
}

PredictorConfig small_predictor() {
  return {.vlm_dim = 5,
          .hidden_dim = 16,
          .num_queries = 2,
          .num_layers = 1,
          .num_heads = 8,
          .context_window = 3,
          .aggregator_dim = 6,
          .output_dim = 7,
          .mlp_dim = 9};
}

TEST(StreamingPredictor, the_published_sizes_are_told_from_the_shapes) {
  const tensor::WeightMap weights = published("manifest_streaming_predictor.json");
  EXPECT_EQ(infer_predictor(weights), PredictorConfig{});
  tensor::check_complete(weights, parameter_shapes(infer_predictor(weights)), "predictor");
}

TEST(StreamingPredictor, the_first_steps_do_not_depend_on_how_many_follow_nor_on_a_later_switch) {
  const StreamingPredictor predictor(small_predictor(), random_weights(parameter_shapes(small_predictor())));
  const at::Tensor context = at::randn({2, 5, 5});
  const at::Tensor six = predictor.predict(context, 6);
  EXPECT_TRUE(at::equal(predictor.predict(context, 2), six.narrow(1, 0, 2)));
  const at::Tensor other = at::randn({2, 2, 5});
  const at::Tensor switched = predictor.predict(context, 6, ContextSwitch{2, other});
  EXPECT_TRUE(at::equal(switched.narrow(1, 0, 2), six.narrow(1, 0, 2)));
  EXPECT_TRUE(at::equal(switched.narrow(1, 2, 4), predictor.predict(other, 4)));
  EXPECT_TRUE(at::equal(predictor.predict(context.narrow(1, 2, 3), 6), six));  // older than the window
}

}  // namespace
}  // namespace rushes::foresight
