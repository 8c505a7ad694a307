#include "rushes/tensor/safetensors.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/tensor/dtype.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

using json = nlohmann::json;

struct DtypeName {
  const char* name;
  at::ScalarType type;
};
constexpr DtypeName kDtypes[] = {{"F64", at::kDouble},
                                 {"F32", at::kFloat},
                                 {"F16", at::kHalf},
                                 {"BF16", at::kBFloat16},
                                 {"I64", at::kLong},
                                 {"I32", at::kInt},
                                 {"I16", at::kShort},
                                 {"I8", at::kChar},
                                 {"U8", at::kByte},
                                 {"BOOL", at::kBool},
                                 {"F8_E4M3", at::kFloat8_e4m3fn},
                                 {"F8_E5M2", at::kFloat8_e5m2},
                                 // Nothing here computes with these: they occur beside the parameters of a model.
                                 {"F8_E8M0", at::kFloat8_e8m0fnu},
                                 {"U16", at::kUInt16},
                                 {"U32", at::kUInt32},
                                 {"U64", at::kUInt64},
                                 {"C64", at::kComplexFloat}};

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation
constexpr std::size_t kMaxTensors = 200'000;       // the largest published checkpoints have some thousands
constexpr std::size_t kMaxAxes = 16;

/// Nothing for a word that is in no list: only the file's own reader knows how long its elements are.
std::optional<at::ScalarType> parse_dtype(const std::string& word) {
  for (const DtypeName& dtype : kDtypes)
    if (word == dtype.name) return dtype.type;
  return std::nullopt;
}

const char* format_word(at::ScalarType type) {
  for (const DtypeName& dtype : kDtypes)
    if (type == dtype.type) return dtype.name;
  fail(ErrorCode::unsupported, "a tensor of dtype {} cannot be written as safetensors", c10::toString(type));
}

struct Entry {
  std::string key, dtype_word;
  std::vector<uint64_t> shape, offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

// Reads the header as a stream of events: it has at most three levels, so whatever nests deeper or repeats a name is
// refused at once, before a JSON document of a hundred megabytes of brackets has grown tenfold in memory.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  explicit HeaderReader(std::string file) : file_(std::move(file)) {}
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ == Place::top && key_ == "__metadata__") {
      require(!seen_metadata_, ErrorCode::corrupt_data, "'{}': the header has '__metadata__' twice", file_);
      seen_metadata_ = true;
      place_ = Place::metadata;
    } else if (place_ == Place::top) {
      require(entries.size() < kMaxTensors, ErrorCode::too_large, "'{}': the header has more than {} tensors", file_,
              kMaxTensors);
      check_key(key_, file_);
      entries.emplace_back().key = key_;
      place_ = Place::tensor;
    } else {
      unexpected("an object");
    }
    return true;
  }
  bool end_object() override {
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }
  bool key(std::string& key) override {
    if (place_ == Place::top) {
      key_ = key;
    } else if (place_ == Place::metadata) {
      metadata_key_ = key;
    } else {
      field_ = key;
      bool* seen = field_ == "dtype"          ? &entries.back().has_dtype
                   : field_ == "shape"        ? &entries.back().has_shape
                   : field_ == "data_offsets" ? &entries.back().has_offsets
                                              : nullptr;
      require(seen != nullptr, ErrorCode::corrupt_data, "{}: the header has an unknown field '{}'", where(),
              printable(field_));
      require(!*seen, ErrorCode::corrupt_data, "{}: the header has '{}' twice", where(), field_);
      *seen = true;
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || field_ == "dtype") unexpected("a list");
    place_ = Place::list;
    return true;
  }
  bool end_array() override {
    place_ = Place::tensor;
    return true;
  }
  bool string(std::string& text) override {
    if (place_ == Place::metadata) {
      require(metadata.emplace(metadata_key_, text).second, ErrorCode::corrupt_data, "'{}': metadata has '{}' twice",
              file_, printable(metadata_key_));
    } else if (place_ == Place::tensor && field_ == "dtype") {
      entries.back().dtype_word = text;
    } else {
      unexpected("a text");
    }
    return true;
  }
  bool number_unsigned(uint64_t value) override {
    if (place_ != Place::list) unexpected("a number");
    auto& list = field_ == "shape" ? entries.back().shape : entries.back().offsets;
    require(list.size() < kMaxAxes, ErrorCode::corrupt_data, "{}: '{}' has more than {} numbers", where(), field_,
            kMaxAxes);
    list.push_back(value);
    return true;
  }
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool number_integer(int64_t) override { return unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { return unexpected("a fraction or a huge number"); }
  bool binary(json::binary_t&) override { return unexpected("binary data"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(ErrorCode::corrupt_data, "'{}' is not a safetensors file: its header is not valid JSON at byte {}", file_,
         8 + position);
  }

 private:
  enum class Place { outside, top, metadata, tensor, list };

  std::string where() const {
    return entries.empty() ? fmt::format("'{}'", file_) : fmt::format("'{}', tensor '{}'", file_, entries.back().key);
  }
  bool unexpected(const char* what) const {
    if (place_ == Place::outside)
      fail(ErrorCode::corrupt_data, "'{}' is not a safetensors file: its header is not a JSON object", file_);
    fail(ErrorCode::corrupt_data,
         "'{}': the header has {} under '{}', but a tensor's dtype, shape and data_offsets (integers) were expected",
         file_, what, printable(key_));
  }

  std::string file_, key_, field_, metadata_key_;
  Place place_ = Place::outside;
  bool seen_metadata_ = false;
};

struct Placed {
  uint64_t begin, end;
  const std::string* key;
};

// The data must be covered exactly, as the format demands: so no two tensors share bytes and nothing hides in a gap.
void check_cover(std::vector<Placed> placed, uint64_t data_bytes, const std::string& file) {
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  uint64_t end = 0;
  for (const Placed& tensor : placed) {
    require(tensor.begin >= end, ErrorCode::corrupt_data, "'{}', tensor '{}': its data overlaps that of another tensor",
            file, *tensor.key);
    require(tensor.begin == end, ErrorCode::corrupt_data, "'{}', tensor '{}': {} unused bytes are before its data",
            file, *tensor.key, tensor.begin - end);
    end = tensor.end;
  }
  require(end == data_bytes, ErrorCode::corrupt_data, "'{}': {} unused bytes follow the data of the last tensor", file,
          data_bytes - end);
}

at::Tensor map_tensor(const Entry& entry, const std::shared_ptr<const FileBytes>& file, uint64_t data_start) {
  const std::string where = fmt::format("'{}', tensor '{}'", file->name(), entry.key);
  const uint64_t data_bytes = file->size() - data_start;
  require(entry.has_dtype && entry.has_shape && entry.offsets.size() == 2, ErrorCode::corrupt_data,
          "{}: the header entry needs dtype, shape and two data_offsets", where);
  const auto known = parse_dtype(entry.dtype_word);
  const at::ScalarType dtype = known.value_or(kUnknownDtype);
  uint64_t bytes = c10::elementSize(dtype), span = bytes;  // span: of the strides, which an extent of 0 does not shrink
  for (const uint64_t extent : entry.shape) {
    require(!__builtin_mul_overflow(span, std::max<uint64_t>(extent, 1), &span) && span <= (uint64_t{1} << 50),
            ErrorCode::corrupt_data, "{}: its shape is impossibly large", where);
    bytes *= extent;
  }
  const uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  require(begin <= end && end <= data_bytes, ErrorCode::corrupt_data,
          "{}: data_offsets [{}, {}] are outside the {} data bytes; is the file cut off?", where, begin, end,
          data_bytes);
  require(!known || end - begin == bytes, ErrorCode::corrupt_data,
          "{}: shape and dtype need {} bytes, but data_offsets give {}", where, bytes, end - begin);

  std::vector<int64_t> shape(entry.shape.begin(), entry.shape.end());
  if (!known) shape = {static_cast<int64_t>(end - begin)};
  const auto options = at::TensorOptions().dtype(dtype);
  if (begin == end) return at::empty(shape, options);
  void* address = const_cast<char*>(file->data() + data_start + begin);
  if (reinterpret_cast<uintptr_t>(address) % c10::elementSize(dtype) == 0)
    return at::from_blob(
        address, shape, [file](void*) {}, options);
  at::Tensor copy = at::empty(shape, options);  // allowed by the format, undefined behaviour for us
  std::memcpy(copy.mutable_data_ptr(), address, end - begin);
  return copy;
}

}  // namespace

SafetensorsContents read_safetensors(const std::shared_ptr<const FileBytes>& file) {
  uint64_t header_bytes = 0;
  require(file->size() >= 8, ErrorCode::corrupt_data, "'{}' is too short for a safetensors file", file->name());
  std::memcpy(&header_bytes, file->data(), 8);
  require(
      header_bytes <= kMaxHeaderBytes && header_bytes <= file->size() - 8, ErrorCode::corrupt_data,
      "'{}' is not a safetensors file, or it is cut off: header length {} does not fit a file of {} bytes (at most {})",
      file->name(), header_bytes, file->size(), kMaxHeaderBytes);
  HeaderReader header(file->name());
  const std::string_view text = file->view().substr(8, header_bytes);
  json::sax_parse(text.begin(), text.end(), &header);

  const uint64_t data_start = 8 + header_bytes;
  std::map<std::string, at::Tensor> tensors;
  std::vector<Placed> placed;
  for (const Entry& entry : header.entries) {
    require(tensors.emplace(entry.key, map_tensor(entry, file, data_start)).second, ErrorCode::corrupt_data,
            "'{}': the header has tensor '{}' twice", file->name(), entry.key);
    placed.push_back({entry.offsets[0], entry.offsets[1], &entry.key});
  }
  check_cover(std::move(placed), file->size() - data_start, file->name());
  return {WeightMap(std::move(tensors)), std::move(header.metadata)};
}

WeightMap load_safetensors(const std::filesystem::path& file) { return read_safetensors(FileBytes::map(file)).tensors; }

void save_safetensors(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  // Wide types first, so that every tensor is aligned to its own element size, as the reference implementation does.
  std::vector<std::pair<std::string, at::Tensor>> ordered(tensors.begin(), tensors.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const auto& a, const auto& b) { return a.second.element_size() > b.second.element_size(); });
  uint64_t offset = 0;
  for (const auto& [key, tensor] : ordered) {
    check_key(key, file.string());
    header[key] = {{"dtype", format_word(tensor.scalar_type())},
                   {"shape", std::vector<int64_t>(tensor.sizes().begin(), tensor.sizes().end())},
                   {"data_offsets", {offset, offset + tensor.nbytes()}}};
    offset += tensor.nbytes();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // data starts aligned
  const std::filesystem::path temporary = file.string() + ".part";
  std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
  const auto header_bytes = static_cast<uint64_t>(text.size());
  out.write(reinterpret_cast<const char*>(&header_bytes), 8);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (const auto& [key, tensor] : ordered) {
    const at::Tensor flat = tensor.detach().cpu().contiguous();
    out.write(static_cast<const char*>(flat.const_data_ptr()), static_cast<std::streamsize>(flat.nbytes()));
  }
  out.close();
  std::error_code refused;
  if (out.good()) std::filesystem::rename(temporary, file, refused);
  if (!out.good() || refused) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    fail(ErrorCode::unavailable, "cannot write '{}'; is the disk full, or is the folder missing or read-only?",
         file.string());
  }
}

}  // namespace rushes::tensor
