#include "rushes/tensor/completeness.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <tuple>

#include "rushes/base/error.h"
#include "rushes/base/log.h"
#include "rushes/tensor/dtype.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

/// A part of the key between two dots that is a number: [begin, end), empty if there is none.
std::pair<std::size_t, std::size_t> first_number(const std::string& key) {
  constexpr std::size_t kMaxDigits = 6;
  for (std::size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.', dot + 1)) {
    std::size_t end = dot + 1;
    while (end < key.size() && std::isdigit(static_cast<unsigned char>(key[end])) != 0) ++end;
    if (end > dot + 1 && end - dot - 1 <= kMaxDigits && end < key.size() && key[end] == '.') return {dot + 1, end};
  }
  return {0, 0};
}

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
  static constexpr std::size_t kMaxLines = 200;

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

// Both spellings of ComfyUI's repackaged checkpoints, of a weight "x.weight".
constexpr std::string_view kWeight = ".weight", kScales[] = {".scale_weight", ".weight_scale"};
// Beside them: of 8-bit activations, which we do not have, and notes of the tool that quantised.
constexpr std::string_view kQuantisationNotes[] = {".scale_input", ".input_scale", ".comfy_quant"};

bool is_quantisation_note(std::string_view key) {
  return key == "scaled_fp8" || std::any_of(std::begin(kQuantisationNotes), std::end(kQuantisationNotes),
                                            [&](std::string_view end) { return key.ends_with(end); });
}

/// The key of the scale of an 8-bit weight; nothing where it has none.
std::optional<std::string> scale_of(const std::string& key, const WeightMap& tensors) {
  if (!key.ends_with(kWeight) || !is_fp8(tensors.at(key).scalar_type())) return std::nullopt;
  for (const std::string_view scale : kScales)
    if (std::string name = key.substr(0, key.size() - kWeight.size()).append(scale); tensors.contains(name))
      return name;
  return std::nullopt;
}

/// As WeightMap::set_scaled() takes it.
at::Tensor checked_scale(const at::Tensor& weight, const at::Tensor& scale, const std::string& key,
                         const std::string& where) {
  const bool per_row = weight.dim() == 2 && scale.sizes() == at::IntArrayRef({weight.size(0), 1});
  require((scale.numel() == 1 || per_row) && is_weight_dtype(scale.scalar_type()), ErrorCode::corrupt_data,
          "{}: the scale '{}' is {} [{}]; it must be one floating-point number, or one for each row of its weight [{}]",
          where, key, dtype_name(scale.scalar_type()), fmt::join(scale.sizes(), ", "), fmt::join(weight.sizes(), ", "));
  return scale.numel() == 1 ? scale.reshape({}) : scale;
}

/// The same for all layers of a list.
std::string without_number(const std::string& key) {
  const auto [begin, end] = first_number(key);
  return key.substr(0, begin) + "#" + key.substr(end);
}

void report_extras(const std::vector<std::string>& keys, const std::string& where) {
  if (keys.empty()) return;
  const auto shown = static_cast<std::ptrdiff_t>(std::min<std::size_t>(keys.size(), 3));
  log::info("{}: {} tensor{} that this model does not have {} left out: {}{}", where, keys.size(),
            keys.size() == 1 ? "" : "s", keys.size() == 1 ? "is" : "are",
            fmt::join(keys.begin(), keys.begin() + shown, ", "), keys.size() > 3 ? ", ..." : "");
}

}  // namespace

int64_t parameter_count(const Shapes& shapes) {
  int64_t sum = 0;
  for (const auto& [key, shape] : shapes) {
    int64_t count = 1;
    for (const int64_t side : shape) count *= side;
    sum += count;
  }
  return sum;
}

std::vector<std::string> extra_keys(const WeightMap& tensors, const Shapes& expected) {
  std::set<std::string> used;
  for (const auto& [key, shape] : expected)
    if (tensors.contains(key))
      if (auto scale = scale_of(key, tensors)) used.insert(std::move(*scale));
  std::vector<std::string> extras;
  for (const auto& [key, tensor] : tensors.tensors())
    if (expected.count(key) == 0 && used.count(key) == 0 && !is_quantisation_note(key)) extras.push_back(key);
  return extras;
}

void check_complete(const WeightMap& tensors, const Shapes& expected, const std::string& where, Extra extra) {
  KeyList missing, unexpected, of_more_layers, misshapen, wrong_type;
  for (const auto& [key, shape] : expected) {
    if (!tensors.contains(key)) {
      missing.add(key);
      continue;
    }
    const at::Tensor& tensor = tensors.at(key);
    const auto dtype = tensor.scalar_type();
    if (!is_weight_dtype(dtype))
      wrong_type.add(key, " " + dtype_name(dtype));
    else if (tensor.sizes() != at::IntArrayRef(shape))
      misshapen.add(key, fmt::format(" [{}], expected [{}]", fmt::join(tensor.sizes(), ", "), fmt::join(shape, ", ")));
  }
  std::set<std::string> kinds;
  for (const auto& [key, shape] : expected) kinds.insert(without_number(key));
  for (const std::string& key : extra_keys(tensors, expected))
    if (kinds.count(without_number(key)) > 0)
      of_more_layers.add(key);
    else if (extra == Extra::refuse)
      unexpected.add(key);
  if (missing.empty() && unexpected.empty() && of_more_layers.empty() && misshapen.empty() && wrong_type.empty())
    return;
  fail(ErrorCode::corrupt_data, "{} does not fit its configuration:{}{}{}{}{}", where, missing.text("missing"),
       of_more_layers.text("of more layers than it says; the configuration is another model's, or the file has layers "
                           "of another one, which must be taken out of it"),
       unexpected.text("not part of this model"), misshapen.text("of another shape"),
       wrong_type.text("of a type that is not read for weights; use a file of float32, float16, bfloat16 or 8-bit "
                       "floats (float8_e4m3fn, float8_e5m2; with or without scales)"));
}

WeightMap take_complete(const WeightMap& tensors, const Shapes& expected, const std::string& where, Extra extra) {
  check_complete(tensors, expected, where, extra);
  report_extras(extra_keys(tensors, expected), where);
  WeightMap taken;
  for (const auto& [key, shape] : expected) {
    const at::Tensor& tensor = tensors.at(key);
    const auto scale = scale_of(key, tensors);
    if (scale)
      taken.set_scaled(key, tensor, checked_scale(tensor, tensors.at(*scale), *scale, where));
    else
      taken.set(key, tensor);
  }
  return taken;
}

}  // namespace rushes::tensor
