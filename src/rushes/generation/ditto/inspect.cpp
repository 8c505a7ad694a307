// What a Ditto model directory or one of its files is. The sizes are those that the parameters tell.
#include "rushes/generation/ditto/inspect.h"

#include "rushes/base/error.h"
#include "rushes/generation/ditto/directory.h"
#include "rushes/models/ditto/checkpoint.h"
#include "rushes/models/wav2vec/checkpoint.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;

/// Of each part's names one that no other part of any family has.
constexpr std::pair<const char*, std::string_view> kKeys[] = {
    {"appearance_extractor", "resblocks_3d.3dr0."}, {"motion_extractor", "detector.fc_kp."},
    {"warp_network", "dense_motion_network."},      {"decoder", "G_middle_0."},
    {"stitch_network", "retarget_shoulder."},       {"lmdm", "seqTransDecoder.stack.0."}};

Report parts_of(const fs::path& file, const tensor::WeightMap& tensors, const DittoDirectory* model) {
  Report parts = Report::array();
  for (const auto& [part, mark] : kKeys) {
    const bool holds =
        std::any_of(tensors.tensors().begin(), tensors.tensors().end(),
                    [&, mark = mark](const auto& each) { return each.first.find(mark) != std::string::npos; });
    const bool is_named = model != nullptr && model->files.contains(part) && model->files.at(part) == file;
    if (!holds && !is_named) continue;
    Report report;
    report["part"] = part;
    report["prefix"] = "";
    tensor::WeightMap weights;
    std::string problem;
    try {
      weights = ditto::load(part, file);
    } catch (const Error& error) {
      problem = error.what();
    }
    count(report, problem.empty() ? weights : tensors);
    const bool is_published = problem.empty() && ditto::parameter_shapes(part, ditto::sizes_of(part, weights)) ==
                                                     ditto::parameter_shapes(part, {});
    report["model"] = is_published ? "Ditto" : "own dimensions";
    report["complete"] = problem.empty();
    if (!problem.empty()) report["problem"] = problem;
    parts.push_back(std::move(report));
  }
  return parts;
}

/// By its place: its names are those of every speech encoder.
Report speech_encoder(const fs::path& file, const tensor::WeightMap& tensors, const wav2vec::Config& config) {
  Report report;
  report["part"] = "audio_encoder";
  report["prefix"] = "";
  report["model"] = config == wav2vec::Config::hubert_large() ? "HuBERT large" : "own dimensions";
  try {
    count(report, wav2vec::load(file, config));
    report["complete"] = true;
  } catch (const Error& error) {
    count(report, tensors);
    report["complete"] = false;
    report["problem"] = error.what();
  }
  return report;
}

}  // namespace

Inspection inspect_ditto(const fs::path& directory) {
  if (directory.empty())
    return {.parts = [](const fs::path& file, const tensor::WeightMap& tensors) {
      return parts_of(file, tensors, nullptr);
    }};
  const DittoDirectory model = open_ditto_directory(directory);
  Inspection inspection;
  inspection.about["name"] = model.name;
  for (const auto& [name, value] : model.defaults.values()) inspection.about["defaults"][name] = to_text(value);
  for (const char* part : kDittoParts) inspection.files.push_back(model.files.at(part));
  inspection.parts = [model](const fs::path& file, const tensor::WeightMap& tensors) {
    if (file == model.files.at("audio_encoder")) return Report::array({speech_encoder(file, tensors, model.audio)});
    return parts_of(file, tensors, &model);
  };
  return inspection;
}

}  // namespace rushes::generation
