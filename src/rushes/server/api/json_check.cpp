#include "rushes/server/api/json_check.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "rushes/base/error.h"

namespace rushes::server {
namespace {

constexpr int kMostValues = 1 << 16;     // of all depths
constexpr std::size_t kMostDepth = 100;  // copying and writing call themselves for each

/// The library's own callback is not used for this: at each object's end it goes through all that came before it.
class Check final : public nlohmann::json_sax<nlohmann::json> {
 public:
  Check(EqualNames equal_names, std::size_t most_names) : equal_names_(equal_names), most_names_(most_names) {}

  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool number_integer(number_integer_t) override { return count(); }
  bool number_unsigned(number_unsigned_t) override { return count(); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool string(string_t&) override { return count(); }
  bool binary(binary_t&) override { return count(); }
  bool start_array(std::size_t) override { return deeper(); }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool start_object(std::size_t) override {
    names_.emplace_back();
    return deeper();
  }
  bool end_object() override {
    names_.pop_back();
    --depth_;
    return true;
  }
  bool key(string_t& name) override {
    const bool is_new = names_.back().insert(name).second;
    require(is_new || equal_names_ == EqualNames::allowed, ErrorCode::invalid_argument,
            "the body has the field '{}' twice", name.size() <= 64 ? name : name.substr(0, 64) + "...");
    require(names_.back().size() <= most_names_, ErrorCode::too_large, "a JSON object has more than {} fields",
            most_names_);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception&) override { return false; }

 private:
  bool count() {
    require(++values_ <= kMostValues, ErrorCode::too_large, "the JSON has more than {} values", kMostValues);
    return true;
  }

  bool deeper() {
    require(++depth_ <= kMostDepth, ErrorCode::invalid_argument, "the JSON is nested more than {} times", kMostDepth);
    return count();
  }

  const EqualNames equal_names_;
  const std::size_t most_names_;
  int values_ = 0;
  std::size_t depth_ = 0;
  std::vector<std::set<std::string>> names_;  // of the objects that are open
};

}  // namespace

void check_json(std::string_view text, EqualNames equal_names, std::size_t most_names) {
  Check check(equal_names, most_names);
  nlohmann::json::sax_parse(text, &check);
}

}  // namespace rushes::server
