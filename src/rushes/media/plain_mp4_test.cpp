// Plain MP4s as FFmpeg and we ourselves read them.
#include "rushes/media/plain_mp4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "rushes/base/error.h"
#include "rushes/base/scratch_folder.h"
#include "rushes/media/audio_decoder.h"
#include "rushes/media/audio_encoder.h"
#include "rushes/media/fragmented_mp4.h"
#include "rushes/media/mp4_boxes.h"
#include "rushes/media/recorded_file.h"
#include "rushes/media/test_audio.h"
#include "rushes/media/test_video.h"
#include "rushes/media/video_encoder.h"

namespace rushes::media {
namespace {
namespace fs = std::filesystem;

constexpr int64_t kHz = 16'000;

std::vector<std::string> boxes(std::span<const uint8_t> mp4) {
  std::vector<std::string> names;
  mp4::each_box(mp4, [&](uint32_t type, mp4::View) {
    std::string name;
    for (int shift = 24; shift >= 0; shift -= 8) name += static_cast<char>(type >> shift & 0xff);
    names.push_back(std::move(name));
  });
  return names;
}

/// What a recorder wrote: blocks of pictures from `begin` on, with the sound of each if there is a track.
struct Fragmented {
  Bytes bytes;
  int64_t frames = 0;
};

Fragmented fragmented(bool has_audio, double begin_s = 0, double audio_begin_s = 0, double hole_s = 0) {
  constexpr int64_t kBlocks[] = {9, 12, 1, 12};
  VideoEncoder pictures({.width = 64, .height = 48, .fps = 25});
  auto sound = has_audio ? std::make_unique<AudioEncoder>(kHz) : nullptr;
  FragmentWriter writer(pictures.track(), sound ? std::optional(sound->track()) : std::nullopt);
  Fragmented made{.bytes = writer.init_segment()};
  const auto append = [&](const Bytes& fragment) {
    made.bytes.insert(made.bytes.end(), fragment.begin(), fragment.end());
  };
  const auto first = static_cast<int64_t>(begin_s * 25);
  for (const int64_t frames : kBlocks) {
    std::vector<AccessUnit> units, audio;
    const int64_t before = made.frames;
    for (int64_t t = 0; t < frames; ++t, ++made.frames)
      for (AccessUnit& unit :
           pictures.encode(test_frame(64, 48, made.frames).data(), frame_time(first + made.frames, 25),
                           t == 0 ? Key::forced : Key::automatic))
        units.push_back(std::move(unit));
    if (sound && before == 9 && hole_s > 0) {  // what comes then is an encoder's of its own
      audio = sound->flush();
      sound = std::make_unique<AudioEncoder>(kHz);
    }
    const auto at =
        static_cast<int64_t>((begin_s + audio_begin_s + (before >= 9 ? hole_s : 0)) * kHz) + before * kHz / 25;
    if (sound)
      for (AccessUnit& unit : sound->encode(test_audio(static_cast<std::size_t>(frames * kHz / 25)), at))
        audio.push_back(std::move(unit));
    append(writer.fragment(units, audio));
  }
  if (sound) append(writer.fragment({}, sound->flush()));
  return made;
}

struct Probed {
  double seconds = 0;
  std::vector<double> begins;  // of each stream
  bool seekable_by_index = false;
};

Probed probe(const fs::path& path) {
  AVFormatContext* opened = nullptr;
  libav::check(avformat_open_input(&opened, path.c_str(), nullptr, nullptr), "open");
  const std::unique_ptr<AVFormatContext, void (*)(AVFormatContext*)> input(
      opened, [](AVFormatContext* p) { avformat_close_input(&p); });
  Probed probed;
  probed.seekable_by_index = avformat_index_get_entries_count(input->streams[0]) > 1;  // before anything is searched
  probed.seconds = static_cast<double>(input->duration) / AV_TIME_BASE;
  libav::check(avformat_find_stream_info(input.get(), nullptr), "find streams");
  for (unsigned i = 0; i < input->nb_streams; ++i)
    probed.begins.push_back(static_cast<double>(input->streams[i]->start_time) * av_q2d(input->streams[i]->time_base));
  return probed;
}

class PlainMp4Test : public testing::Test {
 protected:
  fs::path write(const char* name, const Bytes& bytes) const {
    std::ofstream(scratch_.path / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return scratch_.path / name;
  }
  static Bytes contents(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  const ScratchFolder scratch_;
};

TEST_F(PlainMp4Test, has_its_index_in_front_its_length_and_the_pictures_and_sound_of_the_fragments) {
  for (const bool has_audio : {false, true}) {
    SCOPED_TRACE(has_audio);
    const Fragmented made = fragmented(has_audio);
    const Bytes plain = plain_mp4(made.bytes);
    EXPECT_THAT(boxes(plain), testing::ElementsAre("ftyp", "moov", "mdat"));
    EXPECT_EQ(std::string(plain.begin(), plain.end()).find("mvex"), std::string::npos);
    const fs::path file = write("plain.mp4", plain);
    const Probed probed = probe(file);
    EXPECT_TRUE(probed.seekable_by_index);
    EXPECT_NEAR(probed.seconds, static_cast<double>(made.frames) / 25, has_audio ? 0.07 : 0.002);
    const auto before = decode_bytes("fragmented.mp4", made.bytes), after = decode_video(file);
    ASSERT_EQ(after.size(), static_cast<std::size_t>(made.frames));
    ASSERT_EQ(before.size(), after.size());
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_NEAR(after[i].seconds, before[i].seconds, 1e-4);
      EXPECT_EQ(after[i].is_key, before[i].is_key);
      EXPECT_EQ(after[i].rgb, before[i].rgb);
    }
    if (has_audio) {
      EXPECT_EQ(decode_audio(plain).samples, decode_audio(made.bytes).samples);
    }
  }
}

TEST_F(PlainMp4Test, keeps_what_begins_later_and_holes_in_the_sound_where_they_are) {
  const struct {
    const char* name;
    double begin_s, audio_begin_s, hole_s;
  } cases[] = {{"all of it late", 3, 0, 0}, {"the sound late", 0, 0.5, 0}, {"a hole in the sound", 0, 0, 0.4}};
  for (const auto& each : cases) {
    SCOPED_TRACE(each.name);
    const Fragmented made = fragmented(true, each.begin_s, each.audio_begin_s, each.hole_s);
    const Probed before = probe(write("fragmented.mp4", made.bytes)),
                 after = probe(write("plain.mp4", plain_mp4(made.bytes)));
    ASSERT_EQ(after.begins.size(), 2u);
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(after.begins[i], before.begins[i], 1e-3) << i;
    EXPECT_NEAR(after.begins[0], each.begin_s, 1e-3);
    EXPECT_NEAR(after.begins[1], each.begin_s + each.audio_begin_s, 0.07);
    EXPECT_EQ(decode_video(write("plain.mp4", plain_mp4(made.bytes))).size(), static_cast<std::size_t>(made.frames));
  }
}

TEST_F(PlainMp4Test, counts_on_beyond_four_gigabytes) {
  constexpr std::size_t kFrame = std::size_t{1} << 26;
  Bytes frame(kFrame);
  frame[0] = 0x82;  // of VP9: a key frame that is shown
  const VideoTrack track{.codec = Codec::vp9, .width = 64, .height = 48, .fps = 25};
  FragmentWriter writer(track);
  const AccessUnit unit{
      .bytes = std::make_shared<const Bytes>(std::move(frame)), .duration = Pts{3600}, .is_key = true};
  const Bytes fragment = writer.fragment(std::span(&unit, 1));
  const std::size_t moof_bytes = fragment.size() - kFrame - 8;
  PlainMp4 plain(writer.init_segment());
  for (int i = 0; i < 80; ++i) plain.add(std::span(fragment).first(moof_bytes));
  EXPECT_EQ(plain.data_bytes(), int64_t{80} << 26);
  const Bytes head = plain.head();
  const std::string text(head.begin(), head.end());
  EXPECT_NE(text.find("co64"), std::string::npos);
  mp4::Fields last(mp4::View(head).last(16));
  EXPECT_EQ(last.u32(), 1u);
  EXPECT_EQ(last.u32(), mp4::four("mdat"));
  EXPECT_EQ(last.take(8), (uint64_t{80} << 26) + 16);
  mp4::Fields offsets(mp4::View(head).subspan(text.find("co64") + 12));
  for (uint64_t i = 0; i < 80; ++i) EXPECT_EQ(offsets.take(8), head.size() + (i << 26));
}

TEST_F(PlainMp4Test, file_gives_the_fragments_back_as_they_were) {
  const Fragmented made = fragmented(true);
  const RecordedFile before = read_recorded_file(write("recording.mp4", made.bytes));
  std::vector<FragmentPlace> places;
  for (const RecordedFragment& fragment : before.fragments) places.push_back(fragment.place);
  const auto from = ReadableFile::open(scratch_.path / "recording.mp4");
  const PlainMp4File file = write_plain_mp4(*from, before.init_segment, places, scratch_.path / "plain.mp4");
  EXPECT_EQ(file.bytes, static_cast<int64_t>(fs::file_size(scratch_.path / "plain.mp4")));
  const RecordedFile after = read_recorded_file(scratch_.path / "plain.mp4");
  EXPECT_EQ(after.index, file.index);
  EXPECT_EQ(after.init_segment, before.init_segment);
  EXPECT_EQ(after.complete_bytes(), file.bytes);
  EXPECT_FALSE(after.cut_off);
  ASSERT_EQ(after.fragments.size(), before.fragments.size());
  for (std::size_t i = 0; i < before.fragments.size(); ++i) {
    EXPECT_EQ(after.fragments[i].pts, before.fragments[i].pts);
    EXPECT_EQ(after.fragments[i].duration, before.fragments[i].duration);
    EXPECT_EQ(after.fragments[i].video_frames, before.fragments[i].video_frames);
    EXPECT_EQ(after.fragments[i].size(), before.fragments[i].size());
    EXPECT_EQ(after.fragments[i].place.data, file.places[i].data);
    EXPECT_EQ(after.fragments[i].place.head, file.places[i].head);
  }
  EXPECT_EQ(after.video_frames(), made.frames);
  EXPECT_EQ(decode_video(scratch_.path / "plain.mp4").size(), static_cast<std::size_t>(made.frames));
}

TEST_F(PlainMp4Test, file_to_which_something_was_appended_has_all_that_stands_before_it) {
  const fs::path path = write("recording.mp4", fragmented(true).bytes);
  finish_mp4(path);
  Bytes bytes = contents(path);
  const RecordedFile before = read_recorded_file(path);
  bytes.insert(bytes.end(), 70, 'x');
  write("recording.mp4", bytes);
  const RecordedFile after = read_recorded_file(path);
  EXPECT_EQ(after.index, before.index);
  EXPECT_EQ(after.fragments.size(), before.fragments.size());
  EXPECT_EQ(after.complete_bytes(), before.file_bytes);
  EXPECT_EQ(after.file_bytes, before.file_bytes + 70);
  EXPECT_FALSE(fragment_headers(*ReadableFile::open(path), after.index.value()).empty());
}

TEST_F(PlainMp4Test, file_that_has_lost_its_end_keeps_the_fragments_before_it) {
  const fs::path path = write("recording.mp4", fragmented(true).bytes);
  finish_mp4(path);
  const Bytes whole = contents(path);
  EXPECT_THAT(boxes(whole), testing::ElementsAre("ftyp", "moov", "uuid", "mdat"));
  const RecordedFile before = read_recorded_file(path);
  EXPECT_EQ(before.lost_bytes, 0);
  const auto end = [&](std::size_t i) { return before.fragments[i].place.data + before.fragments[i].place.data_bytes; };
  const auto all = static_cast<int64_t>(whole.size()), data = before.fragments.front().place.data;
  ASSERT_EQ(end(before.fragments.size() - 1), all);
  std::vector<int64_t> sizes = {data, end(0) - 1, end(0), end(1), all - 7, all - 1};  // and:
  for (int64_t size = 0; size < all; size += 61) sizes.push_back(size);
  for (const int64_t size : sizes) {
    SCOPED_TRACE(size);
    write("recording.mp4", {whole.begin(), whole.begin() + size});
    if (size < data) {
      try {
        EXPECT_TRUE(read_recorded_file(path).fragments.empty());
      } catch (const Error&) {}
      continue;
    }
    std::size_t complete = 0;
    while (end(complete) <= size) ++complete;
    const RecordedFile after = read_recorded_file(path);
    ASSERT_EQ(after.fragments.size(), complete);
    for (std::size_t i = 0; i < complete; ++i) {
      EXPECT_EQ(after.fragments[i].pts, before.fragments[i].pts);
      EXPECT_EQ(after.fragments[i].place.data, before.fragments[i].place.data);
    }
    EXPECT_EQ(after.index, before.index);
    EXPECT_EQ(after.init_segment, before.init_segment);
    EXPECT_EQ(after.complete_bytes(), complete > 0 ? end(complete - 1) : *before.index + before.index_bytes);
    EXPECT_EQ(after.file_bytes, size);
    EXPECT_EQ(after.lost_bytes, all - size);
    EXPECT_FALSE(after.cut_off);
  }
}

TEST_F(PlainMp4Test, file_of_an_earlier_version_with_its_index_at_the_end_is_read) {
  const Bytes fragments = fragmented(true).bytes;
  const fs::path path = write("recording.mp4", fragments);
  const RecordedFile before = read_recorded_file(path);
  PlainMp4 plain(before.init_segment);
  Bytes old, data;
  for (const RecordedFragment& fragment : before.fragments) {
    const FragmentPlace& place = fragment.place;
    plain.add(
        std::span(fragments).subspan(static_cast<std::size_t>(place.head), static_cast<std::size_t>(place.head_bytes)));
    data.insert(data.end(), fragments.begin() + place.data, fragments.begin() + place.data + place.data_bytes);
  }
  old = plain.head();
  const auto data_at = static_cast<int64_t>(old.size());
  old.insert(old.end(), data.begin(), data.end());
  finish_mp4(path);
  const RecordedFile now = read_recorded_file(path);
  const Bytes whole = contents(path);
  old.insert(old.end(), whole.begin() + *now.index, whole.begin() + *now.index + now.index_bytes);
  write("recording.mp4", old);
  const RecordedFile read = read_recorded_file(path);
  EXPECT_EQ(read.index, data_at + static_cast<int64_t>(data.size()));
  EXPECT_EQ(read.complete_bytes(), static_cast<int64_t>(old.size()));
  EXPECT_EQ(read.init_segment, before.init_segment);
  EXPECT_EQ(read.lost_bytes, 0);
  ASSERT_EQ(read.fragments.size(), now.fragments.size());
  for (std::size_t i = 0; i < read.fragments.size(); ++i)
    EXPECT_EQ(read.fragments[i].place.data - data_at, now.fragments[i].place.data - now.fragments.front().place.data);
}

TEST_F(PlainMp4Test, file_that_is_damaged_never_does_harm) {
  const fs::path path = write("recording.mp4", fragmented(true).bytes);
  finish_mp4(path);
  const Bytes whole = contents(path);
  ASSERT_TRUE(read_recorded_file(path).index);
  for (std::size_t i = 0; i < whole.size(); i += i < 2000 || i > whole.size() - 600 ? 1 : 97) {
    Bytes damaged = whole;
    damaged[i] ^= 0xff;
    write("recording.mp4", damaged);
    try {
      EXPECT_LE(read_recorded_file(path).complete_bytes(), static_cast<int64_t>(whole.size()));
    } catch (const Error&) {}
  }
}

TEST_F(PlainMp4Test, takes_the_place_of_the_fragments_and_leaves_what_is_no_file_of_its_own) {
  const Fragmented made = fragmented(false);
  const fs::path path = write("out.mp4", made.bytes), link = scratch_.path / "link.mp4";
  fs::create_symlink(path, link);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
  const auto reading = ReadableFile::open(path);
  finish_mp4(link);
  EXPECT_TRUE(fs::is_symlink(link));
  EXPECT_EQ(fs::status(path).permissions(), fs::perms::owner_read | fs::perms::owner_write | fs::perms::group_read);
  EXPECT_TRUE(read_recorded_file(path).index);
  Bytes still(made.bytes.size());
  EXPECT_TRUE(reading->read(0, still)) << "who read it before goes on";
  EXPECT_EQ(still, made.bytes);
  finish_mp4(path);  // once more
  finish_mp4("/dev/null");
  finish_mp4(scratch_.path / "nothing.mp4");
  EXPECT_EQ(std::distance(fs::directory_iterator(scratch_.path), fs::directory_iterator()), 2);
}

}  // namespace
}  // namespace rushes::media
