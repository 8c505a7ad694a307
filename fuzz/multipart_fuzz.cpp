// Any bytes as a form are parts that lie within the body, or an Error. The first line is the Content-Type.
#include <cstdlib>
#include <string_view>

#include "rushes/base/error.h"
#include "rushes/server/http/multipart.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view type = input.substr(0, input.find('\n'));
  input.remove_prefix(std::min(input.size(), type.size() + 1));
  try {
    const auto parts = rushes::server::parse_multipart(type, input);
    if (parts.size() > rushes::server::kMaxFormParts) std::abort();
    for (const auto& part : parts)
      if (part.name.empty() || part.content.data() < input.data() ||
          part.content.data() + part.content.size() > input.data() + input.size())
        std::abort();
  } catch (const rushes::Error&) {}
  return 0;
}
