#include "rushes/base/instruction_set.h"

#include <fmt/ranges.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "rushes/base/error.h"
#include "rushes/base/log.h"

namespace rushes {
namespace {

constexpr const char* kVariable = "RUSHES_ISA";

struct Level {
  InstructionSet set;
  std::string_view name;
  // The names of libtorch, oneDNN and MKL for it.
  const char *aten, *onednn, *mkl;
};
constexpr std::array<Level, 3> kLevels{{
    {InstructionSet::avx2, "avx2", "avx2", "AVX2", "AVX2"},
    {InstructionSet::avx512, "avx512", "avx512", "AVX512_CORE", "AVX512"},
    {InstructionSet::avx512_bf16, "avx512_bf16", "avx512", "AVX512_CORE_BF16", "AVX512"},
}};

bool processor_has(InstructionSet set) {
  __builtin_cpu_init();  // limit_libraries() comes before the compiler's own call
  switch (set) {
    case InstructionSet::avx2: return true;
    case InstructionSet::avx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case InstructionSet::avx512_bf16:
      return processor_has(InstructionSet::avx512) && __builtin_cpu_supports("avx512bf16");
  }
  return false;
}

InstructionSet best_of_processor() { return processor_instruction_sets().back(); }

const Level* level_named(std::string_view word) {
  const auto* found = std::find_if(kLevels.begin(), kLevels.end(), [&](const Level& l) { return l.name == word; });
  return found == kLevels.end() ? nullptr : found;
}

/// The variable's word; none where it is unset or empty.
std::optional<std::string_view> wanted() {
  const char* word = ::getenv(kVariable);  // NOLINT(concurrency-mt-unsafe): nothing here writes it later
  return word == nullptr || *word == '\0' ? std::nullopt : std::optional<std::string_view>(word);
}

std::vector<std::string_view> names(const std::vector<InstructionSet>& sets) {
  std::vector<std::string_view> words;
  for (const InstructionSet set : sets) words.push_back(name(set));
  return words;
}

// Before every other initialiser here, and long before libtorch looks. It cannot throw: instruction_set() says what is
// wrong with the word. A limit that the processor is below is none: nothing is set.
[[gnu::constructor(101)]] void limit_libraries() {
  const auto word = wanted();
  const Level* level = word ? level_named(*word) : nullptr;
  if (level == nullptr || !processor_has(level->set)) return;
  // NOLINTBEGIN(concurrency-mt-unsafe): there are no threads yet
  ::setenv("ATEN_CPU_CAPABILITY", level->aten, 1);
  ::setenv("ONEDNN_MAX_CPU_ISA", level->onednn, 1);
  ::setenv("MKL_ENABLE_INSTRUCTIONS", level->mkl, 1);
  // NOLINTEND(concurrency-mt-unsafe)
}

InstructionSet decided() {
  const InstructionSet best = best_of_processor();
  const auto word = wanted();
  if (!word) return best;
  const Level* level = level_named(*word);
  std::vector<std::string_view> all;
  for (const Level& each : kLevels) all.push_back(each.name);
  require(level != nullptr, ErrorCode::invalid_argument, "{} is '{}'; it must be one of {} (this processor has {})",
          kVariable, *word, fmt::join(all, ", "), fmt::join(names(processor_instruction_sets()), ", "));
  if (level->set > best)
    log::warning("{} is {}, but this processor has only {}: computing with {}", kVariable, *word,
                 fmt::join(names(processor_instruction_sets()), ", "), name(best));
  else
    log::info("computing with {} at most ({}); this processor has {}", *word, kVariable,
              fmt::join(names(processor_instruction_sets()), ", "));
  return std::min(level->set, best);
}

}  // namespace

std::string_view name(InstructionSet set) noexcept { return kLevels[static_cast<std::size_t>(set)].name; }

std::vector<InstructionSet> processor_instruction_sets() {
  std::vector<InstructionSet> sets;
  for (const Level& level : kLevels)
    if (processor_has(level.set)) sets.push_back(level.set);
  return sets;
}

InstructionSet instruction_set() {
  static const InstructionSet set = decided();
  return set;
}

}  // namespace rushes
