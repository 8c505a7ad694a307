// Any bytes as a sentencepiece model are a tokenizer or an Error; what is a tokenizer then splits text without a crash,
// and its encodings have the length that was asked for.
#include <cstdlib>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/text/sentencepiece_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = rushes::text::parse_sentencepiece(input, "fuzz");
    const auto encoding = tokenizer->encode("a red circle </s> \u00e9\u4e2d\U0001F600", 32);
    if (encoding.ids.size() != 32 || encoding.mask.size() != 32) std::abort();
    for (const auto id : encoding.ids)
      if (id < 0 || id >= tokenizer->vocabulary_size()) std::abort();
  } catch (const rushes::Error&) {}
  return 0;
}
