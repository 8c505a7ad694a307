// Any bytes as a safetensors file: read whole, or refused with an Error; every tensor's bytes can be touched.
#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/safetensors.h"
#include "touch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rushes::tensor;
  try {
    fuzz::touch(read_safetensors(FileBytes::copy_of({reinterpret_cast<const char*>(data), size}, "fuzz")).tensors);
  } catch (const rushes::Error&) {}
  return 0;
}
