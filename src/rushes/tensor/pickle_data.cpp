#include "rushes/tensor/pickle_data.h"

#include <c10/util/Half.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/tensor/pickle.h"

namespace rushes::tensor {
namespace {

using nlohmann::json;

constexpr int kMostLevels = 64;
constexpr int64_t kMostNumbers = 1'000'000;

template <typename T>
double element(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return static_cast<double>(value);
}

struct ElementType {
  std::string_view name;
  int64_t bytes;
  double (*read)(const char*);
};
constexpr ElementType kTypes[] = {{"f4", 4, element<float>},     {"f8", 8, element<double>},
                                  {"f2", 2, element<c10::Half>}, {"i4", 4, element<int32_t>},
                                  {"i8", 8, element<int64_t>},   {"u1", 1, element<uint8_t>},
                                  {"b1", 1, element<uint8_t>}};

class Reader {
 public:
  Reader(const PickleTree& tree, const std::string& file) : tree_(tree), file_(file) {}

  json value(uint32_t index, int level = 0) {
    require(level < kMostLevels, ErrorCode::too_large, "'{}' is nested deeper than {} levels", file_, kMostLevels);
    const PickleValue& found = tree_.values[index];
    spend(1);
    switch (found.kind) {
      case PickleKind::boolean: return found.integer != 0;
      case PickleKind::integer: return found.integer;
      case PickleKind::real: return std::isfinite(found.real) ? json(found.real) : json();
      case PickleKind::text: return is_utf8(found.text) ? json(std::string(found.text)) : json();
      case PickleKind::tuple:
      case PickleKind::list: {
        json list = json::array();
        for (const uint32_t item : found.items) list.push_back(value(item, level + 1));
        return list;
      }
      case PickleKind::dict: {
        json object = json::object();
        for (std::size_t i = 0; i + 1 < found.items.size(); i += 2) {
          const PickleValue& key = tree_.values[found.items[i]];
          if (key.kind == PickleKind::text && is_utf8(key.text))
            object[std::string(key.text)] = value(found.items[i + 1], level + 1);
        }
        return object;
      }
      case PickleKind::array: return array(tree_.arrays[static_cast<std::size_t>(found.integer)]);
      default: return {};
    }
  }

 private:
  void spend(int64_t numbers) {
    left_ -= numbers;
    require(left_ >= 0, ErrorCode::too_large, "'{}' holds more than {} numbers", file_, kMostNumbers);
  }

  json array(const PickleArray& array) {
    const ElementType* type = nullptr;
    for (const ElementType& each : kTypes)
      if (each.name == array.type) type = &each;
    require(type != nullptr, ErrorCode::unsupported, "'{}' has an array of type '{}', which is not read", file_,
            printable(array.type));
    int64_t count = 1;
    for (const int64_t size : array.sizes) {
      require(size >= 0 && (size == 0 || count <= kMostNumbers / size), ErrorCode::too_large,
              "'{}' has an array of more than {} numbers", file_, kMostNumbers);
      count *= size;
    }
    require(static_cast<uint64_t>(count * type->bytes) == array.bytes.size(), ErrorCode::corrupt_data,
            "'{}' has an array of {} numbers with {} bytes", file_, count, array.bytes.size());
    spend(count);
    const auto axes = static_cast<int64_t>(array.sizes.size());
    std::vector<int64_t> strides(array.sizes.size(), 1);
    for (int64_t i = 1; i < axes; ++i) {
      const auto axis = static_cast<std::size_t>(array.column_major ? i : axes - 1 - i),
                 before = array.column_major ? axis - 1 : axis + 1;
      strides[axis] = strides[before] * array.sizes[before];
    }
    const std::function<json(std::size_t, int64_t)> rows = [&](std::size_t axis, int64_t offset) -> json {
      if (axis == array.sizes.size()) return type->read(array.bytes.data() + offset * type->bytes);
      json list = json::array();
      for (int64_t i = 0; i < array.sizes[axis]; ++i) list.push_back(rows(axis + 1, offset + i * strides[axis]));
      return list;
    };
    return rows(0, 0);
  }

  const PickleTree& tree_;
  const std::string& file_;
  int64_t left_ = kMostNumbers;
};

}  // namespace

json plain_data(const FileBytes& file) {
  const PickleTree tree = read_pickle(file.view(), file.name(), PickleAllows::arrays);
  return Reader(tree, file.name()).value(tree.root);
}

}  // namespace rushes::tensor
