#include "rushes/media/recorded_file.h"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <numeric>

#include "rushes/base/log.h"
#include "rushes/media/fragment_parser.h"
#include "rushes/media/mp4_boxes.h"

namespace rushes::media {
namespace {

using mp4::four;

// Headers only: what a writer of ours makes is a few hundred bytes; more is no recording.
constexpr int64_t kMaxHeaderBytes = 1 << 20;

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
    int64_t offset = 0, size = 0, head = 8;
  };
  /// Nothing: what follows is not a complete box.
  std::optional<Box> next() {
    const std::optional<Box> box = next_begun();
    return box && box->size <= size_ - box->offset ? box : std::nullopt;
  }
  /// Nothing: what follows is not the beginning of a box. The file may end within it; then nothing follows.
  std::optional<Box> next_begun() {
    if (size_ - position_ < 8) return std::nullopt;
    const Bytes head = read(position_, 8);
    mp4::Fields fields(head);
    Box box{.offset = position_};
    box.size = fields.u32();
    box.type = fields.u32();
    if (box.size == 1 && size_ - position_ >= 16) {
      const Bytes large = read(position_ + 8, 8);
      box.size = static_cast<int64_t>(std::min<uint64_t>(mp4::Fields(large).take(8), INT64_MAX));
      box.head = 16;
    }
    if (box.size < box.head) return std::nullopt;
    position_ += std::min(box.size, size_ - position_);
    return box;
  }
  Bytes read(int64_t offset, int64_t size) {
    Bytes bytes(static_cast<std::size_t>(size));
    file_.seekg(offset);
    file_.read(reinterpret_cast<char*>(bytes.data()), size);
    require(file_.good(), ErrorCode::unavailable, "the recording does not have {} bytes at offset {}", size, offset);
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
    mp4::Fields fields(head);
    const int64_t said = fields.u32();
    const uint32_t type = fields.u32();
    return said > left && (size == 0 || said == size) && std::find(types.begin(), types.end(), type) != types.end();
  }
  return left > 0;  // too little to tell
}

/// Whether what lies from `offset` on is a fragment that was not written whole: all that is there belongs to one.
bool begins_fragment(BoxFile& file, int64_t offset, const FragmentParser& parser) {
  const int64_t left = file.size() - offset;
  if (left < 8) return left > 0;
  const Bytes bytes = file.read(offset, 8);
  mp4::Fields fields(bytes);
  const int64_t size = fields.u32();
  if (fields.u32() != four("moof") || size < 8 || size > kMaxHeaderBytes) return false;
  if (size <= left) try {
      const int64_t data_bytes = parser.times(file.read(offset, size)).data_bytes;
      return left == size || ends_within_box(file, offset + size, {four("mdat")}, data_bytes);
    } catch (const Error&) {
      return false;
    }
  for (int64_t at = offset + 8; at < offset + left;) {
    if (ends_within_box(file, at, {four("mfhd"), four("traf")})) return true;
    const Bytes head = file.read(at, 8);
    mp4::Fields inner(head);
    const int64_t child = inner.u32();
    const uint32_t type = inner.u32();
    if (child < 8 || (type != four("mfhd") && type != four("traf"))) return false;
    at += child;
  }
  return true;
}

/// Takes over what `moof`, the head of the next fragment, says. False: it is none.
bool add_fragment(RecordedFile& recorded, const FragmentParser& parser, std::span<const uint8_t> moof,
                  const FragmentPlace& place) {
  FragmentParser::Times times;
  try {
    times = parser.times(moof);
  } catch (const Error&) {
    return false;
  }
  if (times.data_bytes != place.data_bytes + 8) return false;
  if (times.pictures == 0) {
    // The end of the sound, behind the last picture.
    if (!recorded.audio || recorded.fragments.empty()) return false;
    times.begin = recorded.fragments.back().pts + recorded.fragments.back().duration;
  }
  recorded.fragments.push_back(
      {.place = place, .pts = times.begin, .duration = times.duration, .video_frames = times.pictures});
  return true;
}

void describe(RecordedFile& recorded, const FragmentParser& parser) {
  recorded.audio = parser.audio_track();
  recorded.track = parser.track();
}

/// One of write_plain_mp4(), whose data stands in the box `data`; the file may end within that. `index`: where the box
/// with the headers begins.
void read_plain(RecordedFile& recorded, const std::filesystem::path& path, const BoxFile::Box& data, int64_t index) {
  recorded.index = index;
  recorded.lost_bytes = data.size - std::min(data.size, recorded.file_bytes - data.offset);
  const auto file = ReadableFile::open(path);
  recorded.index_bytes = index_bytes(*file, *recorded.index);
  const Bytes headers = fragment_headers(*file, *recorded.index);
  int64_t at = 0, data_at = data.offset + data.head;
  std::optional<FragmentParser> parser;
  mp4::each_box(headers, [&](uint32_t type, mp4::View content) {
    const int64_t size = static_cast<int64_t>(content.size()) + 8;
    const auto box = std::span(headers).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(size));
    if (type == four("moov")) {
      recorded.init_segment.assign(headers.begin(), headers.begin() + at + size);
      parser.emplace(recorded.init_segment);
      describe(recorded, *parser);
    } else if (type == four("moof")) {
      require(parser.has_value(), ErrorCode::corrupt_data, "{} has fragments without tracks", path.string());
      FragmentPlace place{
          .head = at, .head_bytes = size, .data = data_at, .data_bytes = parser->times(box).data_bytes - 8};
      data_at += place.data_bytes;
      if (data_at <= recorded.file_bytes)
        require(add_fragment(recorded, *parser, box, place), ErrorCode::corrupt_data,
                "{} has a fragment that cannot be read", path.string());
    }
    at += size;
  });
  require(parser.has_value() && data_at - data.offset == data.size, ErrorCode::corrupt_data,
          "the index of {} does not describe its data", path.string());
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
          "{} does not begin with the header of a recording (ftyp, moov)", path.string());
  RecordedFile recorded;
  recorded.file_bytes = file.size();
  std::optional<BoxFile::Box> head = file.next();
  if (head && head->type == four("uuid")) {
    const auto data = file.next_begun();
    require(data && data->type == four("mdat"), ErrorCode::corrupt_data, "{} has lost its data", path.string());
    read_plain(recorded, path, *data, head->offset);
    return recorded;
  }
  if (head && head->type == four("mdat")) {  // of an earlier version
    read_plain(recorded, path, *head, head->offset + head->size);
    return recorded;
  }
  const int64_t init_bytes = movie->offset + movie->size;
  require(init_bytes <= kMaxHeaderBytes, ErrorCode::corrupt_data, "the header of {} has {} bytes", path.string(),
          init_bytes);
  recorded.init_segment = file.read(0, init_bytes);
  const FragmentParser parser(recorded.init_segment);
  describe(recorded, parser);
  for (; head; head = file.next()) {
    const auto data = file.next();
    if (head->type != four("moof") || head->size > kMaxHeaderBytes || !data || data->type != four("mdat") ||
        data->head != 8)
      break;
    const FragmentPlace place{.head = head->offset,
                              .head_bytes = head->size,
                              .data = data->offset + data->head,
                              .data_bytes = data->size - data->head};
    if (!add_fragment(recorded, parser, file.read(head->offset, head->size), place)) break;
  }
  recorded.cut_off = begins_fragment(file, recorded.complete_bytes(), parser);
  return recorded;
}

void finish_mp4(const std::filesystem::path& path) {
  namespace fs = std::filesystem;
  std::error_code status;
  const fs::path target = fs::canonical(path, status);  // where a link leads
  if (status || !fs::is_regular_file(target, status)) return;
  const RecordedFile recorded = read_recorded_file(target);
  if (recorded.index || recorded.fragments.empty()) return;
  std::vector<FragmentPlace> places;
  for (const RecordedFragment& fragment : recorded.fragments) places.push_back(fragment.place);
  const fs::path beside = target.string() + ".finished";
  try {
    write_plain_mp4(*ReadableFile::open(target), recorded.init_segment, places, beside);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unavailable) throw;
    log::warning("{}: it stays a fragmented MP4, without its length: {}", path.string(), error.what());
    return;
  }
  fs::permissions(beside, fs::status(target, status).permissions(), status);
  fs::rename(beside, target, status);
  require(!status, ErrorCode::unavailable, "cannot replace {}: {}", target.string(), status.message());
  sync_directory_of(target);
}

}  // namespace rushes::media
