#include "rushes/tensor/checkpoint_forge.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "rushes/base/error.h"

namespace rushes::tensor::forge {
namespace {

uint64_t element_count(const std::vector<int64_t>& shape) {
  uint64_t count = 1;
  for (const int64_t extent : shape) count *= static_cast<uint64_t>(extent);
  return count;
}

template <typename T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// A file whose unwritten bytes take no space on disk.
class SparseFile {
 public:
  explicit SparseFile(const std::filesystem::path& file)
      : descriptor_(::open(file.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644)) {
    require(descriptor_ >= 0, ErrorCode::unavailable, "cannot write '{}'", file.string());
  }
  ~SparseFile() { ::close(descriptor_); }
  SparseFile(const SparseFile&) = delete;
  SparseFile& operator=(const SparseFile&) = delete;
  void write(const std::string& bytes) {
    require(::pwrite(descriptor_, bytes.data(), bytes.size(), at_) == static_cast<ssize_t>(bytes.size()),
            ErrorCode::unavailable, "cannot write the test file");
    at_ += static_cast<off_t>(bytes.size());
  }
  void skip(uint64_t bytes) { at_ += static_cast<off_t>(bytes); }
  void finish() {
    require(::ftruncate(descriptor_, at_) == 0, ErrorCode::unavailable, "cannot make a test file of {} bytes", at_);
  }
  uint64_t position() const { return static_cast<uint64_t>(at_); }

 private:
  int descriptor_;
  off_t at_ = 0;
};

struct DtypeNames {
  c10::ScalarType dtype;
  const char *safetensors, *storage;
};
constexpr DtypeNames kDtypes[] = {
    {c10::ScalarType::Float, "F32", "FloatStorage"},        {c10::ScalarType::Half, "F16", "HalfStorage"},
    {c10::ScalarType::BFloat16, "BF16", "BFloat16Storage"}, {c10::ScalarType::Double, "F64", "DoubleStorage"},
    {c10::ScalarType::Byte, "U8", "ByteStorage"},           {c10::ScalarType::Long, "I64", "LongStorage"}};
const DtypeNames& names(c10::ScalarType dtype) {
  for (const auto& known : kDtypes)
    if (known.dtype == dtype) return known;
  fail(ErrorCode::internal, "the forge does not write dtype {}", c10::toString(dtype));
}

std::string local_header(const std::string& name, uint64_t bytes, uint64_t padding) {
  // Sizes and checksum are left to the directory: readers must not need the copies here.
  return raw<uint32_t>(0x04034b50) + raw<uint16_t>(45) + std::string(16, '\0') +
         raw<uint32_t>(static_cast<uint32_t>(std::min<uint64_t>(bytes, 0xffffffff))) +
         raw<uint16_t>(static_cast<uint16_t>(name.size())) + raw<uint16_t>(static_cast<uint16_t>(padding)) + name +
         std::string(padding, '\0');
}

std::string central_header(const std::string& name, uint64_t bytes, uint64_t offset) {
  return raw<uint32_t>(0x02014b50) + raw<uint16_t>(45) + raw<uint16_t>(45) + std::string(12, '\0') +
         raw<uint32_t>(0xffffffff) + raw<uint32_t>(0xffffffff) + raw<uint16_t>(static_cast<uint16_t>(name.size())) +
         raw<uint16_t>(28) + std::string(10, '\0') + raw<uint32_t>(0xffffffff) + name + raw<uint16_t>(1) +
         raw<uint16_t>(24) + raw(bytes) + raw(bytes) + raw(offset);
}

std::string directory_end(uint64_t begin, uint64_t bytes, uint64_t entries) {
  return raw<uint32_t>(0x06064b50) + raw<uint64_t>(44) + raw<uint16_t>(45) + raw<uint16_t>(45) + raw<uint64_t>(0) +
         raw(entries) + raw(entries) + raw(bytes) + raw(begin) + raw<uint32_t>(0x07064b50) + raw<uint32_t>(0) +
         raw(begin + bytes) + raw<uint32_t>(1) + raw<uint32_t>(0x06054b50) + raw<uint32_t>(0) + raw<uint16_t>(0xffff) +
         raw<uint16_t>(0xffff) + raw<uint32_t>(0xffffffff) + raw<uint32_t>(0xffffffff) + raw<uint16_t>(0);
}

std::string pickle_numbers(const std::vector<int64_t>& numbers) {
  std::string tuple = "(";
  for (const int64_t number : numbers) tuple += pickle_integer(number);
  return tuple + "t";
}

c10::ScalarType dtype_of(const std::string& word) {
  if (word == "float32" || word == "F32") return c10::ScalarType::Float;
  if (word == "bfloat16" || word == "BF16") return c10::ScalarType::BFloat16;
  if (word == "float16") return c10::ScalarType::Half;
  require(word == "int64", ErrorCode::corrupt_data, "the manifest has the type '{}'", word);
  return c10::ScalarType::Long;
}

}  // namespace

std::vector<TensorSpec> published(const nlohmann::json& manifest, std::optional<c10::ScalarType> dtype) {
  std::vector<TensorSpec> tensors;
  for (const auto& [key, value] : manifest.at("tensors").items()) {
    TensorSpec spec{key, {}, dtype ? *dtype : dtype_of(value.back().get<std::string>())};
    const nlohmann::json& extents = value.at(0).is_array() ? value.at(0) : value;
    for (const nlohmann::json& extent : extents)
      if (extent.is_number()) spec.shape.push_back(extent.get<int64_t>());
    tensors.push_back(std::move(spec));
  }
  return tensors;
}

std::vector<TensorSpec> published(const std::filesystem::path& manifest, std::optional<c10::ScalarType> dtype) {
  std::ifstream in(manifest);
  return published(nlohmann::json::parse(in), dtype);
}

std::string safetensors_bytes(std::string_view header, uint64_t data_bytes) {
  return raw<uint64_t>(header.size()) + std::string(header) + std::string(data_bytes, '\0');
}

void write_sparse_safetensors(const std::filesystem::path& file, const std::vector<TensorSpec>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  uint64_t offset = 0;
  for (const auto& tensor : tensors) {
    const uint64_t end = offset + element_count(tensor.shape) * c10::elementSize(tensor.dtype);
    header[tensor.key] = {
        {"dtype", names(tensor.dtype).safetensors}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  SparseFile out(file);
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  out.write(safetensors_bytes(text, 0));
  out.skip(offset);
  out.finish();
}

void write_sparse_torch_zip(const std::filesystem::path& file, const Branches& branches) {
  struct Entry {
    std::string name, bytes;
    uint64_t size = 0, offset = 0;
  };
  std::vector<Entry> entries(1);
  std::string pickle = "\x80\x02}(";
  for (const auto& [branch, tensors] : branches) {
    if (!branch.empty()) pickle += pickle_text(branch) + "ccollections\nOrderedDict\n)R(";
    for (const auto& tensor : tensors) {
      const std::string key = std::to_string(entries.size() - 1);
      const auto elements = element_count(tensor.shape);
      std::vector<int64_t> strides(tensor.shape.size(), 1);
      for (std::size_t axis = strides.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * tensor.shape[axis];
      pickle += pickle_text(tensor.key) + pickle_tensor(names(tensor.dtype).storage, key,
                                                        static_cast<int64_t>(elements), 0, tensor.shape, strides);
      entries.push_back({"archive/data/" + key, "", elements * c10::elementSize(tensor.dtype)});
    }
    if (!branch.empty()) pickle += "u";
  }
  pickle += "u.";
  entries[0] = {"archive/data.pkl", pickle, pickle.size()};
  entries.push_back({"archive/byteorder", "little", 6});

  SparseFile out(file);
  for (Entry& entry : entries) {
    entry.offset = out.position();
    const uint64_t unaligned = (entry.offset + 30 + entry.name.size()) % 64;
    out.write(local_header(entry.name, entry.size, (64 - unaligned) % 64));
    if (entry.bytes.empty())
      out.skip(entry.size);
    else
      out.write(entry.bytes);
  }
  const uint64_t begin = out.position();
  for (const Entry& entry : entries) out.write(central_header(entry.name, entry.size, entry.offset));
  out.write(directory_end(begin, out.position() - begin, entries.size()));
  out.finish();
}

std::string zip_bytes(const std::vector<ZipFile>& entries, uint64_t alignment) {
  std::string archive, directory;
  for (const auto& entry : entries) {
    directory += central_header(entry.name, entry.bytes.size(), archive.size());
    const uint64_t data = archive.size() + 30 + entry.name.size();
    archive += local_header(entry.name, entry.bytes.size(), (alignment - data % alignment) % alignment) + entry.bytes;
  }
  const uint64_t begin = archive.size();
  return archive + directory + directory_end(begin, directory.size(), entries.size());
}

std::string pickle_text(std::string_view text) {
  return "X" + raw(static_cast<uint32_t>(text.size())) + std::string(text);
}

std::string pickle_integer(int64_t number) {
  if (number >= INT32_MIN && number <= INT32_MAX) return "J" + raw(static_cast<int32_t>(number));
  return std::string("\x8a\x08", 2) + raw(number);
}

std::string pickle_tensor(std::string_view storage_class, std::string_view key, int64_t elements, int64_t offset,
                          const std::vector<int64_t>& sizes, const std::vector<int64_t>& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickle_text("storage") + "ctorch\n" + std::string(storage_class) +
         "\n" + pickle_text(key) + pickle_text("cpu") + pickle_integer(elements) + "tQ" + pickle_integer(offset) +
         pickle_numbers(sizes) + pickle_numbers(strides) +
         "\x89"
         "ccollections\nOrderedDict\n)RtR";
}

}  // namespace rushes::tensor::forge
