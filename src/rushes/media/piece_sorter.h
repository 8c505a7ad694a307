// Where files and bare samples may both come: which of them a piece is.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace rushes::media {

/// Holds the first bytes back as long as they may begin a file, and no longer. One thread.
class PieceSorter {
 public:
  enum class Kind { undecided, file, samples };
  struct Sorted {
    Kind kind;
    std::span<const uint8_t> bytes;  // what was held back, and the piece; valid until the next call
  };
  Sorted sort(std::span<const uint8_t> piece);
  /// Of what was held back, since no more will come; empty samples if that is nothing.
  Sorted finish();

 private:
  std::vector<uint8_t> held_, told_;
};

}  // namespace rushes::media
