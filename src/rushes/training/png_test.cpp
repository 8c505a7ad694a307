#include "rushes/training/png.h"

#include <gtest/gtest.h>
#include <png.h>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::training {
namespace {

TEST(Png, a_picture_that_was_written_is_read_back_byte_by_byte) {
  const auto file = std::filesystem::path(::testing::TempDir()) / "rushes_png_test.png";
  const at::Tensor bytes = (at::arange(3 * 5 * 7, at::kLong) * 37 % 256).reshape({3, 5, 7}).to(at::kByte);
  write_png(file, bytes.to(at::kFloat) / 255);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_NE(png_image_begin_read_from_file(&image, file.c_str()), 0) << image.message;
  EXPECT_EQ(image.width, 7U);
  EXPECT_EQ(image.height, 5U);
  EXPECT_EQ(image.format, static_cast<png_uint_32>(PNG_FORMAT_RGB));
  const at::Tensor read = at::zeros({5, 7, 3}, at::kByte);
  ASSERT_NE(png_image_finish_read(&image, nullptr, read.data_ptr<uint8_t>(), 0, nullptr), 0) << image.message;
  EXPECT_TRUE(read.permute({2, 0, 1}).equal(bytes));
  std::filesystem::remove(file);
}

TEST(Png, a_file_that_cannot_be_made_is_refused_with_its_name_and_the_reason) {
  const auto file = std::filesystem::path(::testing::TempDir()) / "rushes_png_no_such_folder" / "picture.png";
  try {
    write_png(file, at::zeros({3, 2, 2}));
    FAIL() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(std::string(error.what()).find(file.string() + ": No such file or directory"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace rushes::training
