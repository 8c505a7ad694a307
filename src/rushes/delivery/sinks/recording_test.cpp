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
  EXPECT_EQ(recording.read(0, 3), a);
  EXPECT_EQ(recording.read(3, 2), b);
  EXPECT_THROW(recording.read(3, 3), Error);
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
  EXPECT_EQ(Recording(path_ / file_name(1), 4).read(1, 3), (media::Bytes{'1', '2', '3'}));
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

TEST_F(RecordingTest, refuses_a_directory_that_is_none) {
  std::ofstream(path_ / "file") << "x";
  EXPECT_THROW(prepare_directory(path_ / "file"), Error);
  EXPECT_THROW(prepare_directory(path_ / "file" / "below"), Error);
  prepare_directory(path_ / "new" / "deep");
  EXPECT_TRUE(fs::is_directory(path_ / "new" / "deep"));
}

}  // namespace
}  // namespace rushes::delivery
