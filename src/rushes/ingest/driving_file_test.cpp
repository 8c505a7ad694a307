#include "rushes/ingest/driving_file.h"

#include <gtest/gtest.h>

#include "rushes/media/test_audio.h"
#include "rushes/media/test_video.h"
#include "rushes/media/video_output.h"

namespace rushes::ingest {
namespace {

std::shared_ptr<const media::Bytes> video(int64_t frames, int64_t audio_hz) {
  const auto path = std::filesystem::temp_directory_path() / ("rushes_driving_" + std::to_string(getpid()) + ".mp4");
  const auto output =
      media::open_video_output({.target = path.string(), .width = 64, .height = 48, .audio_hz = audio_hz});
  const std::vector<float> audio = media::test_audio(static_cast<std::size_t>(frames * audio_hz / 16),
                                                     static_cast<double>(std::max<int64_t>(audio_hz, 1)));
  for (int64_t i = 0; i < frames; ++i)
    output->write(
        media::test_frame(64, 48, i).data(), 1,
        std::span(audio).subspan(static_cast<std::size_t>(i * audio_hz / 16), static_cast<std::size_t>(audio_hz / 16)));
  output->finish();
  auto bytes = media::read_video_file(path);
  std::filesystem::remove(path);
  return bytes;
}

int red(const std::optional<Image>& picture) { return picture ? picture->rgb.get()[0] : -1; }

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
  EXPECT_EQ(silent.audio_hz(), 0);
  EXPECT_TRUE(silent.audio().empty());
  ASSERT_GT(spoken.audio_hz(), 0);
  EXPECT_NEAR(static_cast<double>(spoken.audio().size()) / static_cast<double>(spoken.audio_hz()), 2.0, 0.07);
}

TEST(DrivingFile, refuses_what_is_no_video) {
  const std::string wav = media::wav_file(media::test_audio(16'000), 16'000);
  EXPECT_THROW(DrivingFile(std::make_shared<const media::Bytes>(wav.begin(), wav.end())), Error);
}

}  // namespace
}  // namespace rushes::ingest
