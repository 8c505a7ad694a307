#include "rushes/tensor/pickle_checkpoint.h"

#include <cstring>
#include <functional>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"
#include "rushes/tensor/legacy_torch.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/pickle.h"
#include "rushes/tensor/zip_archive.h"

namespace rushes::tensor {
namespace {

constexpr int kMaxDepth = 32;                  // of dictionaries in dictionaries; a training state has about five
constexpr std::size_t kMaxVisits = 1'000'000;  // leaves and branches together, each as often as it is referred to
constexpr std::size_t kMaxKeyBytes = 512;
constexpr std::size_t kMaxMetadata = 1'000;

// An archive of torch.save has one folder, named after the file that was written.
std::string find_folder(const std::map<std::string_view, ZipEntry>& entries, const std::string& file) {
  std::string folder;
  for (const auto& [name, entry] : entries) {
    const auto slash = name.find('/');
    if (slash == std::string_view::npos || name.substr(slash) != "/data.pkl") continue;
    require(folder.empty(), ErrorCode::corrupt_data, "'{}' has two pickles, '{}data.pkl' and '{}'", file,
            printable(folder), printable(name));
    folder = name.substr(0, slash + 1);
  }
  require(!folder.empty(), ErrorCode::unsupported,
          "'{}' is a zip file that was not written by torch.save (it has no <folder>/data.pkl); give a .safetensors, "
          ".pt or .pth file",
          file);
  return folder;
}

/// The entries of an archive of torch.save.
class Archive {
 public:
  explicit Archive(const std::shared_ptr<const FileBytes>& file)
      : file_(file), entries_(read_zip_directory(*file)), folder_(find_folder(entries_, file->name())) {
    require(entries_.count(folder_ + "constants.pkl") == 0, ErrorCode::unsupported,
            "'{}' is a TorchScript program, not a checkpoint; save the state_dict of the loaded module instead",
            file->name());
    if (entries_.count(folder_ + "byteorder") > 0)
      require(stored(folder_ + "byteorder") == "little", ErrorCode::unsupported,
              "'{}' was written on a big-endian machine; load it with torch there and save it as safetensors",
              file->name());
  }

  PickleTree tree() const { return read_pickle(stored(folder_ + "data.pkl"), file_->name()); }
  std::string_view data(std::string_view key) const { return stored(fmt::format("{}data/{}", folder_, key)); }

 private:
  std::string_view stored(const std::string& name) const {
    const auto found = entries_.find(name);
    require(found != entries_.end(), ErrorCode::corrupt_data, "'{}' has no entry '{}'", file_->name(), printable(name));
    const ZipEntry& entry = found->second;
    require(entry.is_stored, ErrorCode::unsupported,
            "'{}': entry '{}' is compressed or encrypted, but torch.save stores entries uncompressed. Unpack the "
            "archive and pack it again with `zip -0 -r`",
            file_->name(), printable(name));
    return file_->view().substr(entry.offset, entry.bytes);
  }

  std::shared_ptr<const FileBytes> file_;
  std::map<std::string_view, ZipEntry> entries_;
  std::string folder_;
};

/// The bytes of the storage with this key. Throws Error(corrupt_data) if there are none.
using DataOf = std::function<std::string_view(std::string_view key)>;

class Reader {
 public:
  Reader(const std::shared_ptr<const FileBytes>& file, PickleTree tree, DataOf data_of)
      : file_(file), tree_(std::move(tree)), data_of_(std::move(data_of)) {}

  PickleContents read() {
    const PickleValue& root = tree_.values[tree_.root];
    require(root.kind == PickleKind::dict, ErrorCode::unsupported,
            "'{}' has a single object, not a dictionary of tensors; save the model's state_dict()", file_->name());
    visit(root, "", 0);
    return {WeightMap(std::move(tensors_)), std::move(metadata_)};
  }

 private:
  void visit(const PickleValue& value, const std::string& key, int depth) {
    require(depth <= kMaxDepth, ErrorCode::corrupt_data,
            "'{}': its dictionaries are nested deeper than {} levels, or contain themselves", file_->name(), kMaxDepth);
    require(key.size() <= kMaxKeyBytes, ErrorCode::corrupt_data,
            "'{}': a key, joined through its nested dictionaries, is longer than {} bytes", file_->name(),
            kMaxKeyBytes);
    require(++visits_ <= kMaxVisits, ErrorCode::too_large, "'{}': its dictionaries have more than {} objects",
            file_->name(), kMaxVisits);
    switch (value.kind) {
      case PickleKind::tensor: return add_tensor(value, key);
      case PickleKind::dict:
        for (std::size_t i = 0; i < value.items.size(); i += 2)
          visit(tree_.values[value.items[i + 1]], joined(key, key_text(tree_.values[value.items[i]])), depth + 1);
        return;
      case PickleKind::list:
      case PickleKind::tuple:
        for (std::size_t i = 0; i < value.items.size(); ++i)
          visit(tree_.values[value.items[i]], joined(key, std::to_string(i)), depth + 1);
        return;
      case PickleKind::boolean: return add_metadata(key, value.integer != 0 ? "true" : "false");
      case PickleKind::integer: return add_metadata(key, std::to_string(value.integer));
      case PickleKind::real: return add_metadata(key, fmt::format("{}", value.real));
      case PickleKind::text: return add_metadata(key, printable(value.text));
      case PickleKind::none:
      case PickleKind::opaque:
      case PickleKind::function:
      case PickleKind::storage:
      case PickleKind::array:  // only where PickleAllows has them
      case PickleKind::array_type: return;
    }
  }

  static std::string joined(const std::string& path, const std::string& key) {
    return path.empty() ? key : path + "." + key;
  }

  std::string key_text(const PickleValue& key) const {
    if (key.kind == PickleKind::integer) return std::to_string(key.integer);
    require(key.kind == PickleKind::text, ErrorCode::unsupported,
            "'{}': a dictionary has keys that are neither strings nor numbers", file_->name());
    check_key(key.text, file_->name());  // here, so that joined names cannot grow without bound
    return std::string(key.text);
  }

  void add_metadata(const std::string& key, const std::string& text) {
    if (metadata_.size() < kMaxMetadata) metadata_.emplace(key, text);
  }

  void add_tensor(const PickleValue& value, const std::string& key) {
    check_key(key, file_->name());
    const auto index = static_cast<std::size_t>(value.integer);
    require(tensors_.emplace(key, map_tensor(tree_.tensors[index], tree_.tensor_dtypes[index], key)).second,
            ErrorCode::corrupt_data, "'{}' has two tensors named '{}'", file_->name(), key);
  }

  at::Tensor map_tensor(const PickleTensor& tensor, at::ScalarType dtype, const std::string& key) {
    const std::string where = fmt::format("'{}', tensor '{}'", file_->name(), key);
    const PickleStorage& storage = tree_.storages[tensor.storage];
    const std::string_view bytes = data_of_(storage.key);
    const uint64_t element_bytes = c10::elementSize(dtype);
    const uint64_t declared_size = storage.dtype ? c10::elementSize(*storage.dtype) : 1;
    uint64_t declared_bytes = 0;
    require(!__builtin_mul_overflow(static_cast<uint64_t>(storage.elements), declared_size, &declared_bytes) &&
                declared_bytes == bytes.size() && declared_size <= element_bytes &&
                (declared_size == 1 || declared_size == element_bytes),
            ErrorCode::corrupt_data,
            "{}: according to the pickle, its data has {} elements of {} bytes, but the file has {} bytes", where,
            storage.elements, declared_size, bytes.size());

    // The last element must lie inside the storage, and no element may be told twice: a view that repeats one number a
    // million times is small here and huge at the first copy.
    const auto elements = static_cast<int64_t>(bytes.size() / element_bytes);
    int64_t last = tensor.offset, count = 1;
    bool inside = tensor.offset >= 0 && tensor.offset <= elements, is_empty = false;
    for (std::size_t axis = 0; axis < tensor.sizes.size() && inside; ++axis) {
      const int64_t size = tensor.sizes[axis], stride = tensor.strides[axis];
      int64_t reach = 0;
      is_empty = is_empty || size == 0;
      inside = size >= 0 && stride >= 0 && !__builtin_mul_overflow(count, std::max<int64_t>(size, 1), &count) &&
               !__builtin_mul_overflow(std::max<int64_t>(size - 1, 0), stride, &reach) &&
               !__builtin_add_overflow(last, reach, &last);
    }
    inside = inside && (is_empty ? count < (int64_t{1} << 50) : count <= elements && last < elements);
    require(inside, ErrorCode::corrupt_data,
            "{}: size [{}], stride [{}] and offset {} do not fit its {} stored elements", where,
            fmt::join(tensor.sizes, ", "), fmt::join(tensor.strides, ", "), tensor.offset, elements);

    const auto options = at::TensorOptions().dtype(dtype);
    if (is_empty) return at::empty(tensor.sizes, options);
    const uint64_t offset = static_cast<uint64_t>(tensor.offset) * element_bytes;
    if (reinterpret_cast<uintptr_t>(bytes.data()) % element_bytes == 0)
      return at::from_blob(
          const_cast<char*>(bytes.data()) + offset, tensor.sizes, tensor.strides, [file = file_](void*) {}, options);
    const at::Tensor copy = aligned(storage.key, bytes);
    return at::from_blob(
        copy.mutable_data_ptr<uint8_t>() + offset, tensor.sizes, tensor.strides, [copy](void*) {}, options);
  }

  /// A copy of the bytes, since unaligned access is undefined for us: torch aligns the entries of archives to 64 bytes,
  /// other writers and the old format do not. One for all tensors of the storage, so that no file becomes larger.
  at::Tensor aligned(std::string_view key, std::string_view bytes) {
    at::Tensor& copy = copies_[key];
    if (!copy.defined()) {
      copy = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
      std::memcpy(copy.mutable_data_ptr(), bytes.data(), bytes.size());
    }
    return copy;
  }

  std::shared_ptr<const FileBytes> file_;
  PickleTree tree_;
  DataOf data_of_;
  std::map<std::string_view, at::Tensor> copies_;  // by the keys of storages
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
  std::size_t visits_ = 0;
};

}  // namespace

PickleContents read_pickle_checkpoint(const std::shared_ptr<const FileBytes>& file) {
  if (!is_legacy_torch(file->view())) {
    const Archive archive(file);
    return Reader(file, archive.tree(), [&](std::string_view key) { return archive.data(key); }).read();
  }
  LegacyTorch legacy = read_legacy_torch(*file);
  const auto data_of = [&](std::string_view key) {
    const auto found = legacy.data.find(key);
    require(found != legacy.data.end(), ErrorCode::corrupt_data, "'{}' has no data for storage '{}'", file->name(),
            printable(key));
    return found->second;
  };
  return Reader(file, std::move(legacy.tree), data_of).read();
}

}  // namespace rushes::tensor
