// Files of torch.save before torch 1.6: one that torch wrote, and others byte by byte.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/legacy_torch.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/pickle_checkpoint.h"

namespace rushes::tensor {
namespace {
namespace fs = std::filesystem;
using namespace std::string_literals;
using ::testing::HasSubstr;

const fs::path kWrittenByTorch = fs::path(RUSHES_SOURCE_DIR) / "src/rushes/tensor/testdata/torch_legacy.pt";
const std::string kMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s;
const std::string kVersion = "\x80\x02M\xe9\x03.", kMachine = "\x80\x02}.";

std::string bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string number(int64_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }

/// A tensor over the storage `key`, as the old format refers to it; `part` is what the sixth word of that leaves.
std::string tensor(std::string_view key, int64_t elements, int64_t offset, int64_t size, const std::string& part = "N",
                   const std::string& type = "FloatStorage") {
  return "ctorch._utils\n_rebuild_tensor\n((" + forge::pickle_text("storage") + "ctorch\n" + type + "\n" +
         forge::pickle_text(key) + forge::pickle_text("cpu") + forge::pickle_integer(elements) + part + "tQ" +
         forge::pickle_integer(offset) + "(" + forge::pickle_integer(size) + "t(" + forge::pickle_integer(1) + "ttR";
}

std::string keys(const std::vector<std::string>& names) {
  std::string list = "\x80\x02](";
  for (const std::string& name : names) list += forge::pickle_text(name);
  return list + "e.";
}

const std::string kFour = "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40"s;  // 1, 2, 3, 4

/// {"a": tensor} and one storage, all sound but for what is given.
std::string file(const std::string& a, const std::string& list = keys({"7"}),
                 const std::string& data = number(4) + kFour, const std::string& version = kVersion) {
  return kMagic + version + kMachine + "\x80\x02}" + forge::pickle_text("a") + a + "s." + list + data;
}

PickleContents read(const std::string& bytes) { return read_pickle_checkpoint(FileBytes::copy_of(bytes, "model.pth")); }

TEST(LegacyTorch, file_that_torch_wrote_is_read_as_torch_reads_it) {
  const Checkpoint checkpoint = load_checkpoint(kWrittenByTorch);
  EXPECT_EQ(checkpoint.format, CheckpointFormat::torch_legacy);
  EXPECT_EQ(name(checkpoint.format), "torch_legacy");
  EXPECT_EQ(checkpoint.tensors.keys(), std::vector<std::string>{"a"});
  EXPECT_TRUE(checkpoint.tensors.at("a").equal(at::ones({2})));
}

TEST(LegacyTorch, tensors_are_found_in_the_order_of_the_list_and_share_their_storage) {
  const std::string object = "\x80\x02}(" + forge::pickle_text("a") + tensor("7", 4, 1, 2) + forge::pickle_text("b") +
                             tensor("12", 2, 0, 2, "N", "LongStorage") + forge::pickle_text("whole") +
                             tensor("7", 4, 0, 4) + forge::pickle_text("step") + "K\5u.";
  // The data begins at any address: once where floats can be read in place, and three times where they cannot.
  for (int padding = 0; padding < 4; ++padding) {
    SCOPED_TRACE(padding);
    const std::string machine = "\x80\x02X"s + std::string(1, static_cast<char>(padding)) + "\0\0\0"s +
                                std::string(static_cast<std::size_t>(padding), 'x') + ".";
    const PickleContents contents = read(kMagic + kVersion + machine + object + keys({"12", "7"}) + number(2) +
                                         number(-5) + number(6) + number(4) + kFour);
    EXPECT_TRUE(contents.tensors.at("a").equal(at::tensor({2.0F, 3.0F})));
    EXPECT_TRUE(contents.tensors.at("b").equal(at::tensor({int64_t{-5}, int64_t{6}})));
    EXPECT_TRUE(contents.tensors.at("whole").equal(at::tensor({1.0F, 2.0F, 3.0F, 4.0F})));
    EXPECT_EQ(contents.tensors.at("a").const_data_ptr<float>(),
              contents.tensors.at("whole").const_data_ptr<float>() + 1);
    EXPECT_EQ(contents.metadata.at("step"), "5");
  }
}

TEST(LegacyTorch, files_of_python_2_and_of_pickle_protocol_4_are_read) {
  // An OrderedDict of Python 2 gets its items as pairs, whose keys are byte strings.
  const std::string pairs = "ccollections\nOrderedDict\n(](](U\1a" + tensor("7", 4, 0, 4) + "e](U\1bK\3eetR";
  PickleContents contents =
      read(kMagic + kVersion + kMachine + "\x80\x02" + pairs + "." + keys({"7"}) + number(4) + kFour);
  EXPECT_EQ(contents.tensors.at("a")[3].item<float>(), 4.0F);
  EXPECT_EQ(contents.metadata.at("b"), "3");
  const std::string framed = "\x80\x04\x95\x0d\0\0\0\0\0\0\0"s + kMagic.substr(2);
  contents = read(framed + file(tensor("7", 4, 0, 4)).substr(kMagic.size()));
  EXPECT_EQ(contents.tensors.at("a")[3].item<float>(), 4.0F);
}

TEST(LegacyTorch, files_that_lie_are_refused) {
  const std::string good = tensor("7", 4, 0, 4), data = number(4) + kFour;
  ASSERT_EQ(read(file(good)).tensors.at("a")[3].item<float>(), 4.0F);
  const struct {
    const char* name;
    std::string bytes;
    const char* words;
  } cases[] = {
      {"another version", file(good, keys({"7"}), data, "\x80\x02M\xea\x03."), "another version"},
      {"no version", file(good, keys({"7"}), data, "\x80\x02N."), "another version"},
      {"no list", file(good, "\x80\x02}."), "no list of its storages"},
      {"a key that is not a string", file(good, "\x80\x02](K\7e."), "which no tensor has"},
      {"a storage of no tensor", file(good, keys({"7", "8"}), data + data), "storage '8', which no tensor has"},
      {"a storage twice", file(good, keys({"7", "7"}), data + data), "twice"},
      {"a storage without data", file(good, keys({})), "no data for storage '7'"},
      {"more elements than the file has", file(good, keys({"7"}), number(5) + kFour), "cut off"},
      {"a negative count", file(good, keys({"7"}), number(-1) + kFour), "cut off"},
      {"a count that overflows", file(good, keys({"7"}), number(int64_t{1} << 62) + kFour), "cut off"},
      {"no count", file(good, keys({"7"}), "abc"), "cut off"},
      {"other than the pickle says", file(good, keys({"7"}), number(3) + kFour), "the file has 12 bytes"},
      {"size past the end", file(tensor("7", 4, 0, 5)), "do not fit its 4 stored elements"},
      {"offset past the end", file(tensor("7", 4, 1, 4)), "do not fit its 4 stored elements"},
      {"another type for the same storage",
       file(good + "s" + forge::pickle_text("b") + tensor("7", 4, 0, 4, "N", "DoubleStorage")), "elements of 8 bytes"},
      {"a part of another storage", file(tensor("7", 4, 0, 4, "(NNNt")), "a part of another one"},
      {"eval", file("cbuiltins\neval\n(" + forge::pickle_text("1") + "tR"), "builtins.eval"},
      {"eval in the list",
       file(good,
            "\x80\x02"
            "cbuiltins\neval\n."),
       "builtins.eval"},
      {"eval in place of the version", file(good, keys({"7"}), data, "cbuiltins\neval\n."), "builtins.eval"},
      {"a dictionary of numbers", file("ccollections\nOrderedDict\n(](K\1etR"), "not a pair"},
      {"a dictionary of nothing", file("ccollections\nOrderedDict\n(NtR"), "not a list"},
  };
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    try {
      read(each.bytes);
      ADD_FAILURE() << "was read";
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::corrupt_data || error.code() == ErrorCode::unsupported) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(each.words));
      EXPECT_THAT(error.what(), HasSubstr("model.pth"));
    }
  }
}

TEST(LegacyTorch, one_list_in_many_dictionaries_does_not_fill_the_memory) {
  std::string pairs = "](";
  for (int i = 0; i < 100'000; ++i) pairs += "NN\x86";
  std::string bomb = pairs +
                     "e\x85q\1"
                     "0";  // the arguments of a call
  for (int i = 0; i < 100; ++i) bomb += "ccollections\nOrderedDict\nh\1R0";
  try {
    read(kMagic + kVersion + kMachine + bomb + "N." + keys({}));
    ADD_FAILURE() << "was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::too_large) << error.what();
  }
}

TEST(LegacyTorch, file_cut_short_anywhere_is_refused_and_a_byte_changed_anywhere_never_harms) {
  for (const std::string& whole : {bytes_of(kWrittenByTorch), file(tensor("7", 4, 0, 4))}) {
    ASSERT_TRUE(is_legacy_torch(whole));
    EXPECT_NO_THROW(read(whole));
    for (std::size_t length = 0; length < whole.size(); ++length)
      EXPECT_THROW(read(whole.substr(0, length)), Error) << length;
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
      try {
        const auto checkpoint = read(changed);
        for (const auto& [key, each] : checkpoint.tensors.tensors()) each.to(at::kDouble).sum();
      } catch (const Error&) {}
    }
  }
}

TEST(LegacyTorch, is_known_by_its_first_bytes) {
  EXPECT_TRUE(is_legacy_torch(kMagic));
  for (const std::string& other : {""s, "PK\3\4"s, kMagic.substr(2), kMagic.substr(0, 14), "\x80\x02}."s,
                                   "\x80"s + std::string(20, 'x') + kMagic.substr(2)})
    EXPECT_FALSE(is_legacy_torch(other)) << other;
}

}  // namespace
}  // namespace rushes::tensor
