// Any bytes as a configuration that was pickled.
#include "rushes/base/error.h"
#include "rushes/tensor/pickle_data.h"

#include <nlohmann/json.hpp>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto file = rushes::tensor::FileBytes::copy_of({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (rushes::tensor::plain_data(*file).dump(-1, ' ', false, nlohmann::json::error_handler_t::strict).empty())
      __builtin_trap();
  } catch (const rushes::Error&) {}
  return 0;
}
