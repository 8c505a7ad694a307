#include "rushes/tensor/completeness.h"

#include <fmt/ranges.h>

#include <cctype>
#include <set>
#include <tuple>

#include "rushes/base/error.h"
#include "rushes/tensor/dtype.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

/// Keys that differ in their first number only, as one.
class KeyList {
 public:
  void add(const std::string& key, const std::string& remark = "") {
    const auto [begin, end] = first_number(key);
    if (begin == end)
      groups_[{key, "", remark}];
    else
      groups_[{key.substr(0, begin), key.substr(end), remark}].insert(std::stoll(key.substr(begin, end - begin)));
    ++count_;
  }
  bool empty() const { return count_ == 0; }
  std::string text(const char* heading) const {
    if (empty()) return "";
    std::vector<std::string> lines;
    for (const auto& [group, numbers] : groups_) {
      if (lines.size() == kMaxLines) {
        lines.push_back(fmt::format("... and {} more groups of keys", groups_.size() - kMaxLines));
        break;
      }
      const auto& [before, after, remark] = group;
      lines.push_back(before + (numbers.empty() ? "" : ranges(numbers)) + after + remark);
    }
    return fmt::format("\n  {} ({}):\n    {}", heading, count_, fmt::join(lines, "\n    "));
  }

 private:
  static constexpr std::size_t kMaxLines = 200, kMaxDigits = 6;

  /// A part of the key between two dots that is a number: [begin, end), empty if there is none.
  static std::pair<std::size_t, std::size_t> first_number(const std::string& key) {
    for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
      std::size_t end = dot + 1;
      while (end < key.size() && std::isdigit(static_cast<unsigned char>(key[end])) != 0) ++end;
      if (end > dot + 1 && end - dot - 1 <= kMaxDigits && end < key.size() && key[end] == '.') return {dot + 1, end};
    }
    return {0, 0};
  }
  static std::string ranges(const std::set<int64_t>& numbers) {
    std::vector<std::string> parts;
    for (auto begin = numbers.begin(); begin != numbers.end();) {
      auto last = begin;
      for (auto next = std::next(begin); next != numbers.end() && *next == *last + 1; ++next) last = next;
      parts.push_back(begin == last ? std::to_string(*begin) : fmt::format("{}-{}", *begin, *last));
      begin = std::next(last);
    }
    return numbers.size() == 1 ? parts[0] : fmt::format("{{{}}}", fmt::join(parts, ","));
  }

  std::map<std::tuple<std::string, std::string, std::string>, std::set<int64_t>> groups_;
  std::size_t count_ = 0;
};

}  // namespace

void check_complete(const WeightMap& tensors, const Shapes& expected, const std::string& where, Extra extra) {
  KeyList missing, unexpected, misshapen, wrong_type;
  for (const auto& [key, shape] : expected) {
    if (!tensors.contains(key)) {
      missing.add(key);
      continue;
    }
    const at::Tensor& tensor = tensors.at(key);
    if (tensor.sizes() != at::IntArrayRef(shape))
      misshapen.add(key, fmt::format(" [{}], expected [{}]", fmt::join(tensor.sizes(), ", "), fmt::join(shape, ", ")));
    const auto dtype = tensor.scalar_type();
    if (dtype != at::kFloat && dtype != at::kHalf && dtype != at::kBFloat16 && dtype != at::kDouble)
      wrong_type.add(key, " " + dtype_name(dtype));
  }
  if (extra == Extra::refuse)
    for (const auto& [key, tensor] : tensors.tensors())
      if (expected.count(key) == 0) unexpected.add(key);
  if (missing.empty() && unexpected.empty() && misshapen.empty() && wrong_type.empty()) return;
  fail(ErrorCode::corrupt_data, "{} does not fit its configuration:{}{}{}{}", where, missing.text("missing"),
       unexpected.text("not part of this model"), misshapen.text("of another shape"),
       wrong_type.text("neither float32, float16, bfloat16 nor float64 (a quantised file?)"));
}

}  // namespace rushes::tensor
