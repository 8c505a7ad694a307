#include "rushes/tensor/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/dtype.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

using ::testing::HasSubstr;

TEST(Safetensors, what_is_written_is_read_back_in_every_dtype) {
  std::map<std::string, at::Tensor> tensors;
  for (const auto dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort,
                           at::kChar, at::kByte, at::kBool})
    tensors[c10::toString(dtype)] = at::arange(5).to(dtype);
  tensors["matrix"] = at::randn({3, 4}).t();  // not contiguous
  tensors["empty"] = at::empty({0, 3});
  tensors["scalar"] = at::ones({});
  const ScratchFolder scratch;
  const auto file = scratch.path / "model.safetensors";
  save_safetensors(file, tensors, {{"made by", "a test"}});
  const auto contents = read_safetensors(FileBytes::map(file));
  EXPECT_EQ(contents.metadata.at("made by"), "a test");
  ASSERT_EQ(contents.tensors.tensors().size(), tensors.size());
  for (const auto& [key, tensor] : tensors) {
    const at::Tensor& read = contents.tensors.at(key);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << key;
    EXPECT_TRUE(read.equal(tensor)) << key;
  }
}

TEST(Safetensors, a_failed_write_leaves_neither_file_nor_temporary) {
  const ScratchFolder scratch;
  const auto file = scratch.path / "no_such_folder" / "model.safetensors";
  EXPECT_THROW(save_safetensors(file, {{"a", at::ones({2})}}), Error);
  EXPECT_FALSE(std::filesystem::exists(file.string() + ".part"));
}

TEST(Safetensors, unaligned_data_is_copied) {
  const auto file = FileBytes::copy_of(
      forge::safetensors_bytes(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8), "odd");
  const auto contents = read_safetensors(file);
  EXPECT_TRUE(contents.tensors.at("a").equal(at::zeros({2})));
}

struct Damaged {
  const char* name;
  std::string header;
  uint64_t data_bytes;
  ErrorCode code;
  const char* words;
};

TEST(Safetensors, damaged_and_lying_headers_are_refused_with_the_reason) {
  const auto corrupt = ErrorCode::corrupt_data;
  const std::string good = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const Damaged cases[] = {
      {"cut short", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 7, corrupt, "cut off"},
      {"no JSON", R"({"a":)", 0, corrupt, "not valid JSON at byte"},
      {"a list", "[1]", 0, corrupt, "not a JSON object"},
      {"entry is a number", R"({"a":3})", 0, corrupt, "has a number under 'a'"},
      {"entry is a list", R"({"a":[]})", 0, corrupt, "has a list under 'a'"},
      {"empty entry", R"({"a":{}})", 0, corrupt, "needs dtype, shape and two data_offsets"},
      {"one offset", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8, corrupt, "needs dtype"},
      {"three offsets", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", 8, corrupt, "needs dtype"},
      {"negative extent", R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, corrupt,
       "a negative number"},
      {"fraction", R"({"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}})", 8, corrupt, "a fraction"},
      {"backward offsets", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, corrupt, "are outside"},
      {"shape lies", R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, corrupt,
       "need 12 bytes, but data_offsets give 8"},
      {"product overflows", R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}})", 0,
       corrupt, "impossibly large"},
      {"zero hides an overflow", R"({"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       corrupt, "impossibly large"},
      {"many axes", R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1,
       corrupt, "more than 16"},
      {"overlap", "{" + good + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12, corrupt, "overlaps"},
      {"same bytes twice", "{" + good + R"(,"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, corrupt,
       "overlaps"},
      {"hole", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", 12, corrupt, "4 unused bytes are before"},
      {"tail", "{" + good + "}", 9, corrupt, "1 unused bytes follow"},
      {"same tensor twice", "{" + good + "," + good + "}", 8, corrupt, "tensor 'a' twice"},
      {"same field twice", R"({"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,8]}})", 8, corrupt,
       "'dtype' twice"},
      {"unknown field", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8, corrupt,
       "unknown field 'x'"},
      {"metadata is no text", R"({"__metadata__":{"a":{}}})", 0, corrupt, "has an object"},
      {"unknown dtype past the end", R"({"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,9]}})", 8, corrupt,
       "are outside"},
      {"escape codes in a name", "{\"\\u001b[2J\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
       corrupt, "\\x1b[2J"},
      {"deep nesting", std::string(1'000'000, '['), 0, corrupt, "not a JSON object"},
      {"deep nesting inside", R"({"a":{"shape":)" + std::string(1'000'000, '['), 0, corrupt, "has a list under 'a'"},
  };
  for (const Damaged& damaged : cases) {
    SCOPED_TRACE(damaged.name);
    try {
      read_safetensors(
          FileBytes::copy_of(forge::safetensors_bytes(damaged.header, damaged.data_bytes), "model.safetensors"));
      ADD_FAILURE() << "was read";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), damaged.code) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(damaged.words));
      EXPECT_THAT(error.what(), HasSubstr("model.safetensors"));
    }
  }
}

TEST(Safetensors, dtypes_that_nothing_computes_with_are_there_for_those_who_do_not_need_them) {
  const std::pair<const char*, at::ScalarType> rows[] = {
      {R"({"a":{"dtype":"U16","shape":[4],"data_offsets":[0,8]}})", at::kUInt16},
      {R"({"a":{"dtype":"U32","shape":[2],"data_offsets":[0,8]}})", at::kUInt32},
      {R"({"a":{"dtype":"U64","shape":[1],"data_offsets":[0,8]}})", at::kUInt64},
      {R"({"a":{"dtype":"F8_E8M0","shape":[8],"data_offsets":[0,8]}})", at::kFloat8_e8m0fnu},
      {R"({"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}})", at::kComplexFloat},
      {R"({"a":{"dtype":"F4","shape":[4,4],"data_offsets":[0,8]}})", kUnknownDtype},
      {R"({"a":{"dtype":"F6_E2M3","shape":[],"data_offsets":[0,8]}})", kUnknownDtype}};
  for (const auto& [header, dtype] : rows) {
    SCOPED_TRACE(header);
    const at::Tensor tensor =
        read_safetensors(FileBytes::copy_of(forge::safetensors_bytes(header, 8), "x")).tensors.at("a");
    EXPECT_EQ(tensor.scalar_type(), dtype);
    EXPECT_EQ(tensor.nbytes(), 8u);
  }
}

TEST(Safetensors, a_header_longer_than_the_file_is_refused) {
  for (const uint64_t length : {uint64_t{9}, uint64_t{100'000'001}, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    std::string bytes(16, ' ');
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_THROW(read_safetensors(FileBytes::copy_of(bytes, "x")), Error) << length;
  }
  EXPECT_THROW(read_safetensors(FileBytes::copy_of("1234567", "x")), Error);
}

}  // namespace
}  // namespace rushes::tensor
