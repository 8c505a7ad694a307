#include "rushes/tensor/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

using json = nlohmann::json;

struct DtypeName {
  const char* name;
  at::ScalarType type;
};
constexpr DtypeName kDtypes[] = {
    {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}, {"I64", at::kLong},
    {"I32", at::kInt},    {"I16", at::kShort}, {"I8", at::kChar},  {"U8", at::kByte},       {"BOOL", at::kBool},
    {"F8_E4M3", at::kFloat8_e4m3fn}, {"F8_E5M2", at::kFloat8_e5m2}};

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference implementation

class Mapping {
 public:
  explicit Mapping(const std::filesystem::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    require(descriptor >= 0, ErrorCode::not_found, "cannot open '{}': {}", file.string(), std::strerror(errno));
    struct stat status {};
    const bool is_file = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    size_ = is_file ? static_cast<uint64_t>(status.st_size) : 0;
    if (size_ > 0) data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
    ::close(descriptor);
    require(size_ > 0 && data_ != MAP_FAILED, ErrorCode::corrupt_data, "'{}' is empty or not a regular file", file.string());
  }
  ~Mapping() {
    if (data_ != nullptr && data_ != MAP_FAILED) ::munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  const char* data() const { return static_cast<const char*>(data_); }
  uint64_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  uint64_t size_ = 0;
};

at::ScalarType parse_dtype(const std::string& word, const std::string& where) {
  for (const DtypeName& dtype : kDtypes)
    if (word == dtype.name) return dtype.type;
  fail(ErrorCode::unsupported, "{} has dtype '{}', which rushes does not read", where, word);
}

const char* dtype_name(at::ScalarType type) {
  for (const DtypeName& dtype : kDtypes)
    if (type == dtype.type) return dtype.name;
  fail(ErrorCode::unsupported, "a tensor of dtype {} cannot be written as safetensors", c10::toString(type));
}

struct Entry {
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  uint64_t begin, end;
};

Entry parse_entry(const json& value, const std::string& where, uint64_t data_bytes) {
  require(value.is_object() && value.contains("dtype") && value["dtype"].is_string() && value.contains("shape") &&
              value["shape"].is_array() && value.contains("data_offsets") && value["data_offsets"].is_array() &&
              value["data_offsets"].size() == 2,
          ErrorCode::corrupt_data, "{}: the header entry needs dtype, shape and two data_offsets", where);
  Entry entry{parse_dtype(value["dtype"], where), {}, 0, 0};
  uint64_t elements = 1;
  for (const json& extent : value["shape"]) {
    require(extent.is_number_unsigned(), ErrorCode::corrupt_data, "{}: shape has an extent that is no whole number", where);
    const auto size = extent.get<uint64_t>();
    require(size <= (uint64_t{1} << 40) && !__builtin_mul_overflow(elements, size, &elements) &&
                elements <= (uint64_t{1} << 48),
            ErrorCode::corrupt_data, "{}: shape is absurdly large", where);
    entry.shape.push_back(static_cast<int64_t>(size));
  }
  const json& offsets = value["data_offsets"];
  require(offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned(), ErrorCode::corrupt_data,
          "{}: data_offsets are not whole numbers", where);
  entry.begin = offsets[0].get<uint64_t>();
  entry.end = offsets[1].get<uint64_t>();
  require(entry.begin <= entry.end && entry.end <= data_bytes, ErrorCode::corrupt_data,
          "{}: data_offsets [{}, {}] lie outside the {} data bytes; is the file cut short?", where, entry.begin, entry.end,
          data_bytes);
  const uint64_t wanted = elements * c10::elementSize(entry.dtype);
  require(entry.end - entry.begin == wanted, ErrorCode::corrupt_data,
          "{}: shape and dtype need {} bytes, data_offsets give {}", where, wanted, entry.end - entry.begin);
  return entry;
}

}  // namespace

WeightMap load_safetensors(const std::filesystem::path& file) {
  auto mapping = std::make_shared<Mapping>(file);
  uint64_t header_bytes = 0;
  require(mapping->size() >= 8, ErrorCode::corrupt_data, "'{}' is too short for a safetensors file", file.string());
  std::memcpy(&header_bytes, mapping->data(), 8);
  require(header_bytes <= kMaxHeaderBytes && header_bytes <= mapping->size() - 8, ErrorCode::corrupt_data,
          "'{}' is not a safetensors file: header length {} does not fit a file of {} bytes", file.string(), header_bytes,
          mapping->size());
  const char* header_text = mapping->data() + 8;
  const json header = json::parse(header_text, header_text + header_bytes, nullptr, /*allow_exceptions=*/false);
  require(header.is_object(), ErrorCode::corrupt_data, "'{}' is not a safetensors file: its header is not a JSON object",
          file.string());
  const char* data = header_text + header_bytes;
  const uint64_t data_bytes = mapping->size() - 8 - header_bytes;

  std::map<std::string, at::Tensor> tensors;
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") continue;
    const std::string where = fmt::format("'{}', tensor '{}'", file.string(), key);
    const Entry entry = parse_entry(value, where, data_bytes);
    const auto options = at::TensorOptions().dtype(entry.dtype);
    void* address = const_cast<char*>(data + entry.begin);
    const bool aligned = reinterpret_cast<uintptr_t>(address) % c10::elementSize(entry.dtype) == 0;
    at::Tensor tensor;
    if (entry.begin == entry.end) {
      tensor = at::empty(entry.shape, options);
    } else if (aligned) {
      tensor = at::from_blob(address, entry.shape, [mapping](void*) {}, options);
    } else {  // allowed by the format, undefined behaviour for us: such a tensor is copied
      tensor = at::empty(entry.shape, options);
      std::memcpy(tensor.mutable_data_ptr(), address, entry.end - entry.begin);
    }
    tensors.emplace(key, std::move(tensor));
  }
  return WeightMap(std::move(tensors));
}

void save_safetensors(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  uint64_t offset = 0;
  for (const auto& [key, tensor] : tensors) {
    header[key] = {{"dtype", dtype_name(tensor.scalar_type())},
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
  for (const auto& [key, tensor] : tensors) {
    const at::Tensor flat = tensor.detach().cpu().contiguous();
    out.write(static_cast<const char*>(flat.const_data_ptr()), static_cast<std::streamsize>(flat.nbytes()));
  }
  out.close();
  require(out.good(), ErrorCode::unavailable, "cannot write '{}'; is the disk full or the folder read-only?", temporary.string());
  std::filesystem::rename(temporary, file);
}

}  // namespace rushes::tensor
