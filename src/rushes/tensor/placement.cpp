#include "rushes/tensor/placement.h"

#include "rushes/base/error.h"
#include "rushes/base/instruction_set.h"
#include "rushes/tensor/dtype.h"
#include "rushes/tensor/ops.h"

namespace rushes::tensor {
namespace {

// Below this bfloat16 saves no memory that matters.
constexpr int64_t kManyParameters = 100'000'000;

/// Whether the processor multiplies bfloat16 itself; elsewhere it is emulated and slower than float32.
bool fast_bfloat16() { return instruction_set() == InstructionSet::avx512_bf16; }

}  // namespace

std::string Placement::text() const { return fmt::format("{} on {}", dtype_name(dtype), device.str()); }

at::Device parse_device(const std::string& word) {
  try {
    const at::Device device(word);
    require(device.is_cpu() || device.is_cuda(), ErrorCode::invalid_argument,
            "device must be cpu, cuda or cuda:N (got '{}')", word);
    require(device.is_cpu() || at::hasCUDA(), ErrorCode::unavailable,
            "device '{}': this build or machine has no CUDA; use cpu, or a build of the preset cuda", word);
    return device;
  } catch (const c10::Error&) {
    fail(ErrorCode::invalid_argument, "device must be cpu, cuda or cuda:N (got '{}')", word);
  }
}

Placement place(const std::string& device, const std::string& dtype, int64_t parameters) {
  const at::Device where = parse_device(device);
  if (dtype == "float32") return {where, at::kFloat};
  if (dtype == "bfloat16") return {where, at::kBFloat16};
  require(dtype == "auto", ErrorCode::invalid_argument, "dtype must be auto, float32 or bfloat16 (got '{}')", dtype);
  const bool half = where.is_cuda() || (fast_bfloat16() && parameters >= kManyParameters);
  return {where, half ? at::kBFloat16 : at::kFloat};
}

}  // namespace rushes::tensor
