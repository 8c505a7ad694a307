#include "rushes/text/streaming_decoder.h"

#include <algorithm>

#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

bool is_ideograph(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kRanges[] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                                       {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B820, 0x2CEAF},
                                                       {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::ranges::any_of(kRanges, [c](const auto& range) { return c >= range.first && c <= range.second; });
}

char32_t last_character(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return to_code_points(text.substr(begin)).front();
}

}  // namespace

std::string StreamingDecoder::push(int64_t id) {
  ids_.push_back(id);
  const std::string text = tokenizer_->decode(ids_);
  size_t certain = 0;
  if (text.ends_with('\n') || (!text.empty() && is_ideograph(last_character(text))))
    certain = text.size();
  else if (const size_t space = text.rfind(' '); space != std::string::npos)
    certain = space + 1;
  std::string news = certain > told_bytes_ ? text.substr(told_bytes_, certain - told_bytes_) : std::string();
  told_bytes_ += news.size();
  if (text.ends_with('\n')) {
    ids_.clear();
    told_bytes_ = 0;
  }
  return news;
}

std::string StreamingDecoder::finish() {
  const std::string text = tokenizer_->decode(ids_);
  std::string news = text.substr(std::min(told_bytes_, text.size()));
  ids_.clear();
  told_bytes_ = 0;
  return news;
}

}  // namespace rushes::text
