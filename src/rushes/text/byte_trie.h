// Finds all entries of a vocabulary that begin at a place in a text.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rushes::text {

/// Built once, then read by any thread. Nodes stand in breadth-first order, so that children are neighbours.
class ByteTrie {
 public:
  ByteTrie() : nodes_(1) {}
  /// Keys and their values >= 0. Empty keys are left out; of equal keys the last one counts.
  explicit ByteTrie(std::vector<std::pair<std::string, int32_t>> entries);

  /// Calls found(length in bytes, value) for every entry that `text` begins with, shortest first.
  template <typename Found>
  void prefixes(std::string_view text, Found found) const {
    const Node* node = &nodes_.front();
    for (size_t i = 0; i < text.size(); ++i) {
      node = child(*node, static_cast<uint8_t>(text[i]));
      if (node == nullptr) return;
      if (node->value >= 0) found(i + 1, node->value);
    }
  }
  /// Value of the entry that equals `key`, or -1.
  int32_t find(std::string_view key) const;

 private:
  struct Node {
    uint32_t first_child = 0;
    uint16_t children = 0;
    uint8_t label = 0;
    int32_t value = -1;
  };
  const Node* child(const Node& node, uint8_t label) const;

  std::vector<Node> nodes_;
};

}  // namespace rushes::text
