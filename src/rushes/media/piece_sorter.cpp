#include "rushes/media/piece_sorter.h"

#include <utility>

#include "rushes/media/audio_formats.h"

namespace rushes::media {

PieceSorter::Sorted PieceSorter::sort(std::span<const uint8_t> piece) {
  if (!held_.empty()) {
    told_ = std::exchange(held_, {});
    told_.insert(told_.end(), piece.begin(), piece.end());
    piece = told_;
  }
  if (audio_format_of(piece, Sure::no)) return {Kind::file, piece};
  if (!may_begin_format(piece)) return {Kind::samples, piece};
  held_.assign(piece.begin(), piece.end());
  return {Kind::undecided, {}};
}

PieceSorter::Sorted PieceSorter::finish() {
  told_ = std::exchange(held_, {});
  const bool is_file = audio_format_of(told_, Sure::no, /*at_end=*/true).has_value();
  return {is_file ? Kind::file : Kind::samples, told_};
}

}  // namespace rushes::media
