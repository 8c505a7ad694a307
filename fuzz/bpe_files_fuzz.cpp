// Any bytes as vocab.json, merges.txt and tokenizer_config.json, or as tokenizer.json, are a byte-level BPE tokenizer
// or an Error; what is a tokenizer then encodes text to ids that it has, and decodes those to what was encoded.
#include <cstdlib>
#include <string>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/text/bpe_files.h"
#include "rushes/text/streaming_decoder.h"
#include "rushes/text/utf8.h"

namespace {

using namespace rushes::text;

/// The input's bytes joined to the tokens of all bytes, without which there is no tokenizer: so mutations get further.
BpeFiles with_all_bytes(BpeFiles files) {
  for (int byte = 0; byte < 256; ++byte) {
    const auto character = static_cast<char>(byte);
    files.vocabulary.try_emplace(to_byte_alphabet({&character, 1}), (1 << 16) + byte);
  }
  return files;
}

void use(const BpeFiles& files, std::string_view text) {
  const auto tokenizer = std::make_shared<const ByteLevelBpe>(with_all_bytes(files));
  if (find_invalid_utf8(text)) return;
  const std::string normal = unicode_form(UnicodeForm::nfc)(text);
  for (const auto added : {AddedTokensInText::plain, AddedTokensInText::recognised}) {
    const auto ids = tokenizer->encode(text, added);
    StreamingDecoder decoder(tokenizer);
    for (const int64_t id : ids) {
      if (id < 0 || id >= tokenizer->vocabulary_size()) std::abort();
      decoder.push(id);
    }
    decoder.finish();
    if (added == AddedTokensInText::plain && tokenizer->decode(ids, SpecialTokensInOutput::keep) != normal)
      std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Parts are separated by a zero byte; the last one is a text.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::string_view parts[4];
  size_t begin = 0;
  for (std::string_view& part : parts) {
    const size_t end = std::min(input.find('\0', begin), size);
    part = input.substr(begin, end - begin);
    begin = std::min(end + 1, size);
  }
  try {
    use(parse_bpe_files(parts[0], parts[1], parts[2], "fuzz"), parts[3]);
  } catch (const rushes::Error&) {}
  try {
    use(parse_bpe_json(parts[0], "fuzz"), parts[3]);
  } catch (const rushes::Error&) {}
  return 0;
}
