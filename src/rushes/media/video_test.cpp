#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rushes/media/annex_b.h"
#include "rushes/media/fragment_parser.h"
#include "rushes/media/fragmented_mp4.h"
#include "rushes/media/mpeg_ts.h"
#include "rushes/media/raw_video.h"
#include "rushes/media/test_video.h"
#include "rushes/media/video_encoder.h"

namespace rushes::media {
namespace {

constexpr int64_t kWidth = 96, kHeight = 64;
constexpr double kFps = 16;

/// Blocks of pictures as a generator gives them: 9, then 12 each; every block starts with a forced key frame.
struct Encoded {
  VideoTrack track;
  std::vector<std::vector<AccessUnit>> blocks;
  int64_t frames = 0;
};

Encoded encode_blocks(int64_t blocks, const std::string& encoder_name = "", double fps = kFps) {
  VideoEncoder encoder({.width = kWidth, .height = kHeight, .fps = fps, .encoder = encoder_name});
  Encoded encoded{.track = encoder.track(), .blocks = {}, .frames = 0};
  for (int64_t block = 0; block < blocks; ++block) {
    auto& units = encoded.blocks.emplace_back();
    const int64_t count = block == 0 ? 9 : 12;
    for (int64_t i = 0; i < count; ++i, ++encoded.frames)
      for (auto& unit : encoder.encode(test_frame(kWidth, kHeight, encoded.frames).data(),
                                       frame_time(encoded.frames, fps), i == 0 ? Key::forced : Key::automatic))
        units.push_back(std::move(unit));
  }
  EXPECT_TRUE(encoder.flush().empty());
  return encoded;
}

void expect_frames(const std::vector<DecodedFrame>& decoded, int64_t first, int64_t last) {
  ASSERT_EQ(static_cast<int64_t>(decoded.size()), last - first);
  for (int64_t i = first; i < last; ++i) {
    const DecodedFrame& frame = decoded[i - first];
    const Bytes wanted = test_frame(kWidth, kHeight, i);
    ASSERT_EQ(frame.rgb.size(), wanted.size());
    EXPECT_NEAR(frame.seconds, i / kFps, 1e-4) << "frame " << i;
    const std::size_t middle = (kHeight / 2 * kWidth + kWidth / 2) * 3;
    for (int c = 0; c < 3; ++c)
      EXPECT_NEAR(frame.rgb[middle + c], wanted[middle + c], 6) << "frame " << i << " channel " << c;
  }
}

TEST(VideoEncoder, every_frame_comes_out_of_the_call_that_took_it_in_and_blocks_start_with_key_frames) {
  const Encoded encoded = encode_blocks(3);
  int64_t index = 0;
  for (const auto& block : encoded.blocks)
    for (std::size_t i = 0; i < block.size(); ++i, ++index) {
      EXPECT_EQ(block[i].is_key, i == 0) << "frame " << index;
      EXPECT_EQ(block[i].pts, frame_time(index, kFps));
      EXPECT_EQ(block[i].dts, block[i].pts);
    }
  EXPECT_EQ(index, encoded.frames);
}

/// A picture whose last byte is the last of its page; whoever reads on dies.
class GuardedImage {
 public:
  explicit GuardedImage(const Bytes& picture) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t usable = (picture.size() + page - 1) / page * page;
    size_ = usable + page;
    pages_ = static_cast<uint8_t*>(::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ::mprotect(pages_ + usable, page, PROT_NONE);
    data_ = pages_ + usable - picture.size();
    std::copy(picture.begin(), picture.end(), data_);
  }
  ~GuardedImage() { ::munmap(pages_, size_); }
  GuardedImage(const GuardedImage&) = delete;
  GuardedImage& operator=(const GuardedImage&) = delete;
  const uint8_t* data() const { return data_; }

 private:
  std::size_t size_ = 0;
  uint8_t* pages_ = nullptr;
  uint8_t* data_ = nullptr;
};

TEST(VideoEncoder, reads_nothing_past_the_end_of_a_picture) {
  for (const int64_t width : {64, 96, 128, 512}) {
    SCOPED_TRACE(width);
    const GuardedImage picture(test_frame(width, 64, 0));
    VideoEncoder encoder({.width = width, .height = 64});
    EXPECT_EQ(encoder.encode(picture.data(), Pts{0}, Key::forced).size(), 1u);
  }
}

TEST(Y4mWriter, reads_nothing_past_the_end_of_a_picture) {
  for (const int64_t width : {64, 96, 128, 512}) {
    const GuardedImage picture(test_frame(width, 64, 0));
    EXPECT_GT(Y4mWriter(width, 64, 16).frame(picture.data()).size(), 0u);
  }
}

TEST(VideoEncoder, parameter_sets_stand_before_every_key_frame_and_only_there) {
  const Encoded encoded = encode_blocks(2);
  for (const auto& block : encoded.blocks)
    for (const AccessUnit& unit : block) {
      const auto nals = annex_b::units(*unit.bytes);
      ASSERT_FALSE(nals.empty());
      EXPECT_EQ(annex_b::type(nals[0]) == annex_b::Type::sps, unit.is_key);
    }
}

TEST(VideoEncoder, names_its_codec_for_media_source) {
  EXPECT_THAT(VideoEncoder({.width = 128, .height = 128}).track().codec_string(),
              testing::MatchesRegex("avc1\\.42C0[0-9A-F]{2}"));
}

TEST(VideoEncoder, refuses_options_out_of_range_by_name) {
  struct Case {
    const char* words;
    VideoEncoder::Options options;
    ErrorCode code;
  };
  const Case cases[] = {
      {"width must be even", {.width = 97, .height = 64}, ErrorCode::invalid_argument},
      {"height must be even", {.width = 96, .height = 0}, ErrorCode::invalid_argument},
      {"width must be", {.width = 1 << 20, .height = 64}, ErrorCode::invalid_argument},
      {"fps", {.width = 96, .height = 64, .fps = 0}, ErrorCode::invalid_argument},
      {"quality", {.width = 96, .height = 64, .quality = 99}, ErrorCode::invalid_argument},
      {"threads", {.width = 96, .height = 64, .threads = 0}, ErrorCode::invalid_argument},
      {"'mpeg2video' is not one of", {.width = 96, .height = 64, .encoder = "mpeg2video"}, ErrorCode::unavailable},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.words);
    try {
      VideoEncoder encoder(c.options);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), c.code);
      EXPECT_THAT(error.what(), testing::HasSubstr(c.words));
    }
  }
}

TEST(FragmentWriter, every_prefix_that_ends_at_a_fragment_plays_up_to_there) {
  const Encoded encoded = encode_blocks(4);
  FragmentWriter writer(encoded.track);
  Bytes file = writer.init_segment();
  int64_t frames = 0;
  for (const auto& block : encoded.blocks) {
    const Bytes fragment = writer.fragment(block);
    file.insert(file.end(), fragment.begin(), fragment.end());
    frames += static_cast<int64_t>(block.size());
    const auto decoded = decode_bytes("prefix.mp4", file);
    expect_frames(decoded, 0, frames);
    EXPECT_EQ(decoded.front().matrix, AVCOL_SPC_BT709);
    // What a power cut leaves: the last fragment only in part.
    Bytes cut(file.begin(), file.end() - static_cast<int64_t>(fragment.size()) / 2);
    EXPECT_GE(static_cast<int64_t>(decode_bytes("cut.mp4", cut).size()), frames - static_cast<int64_t>(block.size()));
  }
}

TEST(FragmentWriter, a_late_viewer_plays_the_header_and_any_later_fragment_at_its_own_time) {
  const Encoded encoded = encode_blocks(3);
  FragmentWriter writer(encoded.track);
  writer.fragment(encoded.blocks[0]);
  const Bytes second = writer.fragment(encoded.blocks[1]);
  Bytes joined = writer.init_segment();
  joined.insert(joined.end(), second.begin(), second.end());
  expect_frames(decode_bytes("late.mp4", joined), 9, 21);

  FragmentWriter restarted(encoded.track);
  Bytes other = restarted.init_segment();
  const Bytes again = restarted.fragment(encoded.blocks[1]);
  other.insert(other.end(), again.begin(), again.end());
  expect_frames(decode_bytes("late.mp4", other), 9, 21);
}

TEST(FragmentWriter, small_fragments_join_to_the_same_video) {
  const Encoded encoded = encode_blocks(2);
  FragmentWriter writer(encoded.track);
  Bytes file = writer.init_segment();
  for (const auto& block : encoded.blocks)
    for (const AccessUnit& unit : block) {
      const Bytes fragment = writer.fragment({&unit, 1});
      file.insert(file.end(), fragment.begin(), fragment.end());
    }
  expect_frames(decode_bytes("single.mp4", file), 0, encoded.frames);
  EXPECT_TRUE(writer.fragment({}).empty());
}

TEST(FragmentWriter, carries_vp9_where_h264_is_missing) {
  if (!avcodec_find_encoder_by_name("libvpx-vp9")) GTEST_SKIP() << "no libvpx in this FFmpeg";
  const Encoded encoded = encode_blocks(2, "libvpx-vp9");
  FragmentWriter writer(encoded.track);
  EXPECT_EQ(writer.mime_type(), "video/mp4; codecs=\"vp09.00.40.08\"");
  Bytes file = writer.init_segment();
  for (const auto& block : encoded.blocks) {
    const Bytes fragment = writer.fragment(block);
    file.insert(file.end(), fragment.begin(), fragment.end());
  }
  expect_frames(decode_bytes("vp9.mp4", file), 0, encoded.frames);
}

TEST(FragmentWriter, refuses_a_track_without_parameter_sets) {
  EXPECT_THROW(FragmentWriter({.codec = Codec::h264, .width = 64, .height = 64, .parameter_sets = {}}), Error);
}

TEST(AnnexB, finds_units_behind_short_and_long_start_codes) {
  const Bytes stream = {9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 0, 1, 0x65, 3, 0x80};
  const auto units = annex_b::units(stream);
  ASSERT_EQ(units.size(), 3u);
  EXPECT_THAT(units[0], testing::ElementsAre(0x67, 1));
  EXPECT_THAT(units[1], testing::ElementsAre(0x68, 2));
  EXPECT_THAT(units[2], testing::ElementsAre(0x65, 3, 0x80));
  EXPECT_TRUE(annex_b::units({}).empty());
  EXPECT_TRUE(annex_b::units(Bytes{0, 0, 1}).empty());
}

TEST(Y4m, ffmpeg_reads_back_the_frames) {
  // 18 and 14: no multiple of a vector register.
  Y4mWriter writer(18, 14, kFps);
  const std::string header = writer.header();
  Bytes file(header.begin(), header.end());
  Bytes rgb = test_frame(18, 14, 0);
  for (int64_t i = 0; i < 3; ++i) {
    for (std::size_t p = 0; p < rgb.size(); ++p) rgb[p] = static_cast<uint8_t>(40 * i + p / 6);
    const Bytes frame = writer.frame(rgb.data());
    file.insert(file.end(), frame.begin(), frame.end());
  }
  const auto decoded = decode_bytes("video.y4m", file);
  ASSERT_EQ(decoded.size(), 3u);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(decoded[i].seconds, i / kFps, 1e-4);
    for (std::size_t p = 0; p < rgb.size(); ++p)
      ASSERT_NEAR(decoded[i].rgb[p], static_cast<uint8_t>(40 * i + p / 6), 4) << "frame " << i << " byte " << p;
  }
}

void expect_equal(const std::vector<AccessUnit>& units, const std::vector<AccessUnit>& wanted) {
  ASSERT_EQ(units.size(), wanted.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    SCOPED_TRACE(i);
    EXPECT_EQ(units[i].pts, wanted[i].pts);
    EXPECT_EQ(units[i].dts, wanted[i].dts);
    EXPECT_EQ(units[i].duration, wanted[i].duration);
    EXPECT_EQ(units[i].is_key, wanted[i].is_key);
    EXPECT_EQ(*units[i].bytes, *wanted[i].bytes);
  }
}

TEST(FragmentParser, gives_the_units_back_that_were_written) {
  for (const char* name : {"", "libopenh264", "libvpx-vp9"}) {
    if (*name && !avcodec_find_encoder_by_name(name)) continue;
    for (const double fps : {16.0, 14.0, 23.976}) {  // of which some have frames of unequal ticks
      SCOPED_TRACE(fmt::format("{} at {} fps", name, fps));
      const Encoded encoded = encode_blocks(3, name, fps);
      FragmentWriter writer(encoded.track);
      const FragmentParser parser(writer.init_segment());
      for (const auto& block : encoded.blocks) {
        const Bytes fragment = writer.fragment(block);
        const auto units = parser.units(fragment);
        expect_equal(units.pictures, block);
        EXPECT_TRUE(units.audio.empty());
        const auto times = parser.times(fragment);
        EXPECT_EQ(times.begin, block.front().pts);
        EXPECT_EQ(times.begin + times.duration, block.back().pts + block.back().duration);
        EXPECT_EQ(times.pictures, static_cast<int64_t>(block.size()));
      }
    }
  }
}

TEST(FragmentParser, refuses_what_is_no_fragment) {
  const Encoded encoded = encode_blocks(1);
  FragmentWriter writer(encoded.track);
  const Bytes init = writer.init_segment(), fragment = writer.fragment(encoded.blocks[0]);
  const FragmentParser parser(init);
  EXPECT_THROW(parser.units({}), Error);
  EXPECT_THROW(FragmentParser({}), Error);
  EXPECT_THROW(FragmentParser{fragment}, Error);
  for (std::size_t size = 0; size < fragment.size(); size += 37) {
    try {
      parser.units(std::span(fragment).first(size));
      ADD_FAILURE() << "took the first " << size << " bytes of " << fragment.size();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt_data) << error.what();
    }
  }
  for (std::size_t i = 0; i < fragment.size(); ++i) {
    Bytes damaged = fragment;
    damaged[i] ^= 0xff;
    try {
      parser.units(damaged);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt_data) << error.what();
    }
  }
}

TEST(MpegTs, segments_decode_alone_and_in_a_row) {
  const Encoded encoded = encode_blocks(3);
  Bytes all;
  for (std::size_t block = 0; block < 3; ++block) {
    const Bytes segment = mpeg_ts_segment(encoded.track, encoded.blocks[block]);
    ASSERT_EQ(segment.size() % 188, 0u);
    EXPECT_EQ(segment.front(), 0x47);
    if (block == 2) expect_frames(decode_bytes("one.ts", segment), 21, 33);
    all.insert(all.end(), segment.begin(), segment.end());
  }
  expect_frames(decode_bytes("all.ts", all), 0, 33);
}

}  // namespace
}  // namespace rushes::media
