// What an IMTalker checkpoint or model directory is. Shapes alone do not tell all dimensions: a checkpoint alone is
// compared with the published model.
#include "rushes/generation/imtalker/inspect.h"

#include "rushes/base/error.h"
#include "rushes/generation/imtalker/directory.h"
#include "rushes/models/imtalker/checkpoint.h"
#include "rushes/models/imtalker/face_detector.h"
#include "rushes/models/wav2vec/checkpoint.h"

namespace rushes::generation {
namespace {

namespace fs = std::filesystem;

/// The weights of a part that are in a file; throws if they are not complete.
using Load = std::function<tensor::WeightMap(const fs::path& file, const TalkDirectory& model)>;

struct Part {
  const char* name;
  Load load;
};

const Part kParts[] = {
    {"renderer", [](const fs::path& file,
                    const TalkDirectory& model) { return imtalker::load_renderer(file, model.renderer_config); }},
    {"motion_generator",
     [](const fs::path& file, const TalkDirectory& model) {
       return imtalker::load_generator(file, model.generator_config).generator;
     }},
    {"audio_encoder",
     [](const fs::path& file, const TalkDirectory& model) { return wav2vec::load(file, model.audio_config); }},
    {"face_detector",
     [](const fs::path& file, const TalkDirectory&) {
       tensor::WeightMap weights = imtalker::load_face_detector(file);
       imtalker::FaceDetector{weights};  // names what is missing
       return weights;
     }},
};

/// `is_published`: `model` is no directory's but the published one, and what does not fit it has its own dimensions.
Report describe(const Part& part, const fs::path& file, const tensor::WeightMap& tensors, const TalkDirectory& model,
                bool is_published) {
  Report report;
  report["part"] = part.name;
  report["prefix"] = "";
  tensor::WeightMap weights;
  std::string problem;
  try {
    weights = part.load(file, model);
  } catch (const Error& error) {
    problem = error.what();
  }
  count(report, problem.empty() ? weights : tensors);
  const Report fields = talk_fields(model);
  const bool is_known = problem.empty() || !is_published;
  report["model"] = problem.empty() && is_published ? "IMTalker" : "own dimensions";
  if (is_known && fields.contains(part.name)) report["config"] = fields[part.name];
  if (is_known) report["complete"] = problem.empty();
  if (is_known && !problem.empty()) report["problem"] = problem;
  return report;
}

/// Each file holds one part, and perhaps the audio encoder that its motion generator was trained with.
Report parts_of(const fs::path& file, const tensor::WeightMap& tensors, const TalkDirectory& model, bool is_published) {
  Report parts = Report::array();
  const auto names = talk_parts(tensors);
  for (const Part& part : kParts)
    if (!names.empty() && names.front() == part.name)
      parts.push_back(describe(part, file, tensors, model, is_published));
  return parts;
}

}  // namespace

Inspection inspect_talk(const fs::path& directory) {
  if (directory.empty())
    return {.parts = [](const fs::path& file, const tensor::WeightMap& tensors) {
      return parts_of(file, tensors, TalkDirectory{}, true);
    }};
  const TalkDirectory model = open_talk_directory(directory);
  Inspection inspection;
  inspection.about["name"] = model.name;
  inspection.about["defaults"] = talk_fields(model)["defaults"];
  inspection.files = {model.renderer, model.motion_generator};
  if (!model.audio_encoder.empty()) inspection.files.push_back(model.audio_encoder);
  if (model.face_detector) inspection.files.push_back(*model.face_detector);
  inspection.parts = [model](const fs::path& file, const tensor::WeightMap& tensors) {
    return parts_of(file, tensors, model, false);
  };
  return inspection;
}

}  // namespace rushes::generation
