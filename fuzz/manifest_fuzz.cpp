// Any bytes as a model's manifest, with the root as its folder, so that the corpus can name something that exists. What
// is read must be written and read back the same.
#include "rushes/base/error.h"
#include "rushes/models/wan/model_directory.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto model = rushes::wan::parse_manifest(std::string(reinterpret_cast<const char*>(data), size), "/", "fuzz");
    if (!(rushes::wan::parse_manifest(rushes::wan::manifest_yaml(model), "/", "written") == model)) __builtin_trap();
  } catch (const rushes::Error&) {}
  return 0;
}
