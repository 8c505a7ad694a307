// Any bytes as an archive of torch.save.
#include "rushes/base/error.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/pickle_checkpoint.h"
#include "touch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rushes::tensor;
  try {
    fuzz::touch(
        read_pickle_checkpoint(FileBytes::copy_of({reinterpret_cast<const char*>(data), size}, "fuzz")).tensors);
  } catch (const rushes::Error&) {}
  return 0;
}
