#include "rushes/text/byte_trie.h"

#include <algorithm>

namespace rushes::text {

ByteTrie::ByteTrie(std::vector<std::pair<std::string, int32_t>> entries) : nodes_(1) {
  std::ranges::stable_sort(entries, {}, &std::pair<std::string, int32_t>::first);
  struct Range {
    uint32_t node;
    size_t begin, end, depth;  // entries that share the first `depth` bytes
  };
  std::vector<Range> level{{0, 0, entries.size(), 0}}, next;
  while (!level.empty()) {
    next.clear();
    for (auto [node, begin, end, depth] : level) {
      for (; begin < end && entries[begin].first.size() == depth; ++begin)
        if (depth > 0) nodes_[node].value = entries[begin].second;
      nodes_[node].first_child = static_cast<uint32_t>(nodes_.size());
      while (begin < end) {
        const char label = entries[begin].first[depth];
        size_t stop = begin + 1;
        while (stop < end && entries[stop].first[depth] == label) ++stop;
        next.push_back({static_cast<uint32_t>(nodes_.size()), begin, stop, depth + 1});
        nodes_.push_back({.label = static_cast<uint8_t>(label)});
        ++nodes_[node].children;
        begin = stop;
      }
    }
    level.swap(next);
  }
}

const ByteTrie::Node* ByteTrie::child(const Node& node, uint8_t label) const {
  const auto begin = nodes_.begin() + node.first_child, end = begin + node.children;
  const auto found =
      std::lower_bound(begin, end, label, [](const Node& n, uint8_t wanted) { return n.label < wanted; });
  return found != end && found->label == label ? &*found : nullptr;
}

int32_t ByteTrie::find(std::string_view key) const {
  int32_t value = -1;
  prefixes(key, [&](size_t length, int32_t found) {
    if (length == key.size()) value = found;
  });
  return value;
}

}  // namespace rushes::text
