#include "rushes/models/ditto/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/models/ditto/random_weights.h"
#include "rushes/models/ditto/spade_decoder.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::ditto {
namespace {

namespace fs = std::filesystem;
namespace forge = tensor::forge;
using testing::HasSubstr;

std::vector<forge::TensorSpec> manifest(const std::string& name) {
  return forge::published(fs::path(RUSHES_SOURCE_DIR) / "tests/manifests/ditto" / ("manifest_" + name + ".json"));
}

const std::pair<const char*, const char*> kParts[] = {{"appearance_extractor", "appearance_extractor"},
                                                      {"motion_extractor", "motion_extractor"},
                                                      {"warp_network", "warp_network"},
                                                      {"decoder", "decoder"},
                                                      {"stitch_network", "stitch_network"},
                                                      {"lmdm", "lmdm_v0.4_hubert"}};

TEST(DittoCheckpoint, parameters_are_those_of_the_published_files) {
  for (const auto& [part, name] : kParts) {
    tensor::Shapes published;
    for (const auto& tensor : manifest(name))
      if (!tensor.key.ends_with("num_batches_tracked") &&
          (!tensor.key.ends_with("rotary.freqs") || tensor.key == "rotary.freqs"))
        published[tensor.key] = tensor.shape;
    EXPECT_EQ(parameter_shapes(part, {}), published) << part;
  }
}

TEST(DittoCheckpoint, published_files_load_as_torch_saves_them) {
  const ScratchFolder folder;
  for (const auto& [part, name] : kParts) {
    SCOPED_TRACE(part);
    const fs::path file = folder.path / (std::string(part) + ".pth");
    std::vector<forge::TensorSpec> tensors = manifest(name);
    if (std::string_view(part) == "stitch_network")
      for (auto& tensor : tensors) tensor.key = "module." + tensor.key;
    const std::string branch = std::string_view(part) == "lmdm"             ? "model_state_dict"
                               : std::string_view(part) == "stitch_network" ? "retarget_shoulder"
                                                                            : "";
    forge::Branches branches{{branch, tensors}};
    if (!branch.empty()) branches.push_back({"other", {{"a.weight", {2, 2}}}});
    forge::write_sparse_torch_zip(file, branches);
    const tensor::WeightMap weights = load(part, file);
    EXPECT_EQ(weights.tensors().size(), parameter_shapes(part, {}).size());
    EXPECT_EQ(parameter_shapes(part, sizes_of(part, weights)), parameter_shapes(part, {}));
  }
}

std::string refused(const std::function<void()>& load) {
  try {
    load();
  } catch (const Error& error) {
    return error.what();
  }
  return "it was taken";
}

TEST(DittoCheckpoint, what_is_missing_or_misshapen_is_named) {
  const ScratchFolder folder;
  const fs::path file = folder.path / "stitch.safetensors";
  Sizes sizes;
  sizes.stitch = {8, 6};
  auto tensors = random_weights(parameter_shapes("stitch_network", sizes), 0).tensors();
  const auto with = [&](const std::function<void(std::map<std::string, at::Tensor>&)>& change) {
    auto changed = tensors;
    change(changed);
    tensor::save_safetensors(file, changed);
    return refused([&] { load("stitch_network", file, tensor::Extra::refuse); });
  };
  EXPECT_EQ(with([](auto&) {}), "it was taken");
  EXPECT_THAT(with([](auto& all) { all.erase("mlp.2.bias"); }), HasSubstr("mlp.2.bias"));
  EXPECT_THAT(with([](auto& all) { all["mlp.4.weight"] = all["mlp.2.weight"]; }), HasSubstr("mlp.4.weight"));
  EXPECT_THAT(with([](auto& all) { all["mlp.9.extra"] = all["mlp.2.bias"]; }), HasSubstr("mlp.9.extra"));
}

TEST(DittoCheckpoint, spectral_norms_are_divided_out) {
  Sizes sizes;
  sizes.middle = 4;
  sizes.middle_blocks = 1;
  sizes.feature = 3;
  sizes.spade = 2;
  sizes.decoder_up = {3, 2};
  auto tensors = random_weights(parameter_shapes("decoder", sizes), 3).tensors();
  const at::Tensor x = at::rand({1, 3, 4, 4});
  const at::Tensor before = SpadeDecoder(tensor::WeightMap(tensors)).forward(x);
  // A weight ten times as large, whose norm is that much larger too, is the same convolution.
  tensors["G_middle_0.conv_0.weight_orig"] = tensors["G_middle_0.conv_0.weight_orig"] * 10;
  EXPECT_TRUE(at::allclose(SpadeDecoder(tensor::WeightMap(tensors)).forward(x), before, 1e-4, 1e-5));
}

}  // namespace
}  // namespace rushes::ditto
