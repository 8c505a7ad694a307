#include "rushes/media/recorded_file.h"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <span>

#include "rushes/base/error.h"

namespace rushes::media {
namespace {

using View = std::span<const uint8_t>;

constexpr uint32_t four(const char (&name)[5]) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(name[i]);
  return value;
}

// Headers only: what a writer of ours makes is a few hundred bytes; more is no recording.
constexpr int64_t kMaxHeaderBytes = 1 << 20;
constexpr uint32_t kMaxSamples = 1 << 16;       // of a fragment, which is a block of frames
constexpr int64_t kMaxTime = int64_t{1} << 40;  // in units of any track: hundreds of years
constexpr int kMaxDepth = 8;                    // of boxes in a track: mdia, minf, stbl

/// Reads big-endian numbers off the front.
class Fields {
 public:
  explicit Fields(View data) : data_(data) {}
  uint64_t take(std::size_t bytes) {
    require(bytes <= data_.size(), ErrorCode::corrupt_data, "a box of the recording ends within a field");
    uint64_t value = 0;
    for (const uint8_t byte : data_.first(bytes)) value = value << 8 | byte;
    data_ = data_.subspan(bytes);
    return value;
  }
  uint32_t u32() { return static_cast<uint32_t>(take(4)); }
  View view(std::size_t bytes) {
    require(bytes <= data_.size(), ErrorCode::corrupt_data, "a box of the recording ends within a field");
    const View front = data_.first(bytes);
    data_ = data_.subspan(bytes);
    return front;
  }
  View rest() const { return data_; }

 private:
  View data_;
};

/// `visit` gets the type and the content of each box within `data`.
template <typename Visit>
void each_box(View data, Visit visit) {
  for (Fields fields(data); !fields.rest().empty();) {
    const uint32_t size = fields.u32(), type = fields.u32();
    require(size >= 8, ErrorCode::corrupt_data, "a box of the recording has an impossible size of {} bytes", size);
    visit(type, fields.view(size - 8));
  }
}

struct Track {
  bool is_video = false, is_sound = false;
  uint32_t id = 0, timescale = 0, default_duration = 0;
  VideoTrack video;
  AudioTrack sound;
};

/// avcC (ISO/IEC 14496-15) as parameter sets in Annex B.
Bytes parameter_sets(View configuration) {
  Fields fields(configuration);
  fields.view(5);
  Bytes bytes;
  for (const uint8_t mask : {uint8_t{0x1f}, uint8_t{0xff}}) {  // SPS, then PPS
    for (auto left = fields.take(1) & mask; left > 0; --left) {
      const View unit = fields.view(fields.take(2));
      bytes.insert(bytes.end(), {0, 0, 0, 1});
      bytes.insert(bytes.end(), unit.begin(), unit.end());
    }
  }
  return bytes;
}

void read_sample_entry(View stsd, Track& track) {
  Fields fields(stsd);
  fields.view(8);  // version, flags, count
  each_box(fields.rest(), [&](uint32_t type, View entry) {
    if (type != four("avc1") && type != four("vp09")) return;
    track.video.codec = type == four("avc1") ? Codec::h264 : Codec::vp9;
    Fields visual(entry);
    visual.view(24);
    track.video.width = static_cast<int64_t>(visual.take(2));
    track.video.height = static_cast<int64_t>(visual.take(2));
    visual.view(50);
    each_box(visual.rest(), [&](uint32_t inner, View content) {
      if (inner == four("avcC")) track.video.parameter_sets = parameter_sets(content);
    });
  });
}

/// DecoderSpecificInfo within an ES_Descriptor (ISO/IEC 14496-1, 7.2.6).
Bytes decoder_config(View esds) {
  Fields fields(esds);
  fields.view(4);  // version, flags
  const auto descriptor = [&](uint64_t tag) {
    require(fields.take(1) == tag, ErrorCode::corrupt_data, "the recording's sound is described in an unknown way");
    uint64_t size = 0, byte = 0x80;
    for (int i = 0; i < 4 && byte & 0x80; ++i) size = size << 7 | ((byte = fields.take(1)) & 0x7f);
    return size;
  };
  descriptor(0x03);
  fields.view(3);  // id, flags
  descriptor(0x04);
  fields.view(13);  // object type, buffer, rates
  const View config = fields.view(descriptor(0x05));
  return {config.begin(), config.end()};
}

void read_sound_entry(View stsd, Track& track) {
  Fields fields(stsd);
  fields.view(8);  // version, flags, count
  each_box(fields.rest(), [&](uint32_t type, View entry) {
    if (type != four("mp4a")) return;
    Fields sound(entry);
    sound.view(24);
    track.sound.hz = static_cast<int64_t>(sound.take(2));
    sound.view(2);
    each_box(sound.rest(), [&](uint32_t inner, View content) {
      if (inner == four("esds")) track.sound.config = decoder_config(content);
    });
  });
}

void read_track(View data, Track& track, int depth = 0) {
  require(depth < kMaxDepth, ErrorCode::corrupt_data, "the boxes of the recording are nested too deep");
  each_box(data, [&](uint32_t type, View content) {
    Fields fields(content);
    if (type == four("tkhd")) {
      const bool is_long = fields.take(1) == 1;
      fields.view(is_long ? 3 + 16 : 3 + 8);
      track.id = fields.u32();
    } else if (type == four("mdhd")) {
      const bool is_long = fields.take(1) == 1;
      fields.view(is_long ? 3 + 16 : 3 + 8);
      track.timescale = fields.u32();
    } else if (type == four("hdlr")) {
      fields.view(8);
      const uint32_t handler = fields.u32();
      track.is_video = handler == four("vide");
      track.is_sound = handler == four("soun");
    } else if (type == four("stsd")) {
      if (track.is_video) read_sample_entry(content, track);
      if (track.is_sound) read_sound_entry(content, track);
    } else if (type == four("mdia") || type == four("minf") || type == four("stbl")) {
      read_track(content, track, depth + 1);
    }
  });
}

struct Movie {
  Track video;
  std::optional<AudioTrack> sound;
};

Movie read_movie(View moov) {
  std::optional<Track> found;
  std::optional<AudioTrack> sound;
  std::vector<std::pair<uint32_t, uint32_t>> defaults;  // track and duration
  each_box(moov, [&](uint32_t type, View content) {
    if (type == four("trak")) {
      Track track;
      read_track(content, track);
      if (track.is_sound && !track.sound.config.empty()) sound = std::move(track.sound);
      if (track.is_video && !found) found = std::move(track);
    } else if (type == four("mvex")) {
      each_box(content, [&](uint32_t inner, View trex) {
        if (inner != four("trex")) return;
        Fields fields(trex);
        fields.view(4);
        const uint32_t id = fields.u32();
        fields.view(4);
        defaults.emplace_back(id, fields.u32());
      });
    }
  });
  require(found && found->timescale > 0 && found->video.width > 0, ErrorCode::corrupt_data,
          "the recording has no video track");
  for (const auto& [id, duration] : defaults)
    if (id == found->id) found->default_duration = duration;
  return {std::move(*found), std::move(sound)};
}

/// Times of a track fragment, in the track's units.
struct Run {
  uint32_t track = 0, default_duration = 0, default_size = 0;
  int64_t decode_time = 0, first_offset = 0, duration = 0, samples = 0, bytes = 0;
};

void read_samples(View trun, Run& run) {
  Fields fields(trun);
  const uint32_t version = static_cast<uint32_t>(fields.take(1)), flags = static_cast<uint32_t>(fields.take(3));
  const uint32_t count = fields.u32();
  require(count <= kMaxSamples, ErrorCode::corrupt_data, "a fragment of the recording has {} frames", count);
  if (flags & 0x1) fields.u32();  // data offset
  if (flags & 0x4) fields.u32();  // flags of the first sample
  for (uint32_t i = 0; i < count; ++i) {
    run.duration += flags & 0x100 ? fields.u32() : run.default_duration;
    run.bytes += flags & 0x200 ? fields.u32() : run.default_size;
    if (flags & 0x400) fields.u32();  // flags
    if (!(flags & 0x800)) continue;
    const uint32_t offset = fields.u32();
    if (run.samples == 0 && i == 0) run.first_offset = version == 0 ? int64_t{offset} : static_cast<int32_t>(offset);
  }
  run.samples += count;
}

Run read_track_fragment(View traf, uint32_t default_duration) {
  Run run{.default_duration = default_duration};
  each_box(traf, [&](uint32_t type, View content) {
    Fields fields(content);
    if (type == four("tfhd")) {
      const auto flags = static_cast<uint32_t>(fields.take(4)) & 0xffffff;
      run.track = fields.u32();
      if (flags & 0x1) fields.view(8);  // base data offset
      if (flags & 0x2) fields.view(4);  // sample description
      if (flags & 0x8) run.default_duration = fields.u32();
      if (flags & 0x10) run.default_size = fields.u32();
    } else if (type == four("tfdt")) {
      const bool is_long = fields.take(1) == 1;
      fields.view(3);
      const uint64_t time = fields.take(is_long ? 8 : 4);
      require(time <= kMaxTime, ErrorCode::corrupt_data, "a fragment of the recording has an impossible time");
      run.decode_time = static_cast<int64_t>(time);
    } else if (type == four("trun")) {
      read_samples(content, run);
    }
  });
  return run;
}

struct FragmentHead {
  RecordedFragment fragment;
  int64_t data_bytes = 8;  // of the box with the samples, which follows
};

FragmentHead read_fragment(View moof, const Track& track) {
  FragmentHead head;
  RecordedFragment& fragment = head.fragment;
  const auto ticks = [&](int64_t units) {
    return Pts{(units * Pts::period::den + track.timescale / 2) / track.timescale};
  };
  each_box(moof, [&](uint32_t type, View content) {
    if (type != four("traf")) return;
    const Run run = read_track_fragment(content, track.default_duration);
    head.data_bytes += run.bytes;
    if (run.track != track.id) return;
    fragment.pts = ticks(run.decode_time + run.first_offset);
    fragment.duration = ticks(run.decode_time + run.duration) - ticks(run.decode_time);
    fragment.video_frames = run.samples;
  });
  return head;
}

/// The file's boxes one after the other.
class BoxFile {
 public:
  explicit BoxFile(const std::filesystem::path& path) : file_(path, std::ios::binary) {
    require(file_.is_open(), ErrorCode::unavailable, "the recording {} cannot be read", path.string());
    file_.seekg(0, std::ios::end);
    size_ = static_cast<int64_t>(file_.tellg());
  }
  int64_t size() const { return size_; }

  struct Box {
    uint32_t type = 0;
    int64_t offset = 0, size = 0;
  };
  /// Nothing: what follows is no complete box.
  std::optional<Box> next() {
    if (size_ - position_ < 8) return std::nullopt;
    const Bytes head = read(position_, 8);
    Fields fields(head);
    Box box{.offset = position_};
    box.size = fields.u32();
    box.type = fields.u32();
    if (box.size < 8 || box.size > size_ - position_) return std::nullopt;
    position_ += box.size;
    return box;
  }
  Bytes content(const Box& box) {
    require(box.size <= kMaxHeaderBytes, ErrorCode::corrupt_data, "a header of the recording has {} bytes", box.size);
    return read(box.offset + 8, box.size - 8);
  }
  Bytes read(int64_t offset, int64_t size) {
    Bytes bytes(static_cast<std::size_t>(size));
    file_.seekg(offset);
    file_.read(reinterpret_cast<char*>(bytes.data()), size);
    require(file_.good(), ErrorCode::unavailable, "the recording has no {} bytes at {}", size, offset);
    return bytes;
  }

 private:
  std::ifstream file_;
  int64_t size_ = 0, position_ = 0;
};

/// Whether the file ends with a part of a box of these types, or of `size` bytes where that is given, at `offset`.
bool ends_within_box(BoxFile& file, int64_t offset, std::initializer_list<uint32_t> types, int64_t size = 0) {
  const int64_t left = file.size() - offset;
  if (left >= 8) {
    const Bytes head = file.read(offset, 8);
    Fields fields(head);
    const int64_t said = fields.u32();
    const uint32_t type = fields.u32();
    return said > left && (size == 0 || said == size) && std::find(types.begin(), types.end(), type) != types.end();
  }
  return left > 0;  // too little to tell
}

/// Whether what lies from `offset` on is a fragment that was not written whole: all that is there belongs to one.
bool begins_fragment(BoxFile& file, int64_t offset, const Track& track) {
  const int64_t left = file.size() - offset;
  if (left < 8) return left > 0;
  const Bytes bytes = file.read(offset, 8);
  Fields fields(bytes);
  const int64_t size = fields.u32();
  if (fields.u32() != four("moof") || size < 8 || size > kMaxHeaderBytes) return false;
  if (size <= left) try {
      const int64_t data_bytes = read_fragment(file.read(offset + 8, size - 8), track).data_bytes;
      return left == size || ends_within_box(file, offset + size, {four("mdat")}, data_bytes);
    } catch (const Error&) {
      return false;
    }
  for (int64_t at = offset + 8; at < offset + left;) {
    if (ends_within_box(file, at, {four("mfhd"), four("traf")})) return true;
    const Bytes head = file.read(at, 8);
    Fields inner(head);
    const int64_t child = inner.u32();
    const uint32_t type = inner.u32();
    if (child < 8 || (type != four("mfhd") && type != four("traf"))) return false;
    at += child;
  }
  return true;
}

}  // namespace

int64_t RecordedFile::video_frames() const {
  return std::accumulate(fragments.begin(), fragments.end(), int64_t{0},
                         [](int64_t sum, const RecordedFragment& fragment) { return sum + fragment.video_frames; });
}

int64_t RecordedFile::blocks() const {
  return std::count_if(fragments.begin(), fragments.end(),
                       [](const RecordedFragment& fragment) { return fragment.video_frames > 0; });
}

RecordedFile read_recorded_file(const std::filesystem::path& path) {
  BoxFile file(path);
  const auto type = file.next(), movie = file.next();
  require(type && type->type == four("ftyp") && movie && movie->type == four("moov"), ErrorCode::corrupt_data,
          "{} does not begin as a recording does", path.string());
  require(movie->offset <= kMaxHeaderBytes, ErrorCode::corrupt_data, "{} does not begin as a recording does",
          path.string());
  const auto [track, sound] = read_movie(file.content(*movie));
  RecordedFile recorded;
  recorded.sound = sound;
  recorded.track = track.video;
  recorded.init_segment = file.read(0, movie->offset + movie->size);
  recorded.file_bytes = file.size();
  while (const auto head = file.next()) {
    const auto data = file.next();
    if (head->type != four("moof") || !data || data->type != four("mdat")) break;
    RecordedFragment fragment;
    try {
      const FragmentHead read = read_fragment(file.content(*head), track);
      if (read.data_bytes != data->size) break;
      fragment = read.fragment;
    } catch (const Error&) {
      break;
    }
    if (fragment.video_frames == 0) {
      // The end of the sound, behind the last picture.
      if (!sound || recorded.fragments.empty()) break;
      fragment.pts = recorded.fragments.back().pts + recorded.fragments.back().duration;
    }
    fragment.offset = head->offset;
    fragment.size = head->size + data->size;
    recorded.fragments.push_back(fragment);
  }
  recorded.cut_off = begins_fragment(file, recorded.complete_bytes(), track);
  return recorded;
}

}  // namespace rushes::media
