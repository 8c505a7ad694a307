#include "rushes/media/recorded_file.h"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <numeric>

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
    int64_t offset = 0, size = 0;
  };
  /// Nothing: what follows is no complete box.
  std::optional<Box> next() {
    if (size_ - position_ < 8) return std::nullopt;
    const Bytes head = read(position_, 8);
    mp4::Fields fields(head);
    Box box{.offset = position_};
    box.size = fields.u32();
    box.type = fields.u32();
    if (box.size < 8 || box.size > size_ - position_) return std::nullopt;
    position_ += box.size;
    return box;
  }
  /// With its head. Throws Error(corrupt_data) if it is too large to be a header.
  Bytes header(const Box& box) {
    require(box.size <= kMaxHeaderBytes, ErrorCode::corrupt_data, "a header of the recording has {} bytes", box.size);
    return read(box.offset, box.size);
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
  require(type && type->type == four("ftyp") && movie && movie->type == four("moov") &&
              movie->offset + movie->size <= kMaxHeaderBytes,
          ErrorCode::corrupt_data, "{} does not begin with the header of a recording (ftyp, moov)", path.string());
  RecordedFile recorded;
  recorded.init_segment = file.read(0, movie->offset + movie->size);
  const FragmentParser parser(recorded.init_segment);
  recorded.audio = parser.audio_track();
  recorded.track = parser.track();
  recorded.file_bytes = file.size();
  while (const auto head = file.next()) {
    const auto data = file.next();
    if (head->type != four("moof") || !data || data->type != four("mdat")) break;
    FragmentParser::Times times;
    try {
      times = parser.times(file.header(*head));
      if (times.data_bytes != data->size) break;
    } catch (const Error&) {
      break;
    }
    if (times.pictures == 0) {
      // The end of the sound, behind the last picture.
      if (!recorded.audio || recorded.fragments.empty()) break;
      times.begin = recorded.fragments.back().pts + recorded.fragments.back().duration;
    }
    recorded.fragments.push_back({.offset = head->offset,
                                  .size = head->size + data->size,
                                  .pts = times.begin,
                                  .duration = times.duration,
                                  .video_frames = times.pictures});
  }
  recorded.cut_off = begins_fragment(file, recorded.complete_bytes(), parser);
  return recorded;
}

}  // namespace rushes::media
