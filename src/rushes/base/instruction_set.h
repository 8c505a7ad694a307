// Which instructions of x86 processors this process computes with. Limited by RUSHES_ISA, so that what a lesser machine
// computes can be computed, tested and measured on a better one. The limit holds for our kernels and for those of
// libtorch, oneDNN and MKL, which read it from variables of their own: the environment is set when the program or the
// Python module is loaded, before they are used.
#pragma once
#include <string_view>
#include <vector>

namespace rushes {

/// Each with all of those before it. avx2 (x86-64-v3) is the floor of supported processors; avx512 is F, BW, DQ and VL.
enum class InstructionSet { avx2, avx512, avx512_bf16 };

/// The enumerator's own spelling, as RUSHES_ISA has it.
std::string_view name(InstructionSet set) noexcept;

/// What the processor has, lowest first.
std::vector<InstructionSet> processor_instruction_sets();

/// What kernels are chosen by: the highest that the processor has and RUSHES_ISA permits. Asked and logged once: a
/// limit that is in force, or one above what the processor has, which changes nothing. Throws Error(invalid_argument)
/// for another word in RUSHES_ISA. Any thread.
InstructionSet instruction_set();

}  // namespace rushes
