#include "rushes/media/recorded_file.h"

#include <gtest/gtest.h>

#include "rushes/base/error.h"
#include "rushes/media/audio_encoder.h"
#include "rushes/media/fragmented_mp4.h"
#include "rushes/media/test_video.h"
#include "rushes/media/video_encoder.h"

namespace rushes::media {
namespace {
namespace fs = std::filesystem;

/// A recording of several fragments in a file, with where each ends.
class RecordedFileTest : public testing::Test {
 protected:
  static constexpr int64_t kFrames[] = {9, 12, 12, 1, 12};

  RecordedFileTest() : path_(fs::temp_directory_path() / fmt::format("rushes_recorded_{}.mp4", ::getpid())) {
    VideoEncoder encoder({.width = 64, .height = 48, .fps = 15});
    FragmentWriter writer(encoder.track());
    track_ = encoder.track();
    init_ = bytes_ = writer.init_segment();
    int64_t index = 0;
    for (const int64_t frames : kFrames) {
      std::vector<AccessUnit> units;
      for (int64_t t = 0; t < frames; ++t, ++index)
        for (AccessUnit& unit : encoder.encode(test_frame(64, 48, index).data(), frame_time(index, 15),
                                               t == 0 ? Key::forced : Key::automatic))
          units.push_back(std::move(unit));
      starts_.push_back(units.front().pts);
      const Bytes fragment = writer.fragment(units);
      bytes_.insert(bytes_.end(), fragment.begin(), fragment.end());
      ends_.push_back(static_cast<int64_t>(bytes_.size()));
    }
  }
  ~RecordedFileTest() override { fs::remove(path_); }

  RecordedFile read_first(int64_t bytes) {
    std::ofstream(path_, std::ios::binary).write(reinterpret_cast<const char*>(bytes_.data()), bytes);
    return read_recorded_file(path_);
  }

  fs::path path_;
  VideoTrack track_;
  Bytes init_, bytes_;
  std::vector<int64_t> ends_;
  std::vector<Pts> starts_;
};

TEST_F(RecordedFileTest, tells_the_fragments_with_their_times_and_the_track) {
  const RecordedFile file = read_first(ends_.back());
  EXPECT_EQ(file.init_segment, init_);
  EXPECT_EQ(file.track.parameter_sets, track_.parameter_sets);
  EXPECT_EQ(file.track.codec_string(), track_.codec_string());
  EXPECT_EQ(file.track.width, 64);
  EXPECT_EQ(file.track.height, 48);
  ASSERT_EQ(file.fragments.size(), std::size(kFrames));
  for (std::size_t i = 0; i < std::size(kFrames); ++i) {
    EXPECT_EQ(file.fragments[i].place.head + file.fragments[i].size(), ends_[i]);
    EXPECT_EQ(file.fragments[i].pts, starts_[i]);
    EXPECT_EQ(file.fragments[i].video_frames, kFrames[i]);
    EXPECT_NEAR(static_cast<double>(file.fragments[i].duration.count()), static_cast<double>(kFrames[i]) * 6000, 2);
  }
  EXPECT_EQ(file.video_frames(), 46);
}

TEST_F(RecordedFileTest, that_is_cut_off_anywhere_has_its_complete_fragments) {
  for (int64_t size = static_cast<int64_t>(init_.size()); size <= ends_.back(); size += 37) {
    SCOPED_TRACE(size);
    const RecordedFile file = read_first(size);
    const auto complete = std::count_if(ends_.begin(), ends_.end(), [&](int64_t end) { return end <= size; });
    ASSERT_EQ(static_cast<int64_t>(file.fragments.size()), complete);
    EXPECT_EQ(file.complete_bytes(),
              complete ? ends_[static_cast<std::size_t>(complete - 1)] : static_cast<int64_t>(init_.size()));
    EXPECT_EQ(file.file_bytes, size);
    EXPECT_EQ(file.cut_off, file.complete_bytes() < size);
  }
}

TEST_F(RecordedFileTest, that_is_damaged_is_not_taken_for_one_that_is_cut_off) {
  const auto begin = ends_[2], end = ends_[3];  // of a fragment with more behind it
  const auto mdat = std::search(bytes_.begin() + begin, bytes_.end(), "mdat", "mdat" + 4) - bytes_.begin();
  const struct {
    const char* name;
    int64_t at;
  } cases[] = {{"size of moof, larger", begin + 2},  {"size of moof, enormous", begin},
               {"size of moof", begin + 3},          {"type of moof", begin + 4},
               {"size of mdat, larger", mdat - 2},   {"size of mdat", mdat - 1},
               {"size of mdat, enormous", mdat - 4}, {"type of mdat", mdat}};
  const Bytes whole = bytes_;
  for (const bool last : {false, true})  // the same damage at the file's end looks most like a cut
    for (const auto& each : cases) {
      SCOPED_TRACE(fmt::format("{}, {}", each.name, last));
      bytes_ = whole;
      bytes_[static_cast<std::size_t>(each.at)] ^= 0x15;
      const RecordedFile file = read_first(last ? end : ends_.back());
      EXPECT_EQ(file.complete_bytes(), begin);
      EXPECT_FALSE(file.cut_off);
    }
}

TEST_F(RecordedFileTest, with_sound_tells_its_track_and_keeps_its_end) {
  VideoEncoder pictures({.width = 64, .height = 48, .fps = 25});
  AudioEncoder speech(16000);
  FragmentWriter writer(pictures.track(), speech.track());
  bytes_ = writer.init_segment();
  std::vector<AccessUnit> units;
  for (int64_t t = 0; t < 5; ++t)
    for (AccessUnit& unit : pictures.encode(test_frame(64, 48, t).data(), frame_time(t, 25), Key::automatic))
      units.push_back(std::move(unit));
  const auto append = [&](const Bytes& fragment) { bytes_.insert(bytes_.end(), fragment.begin(), fragment.end()); };
  append(writer.fragment(units, speech.encode(std::vector<float>(3200, 0.1f), 0)));
  append(writer.fragment({}, speech.flush()));
  const RecordedFile file = read_first(static_cast<int64_t>(bytes_.size()));
  ASSERT_TRUE(file.audio);
  EXPECT_EQ(file.audio->hz, 16000);
  EXPECT_EQ(file.audio->config, speech.track().config);
  EXPECT_EQ(mp4_mime_type(file.track, true), writer.mime_type());
  ASSERT_EQ(file.fragments.size(), 2u);
  EXPECT_EQ(file.video_frames(), 5);
  EXPECT_EQ(file.blocks(), 1);
  EXPECT_EQ(file.complete_bytes(), static_cast<int64_t>(bytes_.size()));
  EXPECT_EQ(file.fragments[1].pts, file.fragments[0].pts + file.fragments[0].duration);
}

TEST_F(RecordedFileTest, without_its_beginning_is_refused) {
  for (int64_t size = 0; size < static_cast<int64_t>(init_.size()); size += 13)
    EXPECT_THROW(read_first(size), Error) << size;
  EXPECT_THROW(read_recorded_file("/nowhere.mp4"), Error);
}

TEST_F(RecordedFileTest, that_is_damaged_never_does_harm) {
  const Bytes whole = bytes_;
  for (std::size_t i = 0; i < whole.size(); i += i < 2 * init_.size() ? 1 : 101) {
    bytes_ = whole;
    bytes_[i] ^= 0xff;
    try {
      EXPECT_LE(read_first(ends_.back()).complete_bytes(), ends_.back());
    } catch (const Error&) {}
  }
}

}  // namespace
}  // namespace rushes::media
