#include "rushes/tensor/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/tensor/checkpoint_folder.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/dtype.h"
#include "rushes/tensor/file_bytes.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/pickle_checkpoint.h"
#include "rushes/tensor/safetensors.h"

namespace rushes::tensor {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const fs::path kData = fs::path(RUSHES_SOURCE_DIR) / "src/rushes/tensor/testdata";

fs::path write(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
  return file;
}

void expect_refused(const fs::path& path, ErrorCode code, const std::string& words) {
  try {
    load_checkpoint(path);
    ADD_FAILURE() << path << " was read";
  } catch (const Error& error) {
    EXPECT_EQ(name(error.code()), name(code)) << error.what();
    EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

TEST(Checkpoint, files_of_torch_hold_what_the_reference_reader_finds_in_them) {
  const auto expected = load_safetensors(kData / "reference.safetensors");  // written by the safetensors package
  for (const char* file : {"torch_zip.pt", "torch_protocol4.pt"}) {
    SCOPED_TRACE(file);
    const Checkpoint checkpoint = load_checkpoint(kData / file);
    EXPECT_EQ(checkpoint.format, CheckpointFormat::torch_zip);
    ASSERT_EQ(checkpoint.tensors.keys(), expected.keys());
    for (const auto& [key, tensor] : expected.tensors()) {
      const at::Tensor& read = checkpoint.tensors.at(key);
      ASSERT_EQ(read.scalar_type(), tensor.scalar_type()) << key;
      EXPECT_TRUE(read.to(at::kDouble).equal(tensor.to(at::kDouble))) << key;
    }
    EXPECT_EQ(checkpoint.metadata.at("step"), "600");
    EXPECT_EQ(checkpoint.metadata.at("rate"), "0.5");
    EXPECT_EQ(checkpoint.metadata.at("note"), "réglé");
  }
}

TEST(Checkpoint, tensors_outlive_everything_else) {
  at::Tensor kept;
  {
    const Checkpoint checkpoint = load_checkpoint(kData / "torch_zip.pt");
    kept = checkpoint.tensors.at("generator.model.scalar");
  }
  EXPECT_EQ(kept.item<float>(), 2.5F);
}

TEST(Checkpoint, what_is_not_read_is_recognised_and_refused_with_advice) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  const auto refused = ErrorCode::unsupported;
  expect_refused(kData / "plain.pickle", refused, "bare Python pickle");
  expect_refused(kData / "evil.pt", refused, "posix.system");
  expect_refused(kData / "module.pt", refused, "torch.nn.modules.linear.Linear");
  expect_refused(kData / "single_tensor.pt", refused, "state_dict()");
  expect_refused(kData / "compressed.pt", refused, "zip -0");
  expect_refused(write(folder / "lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"), refused,
                 "git lfs pull");
  expect_refused(write(folder / "page", "<!DOCTYPE html><html></html>"), refused, "web page");
  expect_refused(write(folder / "gguf", "GGUF\x03"), refused, "GGUF");
  expect_refused(write(folder / "tar", std::string(257, 'a') + "ustar" + std::string(300, '\0')), refused,
                 "tar archive");
  expect_refused(write(folder / "noise", "some words"), refused, "neither safetensors nor a zip file");
  expect_refused(write(folder / "json", R"({"dim": 3})"), refused, "without a 'weight_map'");
  expect_refused(write(folder / "zip", forge::zip_bytes({{"readme.txt", "x"}})), refused, "not written by torch.save");
  expect_refused(write(folder / "script", forge::zip_bytes({{"a/data.pkl", "}."}, {"a/constants.pkl", ")."}})), refused,
                 "TorchScript");
  expect_refused(write(folder / "big", forge::zip_bytes({{"a/data.pkl", "}."}, {"a/byteorder", "big"}})), refused,
                 "big-endian");
  expect_refused(write(folder / "empty", ""), ErrorCode::corrupt_data, "empty");
  expect_refused(folder / "nowhere", ErrorCode::not_found, "cannot open");
  expect_refused("/dev/null", ErrorCode::corrupt_data, "not a regular file");
}

TEST(Checkpoint, the_name_of_a_file_decides_nothing) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  fs::copy_file(kData / "torch_zip.pt", folder / "model.safetensors");
  EXPECT_EQ(load_checkpoint(folder / "model.safetensors").format, CheckpointFormat::torch_zip);
  fs::copy_file(kData / "reference.safetensors", folder / "model.pt");
  EXPECT_EQ(load_checkpoint(folder / "model.pt").format, CheckpointFormat::safetensors);
}

// The pickle of a dictionary with one tensor "a", over 16 bytes of data.
std::string one_tensor(const std::string& tensor) {
  return forge::zip_bytes(
      {{"a/data.pkl", "\x80\x02}" + forge::pickle_text("a") + tensor + "s."}, {"a/data/0", std::string(16, '\1')}});
}

TEST(Checkpoint, pickles_that_lie_about_their_data_are_refused) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.pt";
  struct Case {
    const char* name;
    std::string tensor;
    const char* words;
  };
  const int64_t huge = int64_t{1} << 62;
  const Case cases[] = {
      {"more elements than stored", forge::pickle_tensor("FloatStorage", "0", 5, 0, {4}, {1}), "the file has 16 bytes"},
      {"element count overflows", forge::pickle_tensor("FloatStorage", "0", huge + 1, 0, {4}, {1}),
       "the file has 16 bytes"},
      {"negative element count", forge::pickle_tensor("FloatStorage", "0", -4, 0, {4}, {1}), "has -4 elements"},
      {"no such entry", forge::pickle_tensor("FloatStorage", "1", 4, 0, {4}, {1}), "no entry 'a/data/1'"},
      {"climbs out", forge::pickle_tensor("FloatStorage", "../data.pkl", 4, 0, {4}, {1}), "no entry"},
      {"size past the end", forge::pickle_tensor("FloatStorage", "0", 4, 0, {5}, {1}),
       "do not fit its 4 stored elements"},
      {"offset past the end", forge::pickle_tensor("FloatStorage", "0", 4, 1, {4}, {1}), "do not fit"},
      {"negative offset", forge::pickle_tensor("FloatStorage", "0", 4, -1, {4}, {1}), "do not fit"},
      {"negative size", forge::pickle_tensor("FloatStorage", "0", 4, 0, {-4}, {1}), "do not fit"},
      {"negative stride", forge::pickle_tensor("FloatStorage", "0", 4, 3, {4}, {-1}), "do not fit"},
      {"stride past the end", forge::pickle_tensor("FloatStorage", "0", 4, 0, {2, 2}, {4, 1}), "do not fit"},
      {"stride overflows", forge::pickle_tensor("FloatStorage", "0", 4, 0, {4, 4}, {huge, huge}), "do not fit"},
      {"one element a billion times", forge::pickle_tensor("FloatStorage", "0", 4, 0, {1 << 30}, {0}), "do not fit"},
      {"size overflows", forge::pickle_tensor("FloatStorage", "0", 4, 0, {huge, huge}, {0, 0}), "do not fit"},
      {"empty and overflowing", forge::pickle_tensor("FloatStorage", "0", 4, 0, {0, huge, huge}, {1, 1, 1}),
       "do not fit"},
      {"sizes without strides", forge::pickle_tensor("FloatStorage", "0", 4, 0, {2, 2}, {1}),
       "2 extents but 1 strides"},
      {"many axes", forge::pickle_tensor("FloatStorage", "0", 4, 0, std::vector<int64_t>(17, 1), {1}), "17 numbers"},
      {"unknown storage", forge::pickle_tensor("QInt8Storage", "0", 4, 0, {4}, {1}), "torch.QInt8Storage"},
      {"no storage class", forge::pickle_tensor("Size", "0", 4, 0, {4}, {1}), "not a storage class"},
      {"a dtype is no storage class", forge::pickle_tensor("float32", "0", 4, 0, {4}, {1}), "not a storage class"},
      {"a class is called", "ctorch\nFloatStorage\n)R", "torch.FloatStorage is called"},
      {"a text is called", forge::pickle_text("x") + ")R", "not a function is called"},
      {"no arguments", "ctorch._utils\n_rebuild_tensor_v2\n)R", "with 0 arguments"},
      {"a tensor of nothing", "ctorch._utils\n_rebuild_tensor\n(NNNNtR", "not a storage"},
      {"eval", "cbuiltins\neval\n(" + forge::pickle_text("1") + "tR", "builtins.eval"},
      {"eval by text", forge::pickle_text("builtins") + forge::pickle_text("eval") + "\x93", "builtins.eval"},
      {"storage from bytes", "ctorch.storage\n_load_from_bytes\n", "torch.storage._load_from_bytes"},
      {"escape codes", "c\x1b[2J\nx\n", "\\x1b[2J"},
      {"a name without end", "cbuiltins", "has no line end"},
      {"text longer than the file", "X\xff\xff\xff\x7f", "cut off"},
      {"instances", "(" + forge::pickle_text("x") + "icollections\nOrderedDict\n", "opcode 0x69"},
      {"nothing on the stack", "000", "stack is empty"},
      {"nothing above the mark", "(0", "stack is empty"},
      {"no mark", "t", "no mark"},
      {"unknown memory", "h\x05", "used before it is defined"},
      {"list as dictionary", "]NNs", "cannot have items"},
      {"key without value", "}(Nu", "without a value"},
      {"attributes of a number", "K\x01Nb", "attributes"},
      {"newer protocol", "\x80\x06", "newer than 5"},
  };
  for (const Case& damaged : cases) {
    SCOPED_TRACE(damaged.name);
    write(file, one_tensor(damaged.tensor));
    try {
      load_checkpoint(file);
      ADD_FAILURE() << "was read";
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::corrupt_data || error.code() == ErrorCode::unsupported) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(damaged.words));
      EXPECT_THAT(error.what(), HasSubstr("model.pt"));
    }
  }
}

TEST(Checkpoint, loops_and_bombs_of_references_end_with_an_error) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.pt";
  const auto refuse = [&](const std::string& pickle, ErrorCode code, const char* words) {
    expect_refused(write(file, forge::zip_bytes({{"a/data.pkl", pickle}, {"a/data/0", std::string(16, '\1')}})), code,
                   words);
  };
  const std::string key = forge::pickle_text("k");
  refuse("}q\1" + key + "h\1s.", ErrorCode::corrupt_data, "contain themselves");
  std::string deep = "}" + key, ends;
  for (int i = 0; i < 100'000; ++i) deep += "]", ends += "a";
  refuse(deep + "N" + ends + "s.", ErrorCode::corrupt_data, "nested deeper");
  std::string bomb = "}" + key + "]";  // each list holds the one before ten times
  for (int level = 0; level < 12; ++level) {
    bomb +=
        "q\1"
        "0]";
    for (int i = 0; i < 10; ++i) bomb += "h\1a";
  }
  refuse(bomb + "s.", ErrorCode::too_large, "more than 1000000 objects");
  refuse(std::string(5'000'000, ']') + ".", ErrorCode::too_large, "more than 2000000 objects");
  refuse(std::string(5'000'000, '(') + ".", ErrorCode::too_large, "levels");
  refuse("}" + std::string(5'000'000, '2') + ".", ErrorCode::too_large, "stack");
  refuse(std::string(64'000'001, 'N'), ErrorCode::too_large, "64000001 bytes");
}

TEST(Checkpoint, the_same_tensor_under_two_names_is_shared) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.pt";
  const std::string pickle = "}(" + forge::pickle_text("a") +
                             forge::pickle_tensor("FloatStorage", "0", 4, 0, {4}, {1}) + "q\1" +
                             forge::pickle_text("b") + "h\1u.";
  write(file, forge::zip_bytes({{"a/data.pkl", pickle}, {"a/data/0", std::string(16, '\0')}}));
  const Checkpoint checkpoint = load_checkpoint(file);
  EXPECT_EQ(checkpoint.tensors.at("a").const_data_ptr(), checkpoint.tensors.at("b").const_data_ptr());
}

TEST(Checkpoint, data_that_is_not_aligned_is_copied) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.pt";
  const std::string pickle =
      "}" + forge::pickle_text("a") + forge::pickle_tensor("FloatStorage", "0", 4, 1, {2}, {2}) + "s.";
  const std::string numbers("\0\0\0\0\0\0\x80\x3f\0\0\0\0\0\0\0\x40", 16);  // 0, 1, 0, 2
  for (const uint64_t alignment : {64, 63}) {
    write(file, forge::zip_bytes({{"a/data.pkl", pickle}, {"a/data/0", numbers}}, alignment));
    const at::Tensor read = load_checkpoint(file).tensors.at("a");
    EXPECT_EQ(read[0].item<float>(), 1.0F);
    EXPECT_EQ(read[1].item<float>(), 2.0F);
  }
}

TEST(Checkpoint, damaged_zip_directories_are_refused) {
  const ScratchFolder scratch;
  const fs::path file = scratch.path / "model.pt";
  const std::string good = one_tensor(forge::pickle_tensor("FloatStorage", "0", 4, 0, {4}, {1}));
  EXPECT_TRUE(load_checkpoint(write(file, good)).tensors.at("a").equal(load_checkpoint(file).tensors.at("a")));
  expect_refused(write(file, forge::zip_bytes({{"a/data.pkl", "}."}, {"a/data.pkl", "}."}})), ErrorCode::corrupt_data,
                 "exists twice");
  expect_refused(write(file, forge::zip_bytes({{"a/data.pkl", "}."}, {"b/data.pkl", "}."}})), ErrorCode::corrupt_data,
                 "two pickles");
  std::string renamed = good;
  renamed.replace(renamed.find("a/data/0"), 8, "a/data/7");
  expect_refused(write(file, renamed), ErrorCode::corrupt_data, "different name in its own header");
  std::string overlapping = forge::zip_bytes({{"a/data.pkl", "}."}, {"a/x", ""}});
  overlapping[overlapping.find("PK\1\2") + 46 + 10 + 4] = '\x60';  // the first entry now reaches over the second
  overlapping[overlapping.find("PK\1\2") + 46 + 10 + 12] = '\x60';
  expect_refused(write(file, overlapping), ErrorCode::corrupt_data, "zip entry");
}

// Reads every tensor of `bytes`, as whichever format they are in.
void read_all(const std::string& bytes) {
  const auto file = FileBytes::copy_of(bytes, "damaged");
  const WeightMap tensors =
      bytes.starts_with("PK") ? read_pickle_checkpoint(file).tensors : read_safetensors(file).tensors;
  for (const auto& [key, tensor] : tensors.tensors())
    if (is_weight_dtype(tensor.scalar_type())) tensor.to(at::kDouble).sum();  // others are only carried along
}

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Checkpoint, a_file_cut_short_anywhere_is_refused) {
  for (const char* source : {"torch_zip.pt", "reference.safetensors"}) {
    const std::string whole = bytes_of(kData / source);
    EXPECT_NO_THROW(read_all(whole));
    for (std::size_t length = 0; length < whole.size(); ++length)
      EXPECT_THROW(read_all(whole.substr(0, length)), Error) << source << " at " << length;
  }
}

TEST(Checkpoint, a_byte_changed_anywhere_is_read_or_refused_but_never_harms) {
  for (const char* source : {"torch_zip.pt", "reference.safetensors"}) {
    const std::string whole = bytes_of(kData / source);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
      try {
        read_all(changed);
      } catch (const Error&) {}
    }
  }
}

TEST(Checkpoint, shards_are_joined_by_their_index) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  forge::write_sparse_safetensors(folder / "m-1.safetensors", {{"a", {2, 3}}, {"b", {4}}});
  forge::write_sparse_safetensors(folder / "m-2.safetensors", {{"c", {5}}});
  const auto index = folder / "m.safetensors.index.json";
  const auto refuse = [&](const char* text, ErrorCode code, const char* words) {
    expect_refused(write(index, text), code, words);
  };
  write(
      index,
      R"({"metadata": {"total_size": 60}, "weight_map": {"a": "m-1.safetensors", "b": "m-1.safetensors", "c": "m-2.safetensors"}})");
  for (const auto& path : {index, folder}) {
    const Checkpoint checkpoint = load_checkpoint(path);
    EXPECT_EQ(checkpoint.format, CheckpointFormat::sharded);
    EXPECT_EQ(checkpoint.files.size(), 2u);
    EXPECT_EQ(checkpoint.tensors.keys(), (std::vector<std::string>{"a", "b", "c"}));
  }
  write(index, R"({"weight_map": {"a": "m-1.safetensors", "c": "m-2.safetensors"}})");
  EXPECT_TRUE(load_checkpoint(index).tensors.contains("b")) << "a tensor that the index does not list harms nobody";
  forge::write_sparse_safetensors(folder / "m-3.safetensors", {{"c", {5}}, {"d", {1}}});
  refuse(R"({"weight_map": {"a": "m-1.safetensors", "c": "m-2.safetensors", "d": "m-3.safetensors"}})",
         ErrorCode::corrupt_data, "the tensor 'c', which");
  fs::remove(folder / "m-3.safetensors");
  refuse(R"({"weight_map": {"a": "m-1.safetensors", "b": "m-1.safetensors", "d": "m-1.safetensors"}})",
         ErrorCode::corrupt_data, "but it does not");
  refuse(R"({"weight_map": {"a": "m-3.safetensors"}})", ErrorCode::not_found, "m-3.safetensors' is missing");
  refuse(R"({"weight_map": {"a": "../m-1.safetensors"}})", ErrorCode::corrupt_data,
         "not a file in the folder of the index");
  refuse(R"({"weight_map": {"a": "/etc/passwd"}})", ErrorCode::corrupt_data, "not a file in the folder of the index");
  refuse(R"({"weight_map": {"a": ".."}})", ErrorCode::corrupt_data, "not a file in the folder of the index");
  refuse(R"({"weight_map": {"a": 3}})", ErrorCode::corrupt_data, "not a file name");
  refuse(R"({"weight_map": {}})", ErrorCode::corrupt_data, "empty");
  refuse(R"({"weight_map": )", ErrorCode::corrupt_data, "not valid JSON");
  refuse(R"({"weight_map": {"a": [[[[]]]]}})", ErrorCode::corrupt_data, "nested deeper");
}

TEST(Checkpoint, a_folder_with_several_checkpoints_asks_which) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  expect_refused(folder, ErrorCode::not_found, "has no checkpoint");
  forge::write_sparse_safetensors(folder / "one.safetensors", {{"a", {1}}});
  EXPECT_TRUE(load_checkpoint(folder).tensors.contains("a"));
  forge::write_sparse_safetensors(folder / "two.safetensors", {{"a", {1}}});
  expect_refused(folder, ErrorCode::invalid_argument, "one.safetensors, two.safetensors");
}

TEST(Checkpoint, a_folder_stands_for_the_file_that_its_library_would_load) {
  const struct {
    const char* name;
    std::vector<const char*> files;
    const char* best;
  } folders[] = {
      {"safetensors before a pickle", {"model.safetensors", "pytorch_model.bin"}, "model.safetensors"},
      {"a pickle alone", {"pytorch_model.bin"}, "pytorch_model.bin"},
      {"full precision before variants",
       {"diffusion_pytorch_model.bf16.safetensors", "diffusion_pytorch_model.safetensors"},
       "diffusion_pytorch_model.safetensors"},
      {"a variant alone", {"diffusion_pytorch_model.fp16.safetensors"}, "diffusion_pytorch_model.fp16.safetensors"},
      {"variants only", {"model.fp16.safetensors", "model.bf16.safetensors"}, "model.bf16.safetensors"},
      {"shards under their index",
       {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"},
       "model.safetensors.index.json"},
      {"shards of a variant",
       {"model.fp16-00001-of-00002.safetensors", "model.fp16-00002-of-00002.safetensors",
        "model.safetensors.index.fp16.json"},
       "model.safetensors.index.fp16.json"},
      {"shards of a pickle",
       {"pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json"},
       "pytorch_model.bin.index.json"},
      {"a library's name before others", {"adapter.safetensors", "model.safetensors"}, "model.safetensors"},
      {"dots that are no variant", {"wan2.1_vae.safetensors"}, "wan2.1_vae.safetensors"},
  };
  for (const auto& each : folders) {
    SCOPED_TRACE(each.name);
    const ScratchFolder scratch;
    for (const char* file : each.files) write(scratch.path / file, "x");
    write(scratch.path / "config.json", "{}");
    EXPECT_EQ(checkpoint_in(scratch.path).filename(), each.best);
  }
  EXPECT_TRUE(checkpoints_in("/no/such/folder").empty());
}

TEST(Checkpoint, shards_of_a_pickle_are_joined_too) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  forge::write_sparse_torch_zip(folder / "pytorch_model-00001-of-00002.bin", {{"", {{"a", {2}}}}});
  forge::write_sparse_torch_zip(folder / "pytorch_model-00002-of-00002.bin", {{"", {{"b", {3}}}}});
  write(folder / "pytorch_model.bin.index.json",
        R"({"weight_map": {"a": "pytorch_model-00001-of-00002.bin", "b": "pytorch_model-00002-of-00002.bin"}})");
  EXPECT_EQ(load_checkpoint(folder).tensors.keys(), (std::vector<std::string>{"a", "b"}));
}

TEST(Checkpoint, tensors_of_a_sparse_file_of_100_GB_are_found_without_reading_them) {
  const ScratchFolder scratch;
  const fs::path& folder = scratch.path;
  forge::write_sparse_torch_zip(
      folder / "huge.pt",
      {{"generator", {{"w", {5'000'000, 2'500}}, {"last", {3}, at::kHalf}}}, {"ema", {{"w", {5'000'000, 2'500}}}}});
  const Checkpoint checkpoint = load_checkpoint(folder / "huge.pt");
  EXPECT_EQ(checkpoint.tensors.bytes(), 100'000'000'006);
  EXPECT_EQ(checkpoint.tensors.at("generator.w").const_data_ptr<float>()[12'000'000'000], 0.0F);
}

}  // namespace
}  // namespace rushes::tensor
