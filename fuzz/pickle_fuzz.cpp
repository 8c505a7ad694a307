// Any bytes as the pickle inside a sound archive with two storages: the fuzzer need not find its way through the zip.
#include "rushes/base/error.h"
#include "rushes/tensor/checkpoint_forge.h"
#include "rushes/tensor/ops.h"
#include "rushes/tensor/pickle_checkpoint.h"
#include "touch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rushes::tensor;
  const std::string pickle(reinterpret_cast<const char*>(data), size);
  const std::string archive = forge::zip_bytes(
      {{"a/data.pkl", pickle}, {"a/data/0", std::string(96, '\1')}, {"a/data/1", std::string(24, '\2')}});
  try {
    fuzz::touch(read_pickle_checkpoint(FileBytes::copy_of(archive, "fuzz")).tensors);
  } catch (const rushes::Error&) {}
  return 0;
}
