#include "rushes/media/fragment_parser.h"

#include <algorithm>
#include <utility>

#include "rushes/media/annex_b.h"
#include "rushes/media/mp4_boxes.h"

namespace rushes::media {
namespace {

using mp4::each_box;
using mp4::Fields;
using mp4::four;
using mp4::View;

constexpr std::size_t kMaxSamples = 1 << 16;    // of a fragment, which is a block of frames
constexpr int64_t kMaxTime = int64_t{1} << 40;  // in units of any track: hundreds of years
constexpr int kMaxDepth = 8;                    // of boxes in a track: mdia, minf, stbl
constexpr uint32_t kIsNoKey = 0x10000;          // sample_is_non_sync_sample

/// What samples have where a fragment does not say it.
struct Defaults {
  uint32_t duration = 0, size = 0, flags = 0;
};

struct Track {
  bool is_video = false, is_audio = false;
  uint32_t id = 0, timescale = 0;
  Defaults defaults;
  VideoTrack video;
  AudioTrack audio;

  Pts ticks(int64_t units) const { return Pts{(units * Pts::period::den + timescale / 2) / timescale}; }
};

/// avcC (ISO/IEC 14496-15) as parameter sets in Annex B.
Bytes parameter_sets(View configuration) {
  Fields fields(configuration);
  fields.view(5);
  Bytes bytes;
  for (const uint8_t mask : {uint8_t{0x1f}, uint8_t{0xff}})  // SPS, then PPS
    for (auto left = fields.take(1) & mask; left > 0; --left) annex_b::append(fields.view(fields.take(2)), bytes);
  return bytes;
}

/// DecoderSpecificInfo within an ES_Descriptor (ISO/IEC 14496-1, 7.2.6).
Bytes decoder_config(View esds) {
  Fields fields(esds);
  fields.view(4);  // version, flags
  const auto descriptor = [&](uint64_t tag) {
    require(fields.take(1) == tag, ErrorCode::corrupt_data,
            "the recording's audio description (esds) has an unknown form");
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

void read_sample_entry(uint32_t type, View entry, Track& track) {
  Fields fields(entry);
  fields.view(24);
  if (track.is_video && (type == four("avc1") || type == four("vp09"))) {
    track.video.codec = type == four("avc1") ? Codec::h264 : Codec::vp9;
    track.video.width = static_cast<int64_t>(fields.take(2));
    track.video.height = static_cast<int64_t>(fields.take(2));
    fields.view(50);
  } else if (track.is_audio && type == four("mp4a")) {
    track.audio.hz = static_cast<int64_t>(fields.take(2));
    fields.view(2);
  } else {
    return;
  }
  each_box(fields.rest(), [&](uint32_t inner, View content) {
    if (inner == four("avcC")) track.video.parameter_sets = parameter_sets(content);
    if (inner == four("esds")) track.audio.config = decoder_config(content);
  });
}

void read_track(View data, Track& track, int depth = 0) {
  require(depth < kMaxDepth, ErrorCode::corrupt_data, "the boxes of the recording are nested too deeply");
  each_box(data, [&](uint32_t type, View content) {
    Fields fields(content);
    if (type == four("tkhd") || type == four("mdhd")) {
      const bool is_long = fields.take(1) == 1;
      fields.view(is_long ? 3 + 16 : 3 + 8);
      (type == four("tkhd") ? track.id : track.timescale) = fields.u32();
    } else if (type == four("hdlr")) {
      fields.view(8);
      const uint32_t handler = fields.u32();
      track.is_video = handler == four("vide");
      track.is_audio = handler == four("soun");
    } else if (type == four("stsd")) {
      fields.view(8);  // version, flags, count
      each_box(fields.rest(), [&](uint32_t entry, View inner) { read_sample_entry(entry, inner, track); });
    } else if (type == four("mdia") || type == four("minf") || type == four("stbl")) {
      read_track(content, track, depth + 1);
    }
  });
}

using Sample = FragmentParser::Sample;

/// The samples of one track in a fragment.
struct TrackRun {
  uint32_t track = 0;
  Defaults defaults;
  int64_t time = 0;        // of the next sample
  std::size_t offset = 0;  // of the next sample
  std::vector<Sample> samples;
};

void read_samples(View trun, TrackRun& run, std::size_t& room) {
  Fields fields(trun);
  const uint32_t version = static_cast<uint32_t>(fields.take(1)), flags = static_cast<uint32_t>(fields.take(3));
  const uint32_t count = fields.u32();
  require(count <= room, ErrorCode::corrupt_data, "a fragment of the recording has more than {} samples", kMaxSamples);
  room -= count;
  if (flags & 0x1) run.offset = fields.u32();
  const uint32_t first_flags = flags & 0x4 ? fields.u32() : run.defaults.flags;
  for (uint32_t i = 0; i < count; ++i) {
    Sample& sample = run.samples.emplace_back();
    sample.duration = flags & 0x100 ? fields.u32() : run.defaults.duration;
    sample.size = flags & 0x200 ? fields.u32() : run.defaults.size;
    sample.is_key = !((flags & 0x400 ? fields.u32() : i == 0 ? first_flags : run.defaults.flags) & kIsNoKey);
    if (flags & 0x800) {
      const uint32_t later = fields.u32();
      sample.shown_later = version == 0 ? int64_t{later} : static_cast<int32_t>(later);
    }
    sample.time = run.time;
    sample.offset = run.offset;
    run.time += sample.duration;
    run.offset += sample.size;
    require(run.time <= kMaxTime, ErrorCode::corrupt_data, "a fragment of the recording has an impossible time");
  }
}

}  // namespace

struct FragmentParser::Movie {
  Track video;
  Track audio;  // id 0: none
  std::optional<AudioTrack> audio_track;

  explicit Movie(View moov) {
    std::vector<std::pair<uint32_t, Defaults>> defaults;
    each_box(moov, [&](uint32_t type, View content) {
      if (type == four("trak")) {
        Track track;
        read_track(content, track);
        if (track.is_audio && !track.audio.config.empty()) audio = std::move(track);
        if (track.is_video && video.id == 0) video = std::move(track);
      } else if (type == four("mvex")) {
        each_box(content, [&](uint32_t inner, View trex) {
          if (inner != four("trex")) return;
          Fields fields(trex);
          fields.view(4);
          const uint32_t id = fields.u32();
          fields.view(4);
          const uint32_t duration = fields.u32(), size = fields.u32();
          defaults.push_back({id, {duration, size, fields.u32()}});
        });
      }
    });
    require(video.id != 0 && video.timescale > 0 && video.video.width > 0, ErrorCode::corrupt_data,
            "the recording has no video track");
    for (Track* track : {&video, &audio})
      for (const auto& [id, values] : defaults)
        if (id == track->id) track->defaults = values;
    if (audio.timescale > 0) audio_track = audio.audio;
  }

  /// `visit` gets each track's samples.
  template <typename Visit>
  void each_run(View moof, Visit visit) const {
    std::size_t room = kMaxSamples;
    each_box(moof, [&](uint32_t type, View traf) {
      if (type != four("traf")) return;
      TrackRun run = read_run(traf, room);
      if (run.track == video.id) visit(video, run.samples);
      if (audio_track && run.track == audio.id) visit(audio, run.samples);
    });
  }

  TrackRun read_run(View traf, std::size_t& room) const {
    TrackRun run;
    each_box(traf, [&](uint32_t type, View content) {
      Fields fields(content);
      if (type == four("tfhd")) {
        const auto flags = static_cast<uint32_t>(fields.take(4)) & 0xffffff;
        run.track = fields.u32();
        run.defaults = run.track == audio.id ? audio.defaults : video.defaults;
        require(!(flags & 0x1), ErrorCode::corrupt_data,
                "a fragment of the recording refers to data outside of the fragment");
        if (flags & 0x2) fields.view(4);  // sample description
        if (flags & 0x8) run.defaults.duration = fields.u32();
        if (flags & 0x10) run.defaults.size = fields.u32();
        if (flags & 0x20) run.defaults.flags = fields.u32();
      } else if (type == four("tfdt")) {
        const bool is_long = fields.take(1) == 1;
        fields.view(3);
        const uint64_t time = fields.take(is_long ? 8 : 4);
        require(time <= kMaxTime, ErrorCode::corrupt_data, "a fragment of the recording has an impossible time");
        run.time = static_cast<int64_t>(time);
      } else if (type == four("trun")) {
        read_samples(content, run, room);
      }
    });
    return run;
  }

  /// The sample as its encoder gave it: of H.264, lengths become start codes.
  Bytes bytes(View sample, bool is_video, bool is_key) const {
    if (!is_video || video.video.codec != Codec::h264) return {sample.begin(), sample.end()};
    Bytes bytes;
    bytes.reserve(sample.size() + video.video.parameter_sets.size());
    if (is_key) bytes = video.video.parameter_sets;
    for (Fields fields(sample); !fields.rest().empty();) annex_b::append(fields.view(fields.u32()), bytes);
    return bytes;
  }
};

FragmentParser::FragmentParser(View init_segment) {
  each_box(init_segment, [&](uint32_t type, View content) {
    if (type == four("moov")) movie_ = std::make_shared<const Movie>(content);
  });
  require(movie_ != nullptr, ErrorCode::corrupt_data, "the recording has no description of its tracks (no moov box)");
}

const VideoTrack& FragmentParser::track() const noexcept { return movie_->video.video; }
const std::optional<AudioTrack>& FragmentParser::audio_track() const noexcept { return movie_->audio_track; }

std::vector<FragmentParser::Run> FragmentParser::runs(View moof) const {
  std::vector<Run> runs;
  movie_->each_run(moof.subspan(std::min<std::size_t>(8, moof.size())),
                   [&](const Track& track, std::vector<Sample>& samples) {
                     runs.push_back({track.id, std::move(samples)});
                   });
  return runs;
}

FragmentParser::Times FragmentParser::times(View moof) const {
  Times times;
  movie_->each_run(moof.subspan(std::min<std::size_t>(8, moof.size())),
                   [&](const Track& track, const std::vector<Sample>& samples) {
                     for (const Sample& sample : samples) times.data_bytes += static_cast<int64_t>(sample.size);
                     if (&track != &movie_->video || samples.empty()) return;
                     const Sample &first = samples.front(), &last = samples.back();
                     times.begin = track.ticks(first.time + first.shown_later);
                     times.duration = track.ticks(last.time + last.duration) - track.ticks(first.time);
                     times.pictures = static_cast<int64_t>(samples.size());
                   });
  return times;
}

FragmentParser::Units FragmentParser::units(View fragment) const {
  Fields boxes(fragment);
  const uint32_t size = boxes.u32();
  require(boxes.u32() == four("moof") && size >= 8, ErrorCode::corrupt_data,
          "a fragment of the recording does not begin with a moof box");
  Units units;
  movie_->each_run(boxes.view(size - 8), [&](const Track& track, const std::vector<Sample>& samples) {
    auto& out = &track == &movie_->video ? units.pictures : units.audio;
    for (const Sample& sample : samples) {
      require(sample.offset <= fragment.size() && sample.size <= fragment.size() - sample.offset,
              ErrorCode::corrupt_data,
              "a fragment of the recording has {} bytes, but a sample of {} bytes at offset {}", fragment.size(),
              sample.size, sample.offset);
      out.push_back({.bytes = std::make_shared<const Bytes>(
                         movie_->bytes(fragment.subspan(sample.offset, sample.size), track.is_video, sample.is_key)),
                     .pts = track.ticks(sample.time + sample.shown_later),
                     .dts = track.ticks(sample.time),
                     .duration = track.ticks(sample.duration),
                     .is_key = sample.is_key});
    }
  });
  require(!units.pictures.empty() || !units.audio.empty(), ErrorCode::corrupt_data,
          "a fragment of the recording has {} bytes, but no samples", fragment.size());
  return units;
}

}  // namespace rushes::media
