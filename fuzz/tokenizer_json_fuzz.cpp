// Any bytes as tokenizer.json are a tokenizer or an Error; what is a tokenizer then splits text without a crash, and
// its encodings have the length that was asked for.
#include <cstdlib>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/text/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // The text comes from the end of the input, so that it is mutated too.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view text = input.substr(size - std::min<size_t>(size, 64));
  try {
    const auto tokenizer = rushes::text::parse_tokenizer_json(input, "fuzz");
    for (const std::string_view one : {std::string_view("a ab </s> \u00e9\U0001F600"), text}) {
      const auto encoding = tokenizer->encode(one, 32);
      if (encoding.ids.size() != 32 || encoding.mask.size() != 32) std::abort();
      for (const auto id : encoding.ids)
        if (id < 0 || id >= tokenizer->vocabulary_size()) std::abort();
    }
  } catch (const rushes::Error&) {}
  return 0;
}
