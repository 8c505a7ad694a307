// The bytes of a file that comes from outside, mapped read-only. Tensors of a checkpoint point into it and keep it
// alive. Also what the key of a tensor may look like.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace rushes::tensor {

class FileBytes {
 public:
  /// Maps the file. Throws Error(not_found) if it cannot be opened, Error(corrupt_data) if it is empty or no file.
  /// A file that another process cuts short while it is mapped kills this one, as with any mapped file.
  static std::shared_ptr<const FileBytes> map(const std::filesystem::path& file);
  /// The same interface over bytes in memory; `name` stands in messages.
  static std::shared_ptr<const FileBytes> copy_of(std::string_view bytes, const std::string& name);

  ~FileBytes();
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;

  std::string_view view() const noexcept { return {data_, size_}; }
  const char* data() const noexcept { return data_; }
  uint64_t size() const noexcept { return size_; }
  const std::string& name() const noexcept { return name_; }

 private:
  FileBytes(const char* data, uint64_t size, bool mapped, std::string name)
      : data_(data), size_(size), mapped_(mapped), name_(std::move(name)) {}
  const char* data_;
  uint64_t size_;
  bool mapped_;
  std::string name_;
};

/// Throws Error(corrupt_data) unless `key` may name a tensor: 1 to 512 bytes, no control characters, valid UTF-8.
void check_key(std::string_view key, const std::string& file);

}  // namespace rushes::tensor
