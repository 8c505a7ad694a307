#include "rushes/generation/sketch/family.h"

#include "rushes/base/manifest.h"
#include "rushes/generation/inspection.h"
#include "rushes/generation/sketch/generator.h"

namespace rushes::generation {
namespace {

std::span<const OptionField> published_options() {
  static const std::vector<OptionField> fields = sketch_options();
  return fields;
}

class SketchModel final : public Model {
 public:
  SketchModel(ModelCard card, SketchStyle style) : card_(std::move(card)), style_(style) {}

  const ModelCard& card() const override { return card_; }
  Capabilities capabilities() const override { return sketch_capabilities(); }
  std::span<const OptionField> options() const override { return published_options(); }
  std::unique_ptr<Plan> plan(const Request& request) const override { return plan_sketch(request, options()); }
  std::unique_ptr<Generator> start(std::unique_ptr<Plan> plan) const override {
    auto& planned = dynamic_cast<SketchPlan&>(*plan);  // of this very model: plan() made it
    return std::make_unique<SketchGenerator>(style_, std::make_unique<SketchPlan>(std::move(planned)));
  }

 private:
  const ModelCard card_;
  const SketchStyle style_;
};

bool recognise(const std::filesystem::path& directory) { return manifest_family(directory) == "sketch"; }

std::shared_ptr<const Model> model_of(std::string name, SketchStyle style) {
  ModelCard card{.name = std::move(name), .family = "sketch", .description = "a circle on paper", .is_small = true};
  return std::make_shared<const SketchModel>(std::move(card), style);
}

/// A family with weights also reads the files that the manifest names, and puts them where options.device says.
std::shared_ptr<const Model> load(const ModelOptions& options) {
  const std::filesystem::path directory = options.path;
  std::string name;
  SketchStyle style;
  read_manifest(manifest_text(directory), directory, (directory / kManifestName).string(), "sketch",
                [&](std::string given, ManifestSection& top) {
                  name = std::move(given);
                  ManifestSection section = top.section("style");
                  section("paper", style.paper, {0, 255});
                  section.finish();
                });
  return model_of(std::move(name), style);
}

std::shared_ptr<const Model> tiny(uint64_t) { return model_of("random", {}); }

/// Without weights there is no checkpoint to look into.
Inspection inspect(const std::filesystem::path& directory) {
  Inspection inspection;
  if (!directory.empty()) inspection.about["name"] = load({.path = directory.string()})->card().name;
  inspection.parts = [](const std::filesystem::path&, const tensor::WeightMap&) { return Report::array(); };
  return inspection;
}

}  // namespace

const Family& sketch_family() {
  static const Family family{"sketch", sketch_capabilities(), published_options, recognise, load, tiny, inspect};
  return family;
}

}  // namespace rushes::generation
