// Files for decoders: all bytes or none, and what messages call them.
#include "rushes/media/read_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "rushes/base/scratch_folder.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/image.h"
#include "rushes/media/video_reader.h"

namespace rushes::media {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(ReadFile, gives_all_bytes_up_to_the_limit) {
  const ScratchFolder folder;
  const auto path = folder.path / "bytes";
  for (const std::size_t size : {0, 1, 70'000}) {
    Bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i * 7);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(size));
    EXPECT_EQ(read_file(path, static_cast<int64_t>(size)), bytes);
  }
  EXPECT_THROW(read_file(path, 69'999), Error);
}

TEST(ReadFile, messages_of_all_readers_have_the_name_that_was_given_and_no_path) {
  const ScratchFolder folder;
  const auto text = folder.path / "text", none = folder.path / "none";
  std::ofstream(text) << "neither sound nor picture, and longer than any header of a file of either kind";
  const struct {
    const char* what;
    std::function<void(const NamedFile&)> read;
    bool decodes;
  } readers[] = {{"image", [](const NamedFile& file) { read_image(file, {.max_bytes = 100}); }, true},
                 {"audio", [](const NamedFile& file) { read_audio(file, {.max_bytes = 100}); }, true},
                 {"video", [](const NamedFile& file) { read_video_file(file, {.max_bytes = 100}); }, false}};
  for (const auto& reader : readers) {
    SCOPED_TRACE(reader.what);
    const auto expect = [&](const std::filesystem::path& path, ErrorCode code, const char* words) {
      try {
        reader.read({path, "source_path"});
        ADD_FAILURE() << "no error";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), code);
        EXPECT_THAT(error.what(), AllOf(HasSubstr("source_path: "), HasSubstr(words), Not(HasSubstr(path.string()))));
      }
      try {
        reader.read(path);
        ADD_FAILURE() << "no error";
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(path.string() + ": "));
      }
    };
    std::ofstream(folder.path / "large") << std::string(101, 'x');
    expect(none, ErrorCode::not_found, "no such file");
    expect(folder.path, ErrorCode::not_found, "is not a file");
    expect(folder.path / "large", ErrorCode::too_large, "101 bytes; at most 100");
    if (reader.decodes) expect(text, ErrorCode::unsupported, "");
  }
}

}  // namespace
}  // namespace rushes::media
