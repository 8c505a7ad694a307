#include "rushes/models/ltx/text_context.h"

namespace rushes::ltx {

std::vector<const nn::KeyValue*> TextContext::layer(std::size_t index) const {
  std::vector<const nn::KeyValue*> all;
  for (const Prompt& prompt : prompts) all.push_back(&prompt.at(index));
  return all;
}

int64_t TextContext::bytes() const {
  std::size_t total = 0;
  for (const Prompt& prompt : prompts)
    for (const nn::KeyValue& own : prompt) total += own.k.nbytes() + own.v.nbytes();
  return static_cast<int64_t>(total);
}

TextContext joined(const std::vector<TextContext>& contexts) {
  TextContext all;
  for (const TextContext& one : contexts) all.prompts.insert(all.prompts.end(), one.prompts.begin(), one.prompts.end());
  return all;
}

}  // namespace rushes::ltx
