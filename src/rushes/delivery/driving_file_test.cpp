#include "rushes/delivery/driving_file.h"

#include <gtest/gtest.h>

#include "rushes/media/test_audio.h"
#include "rushes/media/test_video.h"
#include "rushes/media/video_output.h"

namespace rushes::delivery {
namespace {

std::shared_ptr<const media::Bytes> video(int64_t frames, int64_t sound_hz) {
  const auto path = std::filesystem::temp_directory_path() / ("rushes_driving_" + std::to_string(getpid()) + ".mp4");
  const auto output =
      media::open_video_output({.target = path.string(), .width = 64, .height = 48, .sound_hz = sound_hz});
  const std::vector<float> sound = media::test_sound(static_cast<std::size_t>(frames * sound_hz / 16),
                                                     static_cast<double>(std::max<int64_t>(sound_hz, 1)));
  for (int64_t i = 0; i < frames; ++i)
    output->write(
        media::test_frame(64, 48, i).data(), 1,
        std::span(sound).subspan(static_cast<std::size_t>(i * sound_hz / 16), static_cast<std::size_t>(sound_hz / 16)));
  output->finish();
  auto bytes = media::read_video_file(path);
  std::filesystem::remove(path);
  return bytes;
}

int red(const std::optional<Picture>& picture) { return picture ? picture->rgb.get()[0] : -1; }

TEST(DrivingFile, gives_the_frame_that_is_asked_for_in_any_order) {
  const DrivingFile file(video(24, 0));
  EXPECT_EQ(file.fps(), 16);
  for (const int64_t index : {0, 1, 1, 7, 2, 23, 0})
    EXPECT_NEAR(red(file.frame(index)), media::test_frame(1, 1, index)[0], 6) << index;
  EXPECT_FALSE(file.frame(24));
  EXPECT_FALSE(file.frame(24));
  EXPECT_FALSE(file.frame(100));
  EXPECT_TRUE(file.frame(23));
}

TEST(DrivingFile, has_the_sound_of_the_file_as_long_as_its_pictures) {
  const DrivingFile silent(video(16, 0)), spoken(video(32, 16'000));
  EXPECT_EQ(silent.sound_hz(), 0);
  EXPECT_TRUE(silent.sound().empty());
  ASSERT_GT(spoken.sound_hz(), 0);
  EXPECT_NEAR(static_cast<double>(spoken.sound().size()) / static_cast<double>(spoken.sound_hz()), 2.0, 0.07);
}

TEST(DrivingFile, refuses_what_is_no_video) {
  const std::string wav = media::wav_file(media::test_sound(16'000), 16'000);
  EXPECT_THROW(DrivingFile(std::make_shared<const media::Bytes>(wav.begin(), wav.end())), Error);
}

}  // namespace
}  // namespace rushes::delivery
