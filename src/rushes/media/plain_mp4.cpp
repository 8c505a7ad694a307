#include "rushes/media/plain_mp4.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "rushes/media/mp4_boxes.h"

namespace rushes::media {
namespace {

using mp4::each_box;
using mp4::Fields;
using mp4::four;
using mp4::View;

constexpr int64_t kMost32 = std::numeric_limits<uint32_t>::max();
constexpr std::size_t kLargeHead = 16, kHead = 8;

void put(uint64_t value, int bytes, Bytes& to) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(static_cast<uint8_t>(value >> (8 * i)));
}
void put(View bytes, Bytes& to) { to.insert(to.end(), bytes.begin(), bytes.end()); }

/// A box whose content `fill` writes.
template <typename Fill>
void put_box(uint32_t type, Bytes& to, Fill fill) {
  const std::size_t begin = to.size();
  put(0, 4, to);
  put(type, 4, to);
  fill(to);
  const std::size_t size = to.size() - begin;
  for (std::size_t i = 0; i < 4; ++i) to[begin + i] = static_cast<uint8_t>(size >> (8 * (3 - i)));
}

/// mvhd, tkhd or mdhd with another duration, and with another number if one is given; the field between the times and
/// the duration is a number and, of a track's header, four bytes that are reserved.
void put_header(uint32_t type, View content, int64_t duration, Bytes& to, std::optional<uint32_t> other_number = {}) {
  Fields fields(content);
  const bool was_long = fields.take(1) == 1, is_long = duration > kMost32;
  const uint64_t flags = fields.take(3);
  const int from = was_long ? 8 : 4, wide = is_long ? 8 : 4;
  const uint64_t created = fields.take(static_cast<std::size_t>(from)),
                 changed = fields.take(static_cast<std::size_t>(from));
  const View number = fields.view(type == four("tkhd") ? 8 : 4);
  fields.view(static_cast<std::size_t>(from));
  put_box(type, to, [&](Bytes& box) {
    put(is_long ? 1 : 0, 1, box);
    put(flags, 3, box);
    put(created, wide, box);
    put(changed, wide, box);
    if (other_number)
      put(*other_number, 4, box);
    else
      put(number, box);
    put(static_cast<uint64_t>(duration), wide, box);
    put(fields.rest(), box);
  });
}

/// Numbers in a table with equal ones in a row as one entry of count and value.
class RunLengths {
 public:
  void add(uint32_t value) {
    if (entries_.empty() || entries_.back().second != value) entries_.push_back({0, value});
    ++entries_.back().first;
  }
  void put_to(uint32_t type, int version, Bytes& to) const {
    put_box(type, to, [&](Bytes& box) {
      put(static_cast<uint64_t>(version) << 24, 4, box);
      put(entries_.size(), 4, box);
      for (const auto& [count, value] : entries_) {
        put(count, 4, box);
        put(value, 4, box);
      }
    });
  }

 private:
  std::vector<std::pair<uint32_t, uint32_t>> entries_;
};

/// Samples of one track that lie one behind the other.
struct Chunk {
  int64_t offset = 0;  // from the beginning of all data
  uint32_t samples = 0;
};

struct Track {
  struct Sample {
    int64_t time = 0;
    uint32_t size = 0;
    int32_t shown_later = 0;
    bool is_key = false;
  };
  uint32_t id = 0, timescale = 0;
  Bytes trak;  // the box's content
  std::vector<Sample> samples;
  std::vector<Chunk> chunks;
  int64_t end = 0;  // of the newest sample, in the track's units

  int64_t begin() const { return samples.empty() ? 0 : samples.front().time; }
  int64_t duration() const { return end - begin(); }

  void put_samples(int64_t data_begin, bool is_long, Bytes& to) const {
    // What a sample lasts is the way to the next one: holes in the sound and joints of utterances keep their times.
    RunLengths durations, later;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const int64_t next = i + 1 < samples.size() ? samples[i + 1].time : end;
      durations.add(static_cast<uint32_t>(std::clamp<int64_t>(next - samples[i].time, 0, kMost32)));
      later.add(static_cast<uint32_t>(samples[i].shown_later));
    }
    durations.put_to(four("stts"), 0, to);
    if (std::any_of(samples.begin(), samples.end(), [](const Sample& sample) { return sample.shown_later != 0; }))
      later.put_to(four("ctts"), 1, to);
    const auto keys = std::count_if(samples.begin(), samples.end(), [](const Sample& sample) { return sample.is_key; });
    if (keys < static_cast<std::ptrdiff_t>(samples.size()))
      put_box(four("stss"), to, [&](Bytes& box) {
        put(0, 4, box);
        put(static_cast<uint64_t>(keys), 4, box);
        for (std::size_t i = 0; i < samples.size(); ++i)
          if (samples[i].is_key) put(i + 1, 4, box);
      });
    put_box(four("stsz"), to, [&](Bytes& box) {
      put(0, 8, box);
      put(samples.size(), 4, box);
      for (const Sample& sample : samples) put(sample.size, 4, box);
    });
    put_box(four("stsc"), to, [&](Bytes& box) {
      put(0, 4, box);
      const std::size_t count_at = box.size();
      put(0, 4, box);
      uint32_t entries = 0;
      for (std::size_t i = 0; i < chunks.size(); ++i) {
        if (i > 0 && chunks[i].samples == chunks[i - 1].samples) continue;
        put(i + 1, 4, box);
        put(chunks[i].samples, 4, box);
        put(1, 4, box);
        ++entries;
      }
      for (std::size_t i = 0; i < 4; ++i) box[count_at + i] = static_cast<uint8_t>(entries >> (8 * (3 - i)));
    });
    put_box(is_long ? four("co64") : four("stco"), to, [&](Bytes& box) {
      put(0, 4, box);
      put(chunks.size(), 4, box);
      for (const Chunk& chunk : chunks) put(static_cast<uint64_t>(data_begin + chunk.offset), is_long ? 8 : 4, box);
    });
  }
};

/// The number after the times of tkhd (the track's) or mdhd, mvhd (ticks a second).
uint32_t number_of(View header) {
  Fields fields(header);
  const bool is_long = fields.take(1) == 1;
  fields.view(is_long ? 3 + 16 : 3 + 8);
  return fields.u32();
}

}  // namespace

struct PlainMp4::State {
  Bytes ftyp;                                     // the box
  std::vector<std::pair<uint32_t, Bytes>> movie;  // boxes of moov; a track's content is in `tracks`
  std::vector<Track> tracks;
  uint32_t timescale = 0;  // of the movie
  FragmentParser parser;
  int64_t data_bytes = 0;

  std::optional<Pts> length;

  State(View init_segment, std::optional<Pts> given_length) : parser(init_segment), length(given_length) {
    each_box(init_segment, [&](uint32_t type, View content) {
      if (type == four("ftyp")) put_box(type, ftyp, [&](Bytes& box) { put(content, box); });
      if (type != four("moov")) return;
      each_box(content, [&](uint32_t inner, View box) {
        if (inner == four("mvex")) return;  // that there are fragments
        if (inner == four("mvhd")) timescale = number_of(box);
        if (inner == four("trak")) tracks.push_back(read_track(box));
        movie.push_back({inner, Bytes(box.begin(), box.end())});
      });
    });
    require(timescale > 0, ErrorCode::corrupt_data, "the recording's header (mvhd) has no time scale");
    if (length) timescale = Pts::period::den;  // thousandths of a second would miss it
  }

  static Track read_track(View trak) {
    Track track{.trak = Bytes(trak.begin(), trak.end())};
    each_box(trak, [&](uint32_t type, View content) {
      if (type == four("tkhd")) track.id = number_of(content);
      if (type != four("mdia")) return;
      each_box(content, [&](uint32_t inner, View box) {
        if (inner == four("mdhd")) track.timescale = number_of(box);
      });
    });
    require(track.timescale > 0, ErrorCode::corrupt_data, "a track of the recording has no time scale");
    return track;
  }

  int64_t movie_time(int64_t time, const Track& track) const {
    return static_cast<int64_t>(static_cast<__int128>(time) * timescale / track.timescale);
  }

  void put_media(View mdia, const Track& track, int64_t data_begin, bool is_long, Bytes& to) const {
    put_box(four("mdia"), to, [&](Bytes& box) {
      each_box(mdia, [&](uint32_t type, View content) {
        if (type == four("mdhd")) return put_header(type, content, track.duration(), box);
        if (type != four("minf")) return put_box(type, box, [&](Bytes& inner) { put(content, inner); });
        put_box(type, box, [&](Bytes& minf) {
          each_box(content, [&](uint32_t inner, View part) {
            put_box(inner, minf, [&](Bytes& made) {
              if (inner != four("stbl")) return put(part, made);
              each_box(part, [&](uint32_t table, View entries) {
                if (table == four("stsd")) put_box(table, made, [&](Bytes& stsd) { put(entries, stsd); });
              });
              track.put_samples(data_begin, is_long, made);
            });
          });
        });
      });
    });
  }

  void put_track(const Track& track, int64_t data_begin, bool is_long, Bytes& to) const {
    const int64_t begin = movie_time(track.begin(), track), all = movie_time(track.duration(), track);
    const int64_t duration = length ? std::clamp<int64_t>(length->count() - begin, 0, all) : all;
    put_box(four("trak"), to, [&](Bytes& box) {
      each_box(track.trak, [&](uint32_t type, View content) {
        if (type == four("tkhd")) put_header(type, content, begin + duration, box);
        if (type != four("mdia")) return;
        // One that begins later than the others waits until then, and one that ends too late is cut.
        if (begin > 0 || duration < all)
          put_box(four("edts"), box, [&](Bytes& edits) {
            put_box(four("elst"), edits, [&](Bytes& list) {
              put(uint64_t{1} << 24, 4, list);
              put(begin > 0 ? 2 : 1, 4, list);
              if (begin > 0) {
                put(static_cast<uint64_t>(begin), 8, list);
                put(~uint64_t{0}, 8, list);  // nothing
                put(0x10000, 4, list);       // at its own speed
              }
              put(static_cast<uint64_t>(duration), 8, list);
              put(0, 8, list);
              put(0x10000, 4, list);
            });
          });
        put_media(content, track, data_begin, is_long, box);
      });
    });
  }

  Bytes head(int64_t data_begin, bool is_long, View between) const {
    int64_t duration = 0;
    for (const Track& track : tracks) duration = std::max(duration, movie_time(track.end, track));
    if (length) duration = length->count();
    Bytes bytes = ftyp;
    put_box(four("moov"), bytes, [&](Bytes& box) {
      std::size_t track = 0;
      for (const auto& [type, content] : movie) {
        if (type == four("mvhd"))
          put_header(type, content, duration, box, timescale);
        else if (type != four("trak"))
          put_box(type, box, [&, &inside = content](Bytes& inner) { put(inside, inner); });
        else if (const Track& made = tracks[track++]; !made.samples.empty())
          put_track(made, data_begin, is_long, box);
      }
    });
    put(between, bytes);
    if (is_long) {
      put(1, 4, bytes);
      put(four("mdat"), 4, bytes);
      put(static_cast<uint64_t>(data_bytes) + kLargeHead, 8, bytes);
    } else {
      put(static_cast<uint64_t>(data_bytes) + kHead, 4, bytes);
      put(four("mdat"), 4, bytes);
    }
    return bytes;
  }
};

PlainMp4::PlainMp4(View init_segment, std::optional<Pts> length)
    : state_(std::make_unique<State>(init_segment, length)) {}
PlainMp4::~PlainMp4() = default;
PlainMp4::PlainMp4(PlainMp4&&) noexcept = default;
PlainMp4& PlainMp4::operator=(PlainMp4&&) noexcept = default;

int64_t PlainMp4::data_bytes() const noexcept { return state_->data_bytes; }

void PlainMp4::add(View moof) {
  State& s = *state_;
  const auto data = static_cast<int64_t>(moof.size() + kHead);  // where it begins in the fragment
  int64_t bytes = 0;
  for (const FragmentParser::Run& run : s.parser.runs(moof)) {
    const auto track =
        std::find_if(s.tracks.begin(), s.tracks.end(), [&](const Track& t) { return t.id == run.track; });
    if (track == s.tracks.end()) continue;
    std::optional<std::size_t> follows;  // where the sample before ends
    for (const FragmentParser::Sample& sample : run.samples) {
      const int64_t offset = static_cast<int64_t>(sample.offset) - data;
      require(offset >= 0 && static_cast<int64_t>(sample.size) <= kMost32, ErrorCode::corrupt_data,
              "a fragment of the recording has a sample of {} bytes at offset {}", sample.size, sample.offset);
      if (follows != sample.offset) track->chunks.push_back({.offset = s.data_bytes + offset});
      ++track->chunks.back().samples;
      follows = sample.offset + sample.size;
      // Decoding times never run backwards.
      const int64_t time = track->samples.empty() ? sample.time : std::max(sample.time, track->samples.back().time);
      track->samples.push_back({.time = time,
                                .size = static_cast<uint32_t>(sample.size),
                                .shown_later = static_cast<int32_t>(sample.time + sample.shown_later - time),
                                .is_key = sample.is_key});
      track->end = std::max(track->end, time + sample.duration);
      bytes = std::max(bytes, offset + static_cast<int64_t>(sample.size));
    }
  }
  s.data_bytes += bytes;
}

Bytes PlainMp4::head(View between) const {
  const State& s = *state_;
  // Its size depends on nothing but the width of the offsets, so that it tells where the data begins.
  const auto size_of = [&](bool is_long) { return static_cast<int64_t>(s.head(0, is_long, between).size()); };
  const int64_t short_size = size_of(false);
  const bool is_long = short_size + s.data_bytes + static_cast<int64_t>(kHead) > kMost32;
  return s.head(is_long ? size_of(true) : short_size, is_long, between);
}

Bytes plain_mp4(View fragmented, std::optional<Pts> length) {
  Bytes data;
  std::optional<PlainMp4> plain;
  std::size_t at = 0;
  each_box(fragmented, [&](uint32_t type, View content) {
    const View box = fragmented.subspan(at, content.size() + kHead);
    at += box.size();
    if (type == four("moov")) plain.emplace(fragmented.first(at), length);
    if (type == four("moof") && plain) plain->add(box);
    if (type == four("mdat")) put(content, data);
  });
  require(plain.has_value(), ErrorCode::corrupt_data, "the video has no description of its tracks (no moov box)");
  require(plain->data_bytes() == static_cast<int64_t>(data.size()), ErrorCode::corrupt_data,
          "the video's fragments describe {} bytes of data, but have {}", plain->data_bytes(), data.size());
  Bytes bytes = plain->head();
  put(data, bytes);
  return bytes;
}

}  // namespace rushes::media
