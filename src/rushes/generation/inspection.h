// What model directories and checkpoints are, found in names and shapes: no weight is read. For `rushes inspect`.
#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "rushes/base/manifest.h"

namespace rushes::tensor {
class WeightMap;
}
namespace rushes::generation {

using Report = nlohmann::ordered_json;

/// What one family knows of a model directory, or of a checkpoint alone.
struct Inspection {
  Report about = Report::object();                // of a directory: its name, and what else its manifest says
  std::vector<std::filesystem::path> files = {};  // of a directory: its checkpoints
  /// What a checkpoint holds of a model, an object for each part. `part` names it; `prefix` of its keys, `parameters`,
  /// `bytes`, `tensors` and `dtypes` count it; `model` is its published name, `config` its dimensions; `complete` says
  /// whether all of it fits these, with the `problem` if not, and is absent where its dimensions are not known.
  std::function<Report(const std::filesystem::path& file, const tensor::WeightMap& tensors)> parts = {};
};

/// A visitor of the families' lists of fields, which puts each under its name into `object`.
struct FieldReport {
  Report& object;
  template <typename T>
  void operator()(const char* key, const T& value, FieldRange = kAny) const {
    if constexpr (Worded<T>) {
      for (const auto& [word, of] : words_of(value))
        if (of == value) object[key] = std::string(word);
    } else {
      object[key] = value;
    }
  }
};

/// Under `trained_for`, where it is known.
void report(Report& about, const TrainedFor& trained_for);
/// Under `words`, likewise.
void report(Report& about, const KnownWords& words);

/// The counts of a part.
void count(Report& part, const tensor::WeightMap& weights);

enum class Tensors { counted, listed };

/// A model directory: {"kind": "model", "name", "family", "checkpoints": [...]} and what its family says; else a
/// checkpoint: {"kind": "checkpoint", "format", "file_bytes", "tensors", "parts": [...]} with the parts that any family
/// knows. Throws what reading them throws.
Report inspect(const std::filesystem::path& path, Tensors tensors);

}  // namespace rushes::generation
