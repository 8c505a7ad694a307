// Plain MP4 files: written beside the fragments that they are made of, and read back as these.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "rushes/media/mp4_boxes.h"
#include "rushes/media/plain_mp4.h"

namespace rushes::media {
namespace {

using mp4::Fields;
using mp4::four;
using mp4::View;
namespace fs = std::filesystem;

constexpr int64_t kPieceBytes = 1 << 20;
constexpr int64_t kMostHeaders = 256 << 20;  // of a day of short blocks: some 100 MiB
// Of the box with the fragments' headers: a random one.
constexpr uint8_t kIndexType[16] = {0xc4, 0xd1, 0x82, 0x53, 0x99, 0xb9, 0x40, 0xdd,
                                    0x81, 0xc3, 0xd1, 0xe5, 0x17, 0x9c, 0xc7, 0xea};
constexpr std::size_t kIndexHead = 8 + sizeof kIndexType + 8;  // with the size of the headers

/// A new file, which is gone again unless it is kept.
class NewFile {
 public:
  explicit NewFile(const fs::path& path) : path_(path) {
    descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor_ < 0) fail(ErrorCode::unavailable, "cannot write {}: {}", path.string(), std::strerror(errno));
  }
  ~NewFile() {
    ::close(descriptor_);
    if (!kept_) ::unlink(path_.c_str());
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(View bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const int reason = errno;
        const bool full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
        fail(full ? ErrorCode::exhausted : ErrorCode::unavailable, "cannot write {}: {}", path_.string(),
             std::strerror(reason));
      }
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      size_ += written;
    }
  }
  void keep() {
    if (::fdatasync(descriptor_) != 0)
      fail(ErrorCode::unavailable, "cannot write {}: {}", path_.string(), std::strerror(errno));
    kept_ = true;
  }
  int64_t size() const { return size_; }

 private:
  const fs::path path_;
  int descriptor_ = -1;
  int64_t size_ = 0;
  bool kept_ = false;
};

Bytes read(const ReadableFile& file, int64_t offset, int64_t size) {
  Bytes bytes(static_cast<std::size_t>(size));
  require(file.read(offset, bytes), ErrorCode::corrupt_data, "the recording does not have {} bytes at offset {}", size,
          offset);
  return bytes;
}

void put(uint64_t value, int bytes, Bytes& to) {
  for (int i = bytes - 1; i >= 0; --i) to.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

/// Compressed: heads are very much alike.
Bytes index_box(View headers) {
  uLongf size = ::compressBound(headers.size());
  Bytes compressed(size);
  require(::compress2(compressed.data(), &size, headers.data(), headers.size(), Z_BEST_SPEED) == Z_OK,
          ErrorCode::exhausted, "out of memory for the headers of a recording's fragments");
  Bytes box;
  put(kIndexHead + size, 4, box);
  put(four("uuid"), 4, box);
  box.insert(box.end(), std::begin(kIndexType), std::end(kIndexType));
  put(headers.size(), 8, box);
  box.insert(box.end(), compressed.begin(), compressed.begin() + static_cast<std::ptrdiff_t>(size));
  return box;
}

}  // namespace

PlainMp4File write_plain_mp4(const ReadableFile& from, View init_segment, std::span<const FragmentPlace> places,
                             const fs::path& to) {
  PlainMp4 plain(init_segment);
  PlainMp4File made;
  Bytes headers(init_segment.begin(), init_segment.end());
  int64_t data_bytes = 0;
  for (const FragmentPlace& place : places) {
    const Bytes moof = read(from, place.head, place.head_bytes);
    plain.add(moof);
    made.places.push_back({.head = static_cast<int64_t>(headers.size()),
                           .head_bytes = place.head_bytes,
                           .data = 0,
                           .data_bytes = place.data_bytes});
    headers.insert(headers.end(), moof.begin(), moof.end());
    data_bytes += place.data_bytes;
    require(plain.data_bytes() == data_bytes, ErrorCode::corrupt_data,
            "a fragment of the recording has {} bytes of data, but describes others", place.data_bytes);
  }
  const Bytes index = index_box(headers), head = plain.head(index);
  for (int box = 0; box < 2; ++box)  // it stands behind ftyp and moov
    made.index += Fields(View(head).subspan(static_cast<std::size_t>(made.index))).u32();
  NewFile file(to);
  file.write(head);
  for (std::size_t i = 0; i < places.size(); ++i) {
    made.places[i].data = file.size();
    for (int64_t done = 0; done < places[i].data_bytes; done += kPieceBytes)
      file.write(read(from, places[i].data + done, std::min(kPieceBytes, places[i].data_bytes - done)));
  }
  made.bytes = file.size();
  file.keep();
  return made;
}

int64_t index_bytes(const ReadableFile& file, int64_t index) {
  const int64_t left = file.size() - index;
  static constexpr char kNone[] = "the recording does not have the headers of its fragments";
  require(left >= static_cast<int64_t>(kIndexHead), ErrorCode::corrupt_data, kNone);
  const Bytes head = read(file, index, kIndexHead);
  Fields fields(head);
  const int64_t size = fields.u32();
  require(size >= static_cast<int64_t>(kIndexHead) && size <= std::min(left, kMostHeaders) &&
              fields.u32() == four("uuid") && std::ranges::equal(fields.view(sizeof kIndexType), kIndexType),
          ErrorCode::corrupt_data, kNone);
  return size;
}

Bytes fragment_headers(const ReadableFile& file, int64_t index) {
  const Bytes box = read(file, index, index_bytes(file, index));
  Fields fields(box);
  fields.view(kIndexHead - 8);
  const uint64_t whole = fields.take(8);
  require(whole <= static_cast<uint64_t>(kMostHeaders), ErrorCode::corrupt_data,
          "the headers of the recording's fragments have {} bytes", whole);
  Bytes headers(whole);
  uLongf got = headers.size();
  require(::uncompress(headers.data(), &got, fields.rest().data(), fields.rest().size()) == Z_OK && got == whole,
          ErrorCode::corrupt_data, "the headers of the recording's fragments are damaged");
  return headers;
}

void sync_directory_of(const fs::path& path) {
  const int directory =
      ::open(path.has_parent_path() ? path.parent_path().c_str() : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  ::fsync(directory);
  ::close(directory);
}

}  // namespace rushes::media
