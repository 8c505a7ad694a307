#include "rushes/generation/ditto/configuration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/generation/ditto/directory.h"
#include "rushes/generation/ditto/family.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// Pickle protocol 4, opcode by opcode, as Python writes dictionaries with arrays.
std::string text(const std::string& word) { return std::string("\x8c") + static_cast<char>(word.size()) + word; }
std::string integer(int number) { return std::string("K") + static_cast<char>(number); }
std::string function(const std::string& module, const std::string& name) { return text(module) + text(name) + "\x93"; }
std::string array(const std::string& shape, const std::string& bytes,
                  const std::string& module = "numpy.core.multiarray") {
  const std::string type = function("numpy", "dtype") + text("f4") + "\x89\x88\x87R(" + integer(3) + text("<") + "NNN" +
                           integer(0) + integer(0) + integer(0) + "tb";
  std::string size(4, '\0');
  const auto count = static_cast<uint32_t>(bytes.size());
  std::memcpy(size.data(), &count, 4);
  return function(module, "_reconstruct") + function("numpy", "ndarray") + integer(0) + "\x85" + "C\x01" + "b" +
         "\x87R(" + integer(1) + shape + type + "\x89" + "B" + size + bytes + "tb";
}
std::string floats(int count, float value) {
  std::string bytes(static_cast<std::size_t>(count) * 4, '\0');
  for (int i = 0; i < count; ++i) std::memcpy(bytes.data() + 4 * i, &value, 4);
  return bytes;
}
std::string configuration(const std::string& items) {
  return "\x80\x04}(" + text("default_kwargs") + "}(" + items + "uu.";
}

DittoSettings read(const std::string& bytes, const char* name = "cfg.pkl") {
  const ScratchFolder folder;
  std::ofstream(folder.path / name, std::ios::binary) << bytes;
  DittoSettings settings;
  read_configuration(folder.path / name, settings);
  return settings;
}
std::string refused(const std::string& bytes, const char* name = "cfg.pkl") {
  try {
    read(bytes, name);
  } catch (const Error& error) {
    return error.what();
  }
  return "it was taken";
}

TEST(DittoConfiguration, a_published_pickle_is_read_with_its_arrays) {
  const DittoSettings settings = read(configuration(
      text("overlap_v2") + integer(70) + text("online_mode") + "\x88" + text("use_d_keys") + "N" +
      text("delta_eye_arr") + array(integer(2) + integer(63) + "\x86", floats(2 * 63, 0.25f)) + text("emo") +
      array(integer(3) + integer(8) + "\x86", floats(24, 0.125f)) + text("smo_k_d") + integer(5)));
  EXPECT_EQ(settings.windows.overlap, 70);
  EXPECT_TRUE(settings.windows.online);
  EXPECT_EQ(settings.windows.smoothing, 5);
  EXPECT_TRUE(at::equal(settings.retarget.blink, at::full({2, 63}, 0.25f)));
  EXPECT_TRUE(at::equal(settings.emotion, at::full({3, 8}, 0.125f)));
}

TEST(DittoConfiguration, arrays_of_numpy_2_are_read_too) {
  const DittoSettings settings = read(configuration(
      text("delta_eye_arr") + array(integer(1) + integer(63) + "\x86", floats(63, 0.5f), "numpy._core.multiarray")));
  EXPECT_TRUE(at::equal(settings.retarget.blink, at::full({1, 63}, 0.5f)));
}

TEST(DittoConfiguration, nothing_of_a_pickle_is_executed) {
  EXPECT_THAT(refused("\x80\x04" + function("os", "system") + text("touch /tmp/x") + "\x85R."),
              HasSubstr("'os.system'"));
  EXPECT_THAT(refused("\x80\x04" + function("builtins", "eval") + text("1") + "\x85R."),
              HasSubstr("never executes code"));
  EXPECT_THAT(refused("\x80\x04" + function("torch._utils", "_rebuild_tensor") + text("1") + "\x85R."),
              HasSubstr("torch._utils._rebuild_tensor"));
}

TEST(DittoConfiguration, lying_pickles_are_refused) {
  EXPECT_THAT(refused(configuration(text("emo") + array(integer(9) + integer(8) + "\x86", floats(24, 0.1f)))),
              HasSubstr("an array of 72 numbers with 96 bytes"));
  EXPECT_THAT(refused("\x80\x04}."), HasSubstr("default_kwargs"));
  EXPECT_THAT(refused(configuration(text("overlap_v2") + text("many"))), HasSubstr("overlap_v2"));
  EXPECT_THAT(refused("\x80\x04]\x94(h\x00"
                      "a."),
              HasSubstr("'"));
  EXPECT_NE(refused(""), "it was taken");
}

TEST(DittoConfiguration, json_has_the_same_names) {
  const DittoSettings settings =
      read(R"({"overlap_v2": 60, "emo": [3], "overall_ctrl_info": {"delta_pitch": 2}})", "cfg.json");
  EXPECT_EQ(settings.windows.overlap, 60);
  EXPECT_EQ(settings.retarget.overall.delta_pitch, 2.0);
  EXPECT_EQ(settings.emotion.argmax().item<int64_t>(), 3);
  EXPECT_THAT(refused(R"({"overlap": 60})", "cfg.json"), HasSubstr("unknown option 'overlap'"));
  EXPECT_THAT(refused("[]", "cfg.json"), HasSubstr("not a JSON object"));
}

TEST(DittoConfiguration, arrays_may_lie_in_safetensors) {
  const ScratchFolder folder;
  tensor::save_safetensors(folder.path / "config.safetensors",
                           {{"v_min_max_for_clip", at::stack({at::full({265}, -1.0f), at::full({265}, 1.0f)})},
                            {"ch_info.x_s_info", at::ones({328})},
                            {"ch_info.eye_open", at::full({1, 2}, 0.3f)}});
  DittoSettings settings;
  read_configuration(folder.path / "config.safetensors", settings);
  EXPECT_EQ(settings.windows.highest.size(0), 265);
  ASSERT_TRUE(settings.character.has_value());
  EXPECT_EQ(settings.character->sc.numel(), 63);
  EXPECT_TRUE(at::equal(settings.character->eye_open, at::full({1, 2}, 0.3f)));
}

TEST(DittoDirectory, a_written_model_is_recognised_and_says_its_defaults) {
  const ScratchFolder folder;
  write_random_ditto_model(folder.path);
  EXPECT_TRUE(is_ditto_directory(folder.path));
  const DittoDirectory model = open_ditto_directory(folder.path);
  EXPECT_EQ(model.motion.frames, 20);
  EXPECT_EQ(ditto_settings(model).windows.overlap, 15);
  EXPECT_EQ(ditto_settings(model).windows.carried, (std::pair<int64_t, int64_t>{0, 202}));
  EXPECT_EQ(parse_ditto_manifest(ditto_manifest_yaml(model), folder.path, "again").defaults, model.defaults);
  ModelOptions options;
  options.path = folder.path.string();
  options.strict = true;
  EXPECT_EQ(load_model(options)->card().family, "ditto");
}

TEST(DittoDirectory, a_manifest_with_an_unknown_option_or_a_wrong_side_is_refused) {
  const auto parse = [](const std::string& more) {
    try {
      parse_ditto_manifest("schema: 1\nname: a\nfamily: ditto\n" + more, ".", "model.yaml");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("it was taken");
  };
  EXPECT_EQ(parse(""), "it was taken");
  EXPECT_THAT(parse("defaults: {overlap: 3}\n"), HasSubstr("defaults.overlap"));
  EXPECT_THAT(parse("defaults: {sampling_timesteps: 0}\n"), HasSubstr("sampling_timesteps"));
  EXPECT_THAT(parse("renderer: {image_side: 100}\n"), HasSubstr("multiple of 32"));
}

TEST(DittoDirectory, the_published_layout_is_recognised_and_names_what_it_lacks) {
  const ScratchFolder folder;
  const fs::path models = folder.path / "ditto_pytorch/models";
  fs::create_directories(models);
  for (const char* name :
       {"lmdm_v0.4_hubert.pth", "warp_network.pth", "decoder.pth", "appearance_extractor.pth", "motion_extractor.pth"})
    std::ofstream(models / name) << "x";
  EXPECT_TRUE(is_ditto_directory(folder.path));
  try {
    open_ditto_directory(folder.path);
    ADD_FAILURE() << "it was opened";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("stitch_network.pth"), HasSubstr("hubert-large-ls960-ft")));
  }
}

}  // namespace
}  // namespace rushes::generation
