#include "rushes/delivery/sinks/recording.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"

namespace rushes::delivery {
namespace {
namespace fs = std::filesystem;

class Directory : public testing::Test {
 protected:
  const ScratchFolder scratch_;
  const fs::path& path_ = scratch_.path;
};
using RecordingTest = Directory;

std::string file_name(int number) { return fmt::format("{:032x}.mp4", number); }

TEST_F(RecordingTest, gives_back_what_was_appended) {
  Recording recording(path_ / file_name(1));
  const media::Bytes a{1, 2, 3}, b{4, 5};
  recording.append(a);
  recording.append(b);
  const auto read = [&](int64_t offset, std::size_t size) {
    media::Bytes bytes(size);
    return recording.content().file->read(offset, bytes) ? bytes : media::Bytes();
  };
  EXPECT_EQ(read(0, 3), a);
  EXPECT_EQ(read(3, 2), b);
  EXPECT_EQ(read(3, 3), media::Bytes());
  EXPECT_EQ(fs::file_size(recording.path()), 5u);
  EXPECT_EQ(fs::status(recording.path()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(RecordingTest, never_overwrites_a_file) {
  std::ofstream(path_ / file_name(1)) << "mine";
  EXPECT_THROW(Recording(path_ / file_name(1)), Error);
  EXPECT_EQ(fs::file_size(path_ / file_name(1)), 4u);
}

TEST_F(RecordingTest, of_an_earlier_process_is_read_and_left_as_it_is) {
  std::ofstream(path_ / file_name(1)) << "0123456789";
  fs::permissions(path_ / file_name(1), fs::perms::owner_read);
  const Recording recording(path_ / file_name(1), std::nullopt);
  media::Bytes bytes(3);
  EXPECT_TRUE(recording.content().file->read(1, bytes));
  EXPECT_EQ(bytes, (media::Bytes{'1', '2', '3'}));
  EXPECT_EQ(fs::file_size(path_ / file_name(1)), 10u);
}

TEST_F(RecordingTest, takes_back_a_fragment_that_did_not_fit) {
  Recording recording(path_ / file_name(1));
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 1000;
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  recording.append(media::Bytes(800));
  try {
    recording.append(media::Bytes(800));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::exhausted);
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(fs::file_size(recording.path()), 800u);
}

TEST_F(RecordingTest, that_is_removed_stays_with_who_reads_it_and_comes_back_by_no_way) {
  Recording recording(path_ / file_name(1));
  recording.append(media::Bytes{1, 2, 3});
  const auto reading = recording.content();
  recording.remove();
  EXPECT_FALSE(fs::exists(path_ / file_name(1)));
  media::Bytes bytes(3);
  EXPECT_TRUE(reading.file->read(0, bytes));
  std::ofstream(path_ / (file_name(1) + ".finished")) << "made meanwhile";
  EXPECT_FALSE(recording.take_finished({}));
  EXPECT_TRUE(fs::is_empty(path_));
}

TEST_F(RecordingTest, refuses_a_directory_that_is_none_and_says_why) {
  std::ofstream(path_ / "file") << "x";
  EXPECT_THROW(prepare_directory(path_ / "file"), Error);
  EXPECT_THROW(prepare_directory(path_ / "file" / "below"), Error);
  if (::geteuid() != 0) {
    fs::create_directory(path_ / "locked");
    fs::permissions(path_ / "locked", fs::perms::owner_read | fs::perms::owner_exec);
    try {
      prepare_directory(path_ / "locked");
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("Permission denied"), std::string::npos) << error.what();
    }
  }
  prepare_directory(path_ / "new" / "deep");
  EXPECT_TRUE(fs::is_directory(path_ / "new" / "deep"));
}

}  // namespace
}  // namespace rushes::delivery
