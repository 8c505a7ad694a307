#include "rushes/generation/inspection.h"

#include <set>
#include <utility>

#include "rushes/base/manifest.h"
#include "rushes/generation/registry.h"
#include "rushes/tensor/checkpoint.h"
#include "rushes/tensor/dtype.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> dtypes(const tensor::WeightMap& weights) {
  std::set<std::string> names;
  for (const auto& [key, tensor] : weights.tensors()) names.insert(tensor::dtype_name(tensor.scalar_type()));
  return {names.begin(), names.end()};
}

Report tensor_list(const tensor::WeightMap& weights) {
  Report list = Report::array();
  for (const auto& [key, tensor] : weights.tensors())
    list.push_back(
        {{"name", key}, {"dtype", tensor::dtype_name(tensor.scalar_type())}, {"shape", tensor.sizes().vec()}});
  return list;
}

/// A family and what it knows of the files at hand.
struct Known {
  const Family& family;
  Inspection inspection;
};

Report inspect_checkpoint(const fs::path& path, Tensors tensors, const std::vector<Known>& known) {
  const tensor::Checkpoint checkpoint = tensor::load_checkpoint(path);
  Report report;
  report["path"] = path.string();
  report["kind"] = "checkpoint";
  report["format"] = std::string(tensor::name(checkpoint.format));
  uintmax_t file_bytes = 0;
  for (const fs::path& file : checkpoint.files) file_bytes += fs::file_size(file);
  report["files"] = checkpoint.files.size();
  report["file_bytes"] = file_bytes;
  report["tensors"] = checkpoint.tensors.tensors().size();
  report["parameters"] = checkpoint.tensors.parameter_count();
  report["dtypes"] = dtypes(checkpoint.tensors);
  report["metadata"] = checkpoint.metadata;
  report["parts"] = Report::array();
  // A family that is made of earlier ones comes after them, and is asked first: what it knows is not theirs.
  std::set<std::pair<std::string, std::string>> described;
  for (auto each = known.rbegin(); each != known.rend(); ++each) {
    const auto theirs = described;
    for (Report& part : each->inspection.parts(path, checkpoint.tensors)) {
      const std::pair place{part.value("part", ""), part.value("prefix", "")};
      if (theirs.contains(place)) continue;
      described.insert(place);
      part["family"] = each->family.name;
      report["parts"].push_back(std::move(part));
    }
  }
  if (tensors == Tensors::listed) report["tensor_list"] = tensor_list(checkpoint.tensors);
  return report;
}

/// As load_model() has it; null: a folder that holds a checkpoint, not a model.
const Family* family_of(const fs::path& directory) {
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored)) return nullptr;
  if (const auto named = manifest_family(directory)) return &family_named(*named);
  if (const Family* family = family_at(directory)) return family;
  // A manifest that names no family: the first one says what is missing.
  return fs::exists(directory / kManifestName, ignored) ? &families().front() : nullptr;
}

}  // namespace

void report(Report& about, const TrainedFor& trained_for) {
  if (!trained_for.is_known()) return;
  Report& known = about["trained_for"] = Report::object();
  for (const FrameSize& size : trained_for.sizes) known["sizes"].push_back(text_of(size));
  if (trained_for.video_frames > 0) known["frames"] = trained_for.video_frames;
}

void report(Report& about, const KnownWords& words) {
  if (!words.phrases.empty()) about["words"] = words.phrases;
}

void count(Report& part, const tensor::WeightMap& weights) {
  part["parameters"] = weights.parameter_count();
  part["bytes"] = weights.bytes();
  part["tensors"] = weights.tensors().size();
  part["dtypes"] = dtypes(weights);
}

Report inspect(const fs::path& path, Tensors tensors) {
  std::vector<Known> known;
  const Family* family = family_of(path);
  if (!family) {
    for (const Family& each : families()) known.push_back({each, each.inspect({})});
    return inspect_checkpoint(path, tensors, known);
  }
  known.push_back({*family, family->inspect(path)});
  const Inspection& inspection = known.front().inspection;
  Report report;
  report["path"] = fs::absolute(path).lexically_normal().string();
  report["kind"] = "model";
  report["name"] = inspection.about.at("name");
  report["family"] = family->name;
  report.update(inspection.about);
  report["checkpoints"] = Report::array();
  for (const fs::path& file : inspection.files)
    report["checkpoints"].push_back(inspect_checkpoint(file, tensors, known));
  return report;
}

}  // namespace rushes::generation
