// Form fields as IMTalker's servers read them, and the answers that they give to wrong ones: every bad field is listed,
// with the words of their validation library, since clients may look at them.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "rushes/generation/request.h"
#include "rushes/server/http/http.h"
#include "rushes/server/http/multipart.h"
#include "rushes/server/http/retry_after.h"

namespace rushes::server::imtalker {

/// {"detail": text}
Response detail(int status, std::string_view text, int64_t retry_after_s = kUsualRetryAfter);

/// What a route answers at once, thrown from wherever it is found.
class Refused : public std::exception {
 public:
  explicit Refused(Response response) : response(std::move(response)) {}
  const char* what() const noexcept override { return "refused"; }
  Response response;
};

/// Throws Refused with {"detail": text}.
[[noreturn]] void refuse(int status, std::string_view text);

/// Reads fields one after the other, remembers what is wrong, and refuses all at once in check(). Unknown fields are
/// ignored, and told by unused(); of several with one name the last counts. The request must outlive it.
class Form {
 public:
  /// Throws Refused(400) for a multipart body that cannot be read.
  explicit Form(const Request& request);

  std::string text(const char* field);
  std::optional<std::string> optional_text(const char* field) const;
  int64_t integer(const char* field, int64_t otherwise);
  double number(const char* field, double otherwise);
  bool boolean(const char* field, bool otherwise);
  /// Any number of 64 bits.
  uint64_t seed(uint64_t otherwise);
  bool has(const char* field) const { return find(field) != nullptr; }
  /// Fields that were sent and not asked for.
  std::vector<generation::Ignored> unused() const;
  /// The bytes of an uploaded file, within the request's body.
  std::string_view file(const char* field);
  /// Its name and Content-Type as sent; empty: none.
  std::string_view file_name(const char* field) const;
  std::string_view file_type(const char* field) const;
  /// Throws Refused(422) listing all that was wrong so far.
  void check();
  /// As the validation library's bounds of a field.
  void require_range(const char* field, double value, double least, double most);

 private:
  struct Value {
    std::string_view content;
    bool is_file;
    std::string name = {}, type = {};  // of a file
  };
  const Value* find(std::string_view field) const;
  void complain(const char* type, const char* field, std::string_view message, Json input, Json context = {});

  std::map<std::string, Value, std::less<>> fields_;
  mutable std::set<std::string, std::less<>> asked_;
  std::vector<std::string> decoded_;  // of an url-encoded body
  Json complaints_ = Json::array();
};

}  // namespace rushes::server::imtalker
