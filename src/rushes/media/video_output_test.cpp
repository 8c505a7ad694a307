#include "rushes/media/video_output.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/media/image.h"
#include "rushes/media/recorded_file.h"
#include "rushes/media/test_video.h"

namespace rushes::media {
namespace {

struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("rushes_output_" + std::to_string(getpid()));
  Folder() { std::filesystem::create_directory(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string operator/(const char* name) const { return (path / name).string(); }
};

Bytes block(int64_t first, int64_t count) {
  Bytes rgb;
  for (int64_t i = 0; i < count; ++i) {
    const Bytes frame = test_frame(64, 48, first + i);
    rgb.insert(rgb.end(), frame.begin(), frame.end());
  }
  return rgb;
}

TEST(VideoOutput, an_mp4_plays_after_every_block_before_it_is_finished) {
  const Folder folder;
  const auto output = open_video_output({.target = folder / "out.mp4", .width = 64, .height = 48});
  for (int64_t blocks = 1; blocks <= 3; ++blocks) {
    EXPECT_EQ(output->write(block(5 * (blocks - 1), 5).data(), 5), Reader::present);
    EXPECT_EQ(decode_video(folder / "out.mp4").size(), static_cast<std::size_t>(5 * blocks));
  }
  output->finish();
  EXPECT_EQ(decode_video(folder / "out.mp4").size(), 15u);
  EXPECT_TRUE(read_recorded_file(folder / "out.mp4").index) << "a plain one in the end";
}

TEST(VideoOutput, an_mp4_without_frames_or_into_a_pipe_stays_as_it_is) {
  const Folder folder;
  open_video_output({.target = folder / "empty.mp4", .width = 64, .height = 48})->finish();
  EXPECT_FALSE(read_recorded_file(folder / "empty.mp4").index);
  const std::string pipe = folder / "pipe.mp4";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  const auto output = open_video_output({.target = pipe, .width = 64, .height = 48});
  EXPECT_EQ(output->write(block(0, 5).data(), 5), Reader::present);
  output->finish();
  EXPECT_TRUE(std::filesystem::is_fifo(pipe));
  ::close(reader);
}

TEST(VideoOutput, pictures_are_numbered_and_hold_the_frames) {
  const Folder folder;
  for (const std::string& target : {folder / "f_%03d.png", folder / "new_directory"}) {
    const auto output =
        open_video_output({.target = target, .container = VideoContainer::png, .width = 64, .height = 48});
    EXPECT_EQ(output->write(block(0, 2).data(), 2), Reader::present);
    EXPECT_EQ(output->write(block(2, 1).data(), 1), Reader::present);
  }
  for (const std::string& name : {folder / "f_002.png", folder / "new_directory/frame_00002.png"}) {
    const Image image = read_image(name);
    EXPECT_TRUE(std::equal(image.rgb.get(), image.rgb.get() + 64 * 48 * 3, test_frame(64, 48, 2).begin()));
  }
}

TEST(VideoOutput, raw_frames_are_the_bytes_themselves) {
  const Folder folder;
  const auto output =
      open_video_output({.target = folder / "out.rgb", .container = VideoContainer::rgb24, .width = 64, .height = 48});
  EXPECT_EQ(output->write(block(0, 2).data(), 2), Reader::present);
  EXPECT_EQ(std::filesystem::file_size(folder / "out.rgb"), 2u * 64 * 48 * 3);
}

TEST(VideoOutput, a_reader_that_leaves_a_pipe_is_no_error) {
  const Folder folder;
  ASSERT_EQ(std::signal(SIGPIPE, SIG_IGN) == SIG_ERR, false);
  const std::string pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  const auto output = open_video_output({.target = pipe, .container = VideoContainer::y4m, .width = 64, .height = 48});
  EXPECT_EQ(output->write(block(0, 1).data(), 1), Reader::present);
  ::close(reader);
  EXPECT_EQ(output->write(block(1, 1).data(), 1), Reader::gone);
}

TEST(VideoOutput, a_full_disk_is_told_apart) {
  // /dev/full answers every write with "no space left on device".
  const auto output =
      open_video_output({.target = "/dev/full", .container = VideoContainer::rgb24, .width = 64, .height = 48});
  try {
    (void)output->write(block(0, 1).data(), 1);
    ADD_FAILURE() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
    EXPECT_THAT(error.what(), testing::HasSubstr("/dev/full"));
  }
}

TEST(VideoOutput, targets_that_cannot_be_written_are_refused_by_name) {
  for (const auto container : {VideoContainer::mp4, VideoContainer::y4m, VideoContainer::rgb24, VideoContainer::png})
    for (const std::string target : {"/proc/rushes/out.png", "/nonexistent/folder/out_%d.png"}) {
      try {
        open_video_output({.target = target, .container = container, .width = 64, .height = 48});
        ADD_FAILURE() << "accepted " << target;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
        EXPECT_THAT(error.what(),
                    testing::HasSubstr(container == VideoContainer::png && target[1] == 'p' ? "number field"
                                                                                            : target.substr(0, 6)));
      }
    }
}

TEST(VideoOutput, the_container_follows_the_name_or_the_wish) {
  EXPECT_EQ(choose_container("a/b.mp4", "auto"), VideoContainer::mp4);
  EXPECT_EQ(choose_container("-", "auto"), VideoContainer::y4m);
  EXPECT_EQ(choose_container("rtmp://host/app/stream", "auto"), VideoContainer::rtmp);
  EXPECT_EQ(choose_container("-", "mp4"), VideoContainer::mp4);
  EXPECT_EQ(choose_container("x_%d.png", "auto"), VideoContainer::png);
  EXPECT_EQ(choose_container("x", "rgb24"), VideoContainer::rgb24);
  for (const auto& [target, format] : {std::pair{"x", "auto"}, {"x.avi", "auto"}, {"x.mp4", "avi"}, {"", "auto"}})
    EXPECT_THROW(choose_container(target, format), Error) << target << " " << format;
}

TEST(VideoOutput, picture_names_take_exactly_one_number) {
  EXPECT_EQ(numbered("a_%05d.png", 42), "a_00042.png");
  EXPECT_EQ(numbered("%d.png", 7), "7.png");
  for (const char* bad : {"a.png", "%s.png", "%d%d.png", "%5d.png", "%n%d.png", "%0999d.png", "%", "%05"})
    EXPECT_THROW(numbered(bad, 1), Error) << bad;
}

}  // namespace
}  // namespace rushes::media
