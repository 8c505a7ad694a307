#include "rushes/verify/sampled.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "rushes/tensor/ops.h"

namespace rushes::verify {
namespace {

using nlohmann::json;

constexpr std::string_view kStrided = "_strided", kIndex = "_index";

/// Names in `hyper` do without the part before the dot.
std::string_view without_role(std::string_view name) { return name.substr(name.find('.') + 1); }

int64_t stride_of(const json& hyper, std::string_view name) {
  const std::string_view whole = whole_name(name);
  int64_t stride = 0;
  if (const std::string_view digits = name.substr(std::min(name.size(), whole.size() + kStrided.size()));
      std::from_chars(digits.data(), digits.data() + digits.size(), stride).ec == std::errc() && stride > 0)
    return stride;
  const json given = hyper.value(std::string(without_role(whole)) + "_stride", json());
  return given.is_number_integer() ? std::max<int64_t>(given.get<int64_t>(), 1) : 1;
}

/// Lists of frames in `hyper` and the objects in it, that of the output itself first.
std::vector<std::vector<int64_t>> indices_of(const json& hyper, std::string_view name) {
  std::vector<std::vector<int64_t>> lists;
  for (const auto& [key, value] : hyper.items()) {
    if (value.is_object()) {
      for (auto& inner : indices_of(value, name)) lists.push_back(std::move(inner));
      continue;
    }
    const auto is_integer = [](const json& entry) { return entry.is_number_integer(); };
    if (!key.ends_with(kIndex) || !value.is_array() || value.empty() || !std::ranges::all_of(value, is_integer))
      continue;
    const bool is_own = key.starts_with(without_role(whole_name(name)));
    lists.insert(is_own ? lists.begin() : lists.end(), value.get<std::vector<int64_t>>());
  }
  return lists;
}

/// Every `stride`-th along `rows` and the axis after it.
at::Tensor strided(const at::Tensor& whole, int64_t rows, int64_t stride) {
  return whole.slice(rows, 0, std::nullopt, stride).slice(rows + 1, 0, std::nullopt, stride);
}

std::optional<at::Tensor> of_shape(const at::Tensor& whole, int64_t stride,
                                   const std::vector<std::vector<int64_t>>& indices, at::IntArrayRef wanted) {
  for (const int64_t rows : {whole.dim() - 2, whole.dim() - 3}) {
    if (rows < 0) continue;
    const at::Tensor sample = strided(whole, rows, stride);
    if (sample.sizes() == wanted) return sample;
    for (const auto& index : indices)
      for (int64_t axis = 0; axis < whole.dim(); ++axis) {
        const auto [least, most] = std::ranges::minmax(index);
        if (axis == rows || axis == rows + 1 || least < 0 || most >= sample.size(axis)) continue;
        const at::Tensor frames = at::index_select(sample, axis, at::tensor(index, sample.options().dtype(at::kLong)));
        if (frames.sizes() == wanted) return frames;
      }
  }
  return std::nullopt;
}

}  // namespace

std::string_view whole_name(std::string_view output) {
  const auto at = output.rfind(kStrided);
  if (at == std::string_view::npos) return output;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return std::ranges::all_of(output.substr(at + kStrided.size()), is_digit) ? output.substr(0, at) : output;
}

at::Tensor sampled(const Case& c, const std::string& name, at::IntArrayRef wanted, const Produced& produced) {
  auto found = produced.tensors.find(name);
  if (found == produced.tensors.end()) found = produced.tensors.find(std::string(whole_name(name)));
  if (found == produced.tensors.end() || !found->second.defined()) return {};
  const at::Tensor& whole = found->second;
  if (whole.sizes() == wanted) return whole;
  return of_shape(whole, stride_of(c.hyper, name), indices_of(c.hyper, name), wanted).value_or(whole);
}

}  // namespace rushes::verify
