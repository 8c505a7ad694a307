// The bytes of a pickle, taken off one after the other with every length checked. Included by pickle.cpp only.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "rushes/base/error.h"

namespace rushes::tensor {

class PickleBytes {
 public:
  PickleBytes(std::string_view bytes, const std::string& file) : file_(file), bytes_(bytes) {}
  /// Behind what was taken.
  uint64_t end() const { return at_; }

 protected:
  /// Messages name the place of the opcode that begins here.
  void begin_opcode() { opcode_at_ = at_; }
  std::string where() const { return fmt::format("'{}', byte {} of its pickle", file_, opcode_at_); }
  template <typename... Args>
  void check(bool ok, fmt::format_string<Args...> format, Args&&... args) const {
    if (!ok) [[unlikely]]
      fail(ErrorCode::corrupt_data, "{}: {}", where(), fmt::format(format, std::forward<Args>(args)...));
  }

  std::string_view take_bytes(uint64_t count) {
    check(count <= bytes_.size() - at_, "{} more bytes were announced, but only {} are left; is the file cut off?",
          count, bytes_.size() - at_);
    const auto taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  template <typename T>
  T take() {
    T value;
    std::memcpy(&value, take_bytes(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view take_line() {
    const auto line_end = bytes_.find('\n', at_);
    check(line_end != std::string_view::npos, "a name has no line end");
    const auto line = take_bytes(line_end - at_);
    ++at_;
    return line;
  }

  const std::string& file_;

 private:
  std::string_view bytes_;
  uint64_t at_ = 0, opcode_at_ = 0;
};

}  // namespace rushes::tensor
