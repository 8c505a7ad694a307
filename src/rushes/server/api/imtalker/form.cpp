#include "rushes/server/api/imtalker/form.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace rushes::server::imtalker {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<double> parse_number(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

Response detail(int status, std::string_view text, int64_t retry_after_s) {
  Response response = json_response(status, {{"detail", text}});
  if (status == 429 || status == 503) response.headers.emplace_back("Retry-After", std::to_string(retry_after_s));
  return response;
}

void refuse(int status, std::string_view text) { throw Refused(detail(status, text)); }

Form::Form(const Request& request) {
  const std::string type = media_type(request.header("content-type"));
  if (type == "multipart/form-data") {
    try {
      for (const FormPart& part : parse_multipart(request.header("content-type"), request.body))
        fields_[part.name] = {part.content, part.file_name.has_value(), part.file_name.value_or(""), part.content_type};
    } catch (const Error& error) {
      refuse(http_status(error.code()), fmt::format("There was an error parsing the body: {}", error.what()));
    }
  } else if (type == "application/x-www-form-urlencoded") {
    const Values values = parse_query(request.body);  // throws: files do not come in this way
    decoded_.reserve(values.size());
    for (const auto& [name, value] : values) {
      decoded_.push_back(value);
      fields_[name] = {decoded_.back(), false, {}, {}};
    }
  }
}

void Form::complain(const char* type, const char* field, std::string_view message, Json input, Json context) {
  Json complaint{{"type", type}, {"loc", {"body", field}}, {"msg", message}, {"input", std::move(input)}};
  if (!context.is_null()) complaint["ctx"] = std::move(context);
  complaints_.push_back(std::move(complaint));
}

const Form::Value* Form::find(std::string_view field) const {
  asked_.emplace(field);
  const auto found = fields_.find(field);
  return found == fields_.end() ? nullptr : &found->second;
}

std::vector<generation::Ignored> Form::unused() const {
  constexpr std::size_t kMost = 16;
  std::vector<generation::Ignored> unused;
  for (const auto& [name, value] : fields_)
    if (!asked_.contains(name) && unused.size() < kMost)
      unused.push_back({name.substr(0, 64), "this server has no use for the field"});
  return unused;
}

std::optional<std::string> Form::optional_text(const char* field) const {
  const Value* found = find(field);
  // An empty text is as good as none: that is how browsers send a field that nobody filled in.
  if (!found || found->content.empty()) return std::nullopt;
  return std::string(found->content);
}

uint64_t Form::seed(uint64_t otherwise) {
  const auto text = optional_text("seed");
  if (!text) return otherwise;
  try {
    std::string_view digits = trimmed(*text);
    if (digits.ends_with(".0")) digits.remove_suffix(2);  // as for other integers
    return generation::parse_seed(digits);
  } catch (const Error&) {
    complain("int_parsing", "seed",
             fmt::format("Input should be a valid integer, that is {}, unable to parse string as an integer",
                         generation::kSeedRange),
             text->substr(0, 64));
    return otherwise;
  }
}

std::string Form::text(const char* field) {
  auto value = optional_text(field);
  if (!value) complain("missing", field, "Field required", nullptr);
  return value.value_or("");
}

int64_t Form::integer(const char* field, int64_t otherwise) {
  const auto text = optional_text(field);
  if (!text) return otherwise;
  const auto value = parse_number(*text);
  // Whole numbers may be written as 3.0, larger ones than a double holds exactly are taken digit by digit.
  int64_t exact = 0;
  const std::string_view digits = trimmed(*text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exact);
  if (error == std::errc{} && end == digits.data() + digits.size()) return exact;
  if (value && std::floor(*value) == *value && std::abs(*value) < 9e15) return static_cast<int64_t>(*value);
  complain("int_parsing", field, "Input should be a valid integer, unable to parse string as an integer", *text);
  return otherwise;
}

double Form::number(const char* field, double otherwise) {
  const auto text = optional_text(field);
  if (!text) return otherwise;
  const auto value = parse_number(*text);
  if (value && std::isfinite(*value)) return *value;
  complain("float_parsing", field, "Input should be a valid number, unable to parse string as a number", *text);
  return otherwise;
}

bool Form::boolean(const char* field, bool otherwise) {
  const auto text = optional_text(field);
  if (!text) return otherwise;
  std::string word(trimmed(*text));
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* yes : {"true", "1", "yes", "on", "t", "y"})
    if (word == yes) return true;
  for (const char* no : {"false", "0", "no", "off", "f", "n"})
    if (word == no) return false;
  complain("bool_parsing", field, "Input should be a valid boolean, unable to interpret input", *text);
  return otherwise;
}

std::string_view Form::file(const char* field) {
  const Value* found = find(field);
  if (!found) {
    complain("missing", field, "Field required", nullptr);
    return {};
  }
  if (!found->is_file) {
    complain("value_error", field, "Value error, Expected UploadFile, received: <class 'str'>",
             std::string(found->content.substr(0, 64)));
    return {};
  }
  return found->content;
}

std::string_view Form::file_name(const char* field) const {
  const auto found = fields_.find(field);
  return found == fields_.end() ? std::string_view() : std::string_view(found->second.name);
}

std::string_view Form::file_type(const char* field) const {
  const auto found = fields_.find(field);
  return found == fields_.end() ? std::string_view() : std::string_view(found->second.type);
}

void Form::require_range(const char* field, double value, double least, double most) {
  if (value > most)
    complain("less_than_equal", field, fmt::format("Input should be less than or equal to {}", most), value,
             {{"le", most}});
  if (value < least)
    complain("greater_than_equal", field, fmt::format("Input should be greater than or equal to {}", least), value,
             {{"ge", least}});
}

void Form::check() {
  if (!complaints_.empty()) throw Refused(json_response(422, {{"detail", std::exchange(complaints_, Json::array())}}));
}

}  // namespace rushes::server::imtalker
