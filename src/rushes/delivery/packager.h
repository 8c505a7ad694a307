// GOPs in a row as one piece in a container, made once for all who want it.
#pragma once
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "rushes/delivery/encoded_stream.h"

namespace rushes::delivery {

using SharedBytes = std::shared_ptr<const media::Bytes>;

/// Remembers the newest pieces of one stream. Any thread; who asks while a piece is being made waits for it.
class Packager {
 public:
  using Pack = std::function<SharedBytes(std::span<const GopPtr> gops)>;
  Packager(std::shared_ptr<const EncodedStream> video, Pack pack, std::size_t kept)
      : video_(std::move(video)), pack_(std::move(pack)), kept_(kept) {}

  /// GOPs from `first` on. Throws Error(not_found) if one of them cannot be had, and what `pack` throws.
  SharedBytes piece(int64_t first, int64_t count);

 private:
  struct Piece {
    int64_t first, count;
    std::mutex mutex;  // while it is being made
    SharedBytes bytes;
  };
  std::shared_ptr<Piece> find(int64_t first, int64_t count);

  const std::shared_ptr<const EncodedStream> video_;
  const Pack pack_;
  const std::size_t kept_;
  std::mutex mutex_;
  std::deque<std::shared_ptr<Piece>> pieces_;  // the newest last
};

/// Their fragments, as they were recorded; a single one is not copied.
Packager::Pack as_fragments();
/// A segment of MPEG-TS with all times later by `shift`. Throws Error(unsupported) for a track that is not H.264.
Packager::Pack as_mpeg_ts(const EncodedStream& video, media::Pts shift);
/// One plain MP4 of several videos, one after the other. Where they differ in size their pictures say so themselves,
/// and where one has no sound there is silence. Throws Error(unavailable) if a part of them can no longer be had,
/// Error(unsupported) for what one track cannot hold: other codecs, or sound of another rate.
SharedBytes joined_mp4(std::span<const std::shared_ptr<const EncodedStream>> videos);

}  // namespace rushes::delivery
