// load_model(): which family a directory is of, and the model.
#include "rushes/base/error.h"
#include "rushes/base/manifest.h"
#include "rushes/generation/registry.h"

namespace rushes::generation {

std::shared_ptr<const Model> load_model(const ModelOptions& options) {
  require(!options.path.empty(), ErrorCode::invalid_argument,
          "model must be a model directory (or 'random' for a small model with random weights)");
  constexpr std::string_view kRandom = "random:";
  if (options.path == "random") return families().front().tiny(0);
  if (options.path.starts_with(kRandom)) return family_named(options.path.substr(kRandom.size())).tiny(0);
  const std::filesystem::path directory = options.path;
  std::error_code ignored;
  require(std::filesystem::is_directory(directory, ignored), ErrorCode::not_found, "there is no model folder '{}'",
          options.path);
  if (const auto family = manifest_family(directory)) return family_named(*family).load(options);
  if (const Family* family = family_at(directory)) return family->load(options);
  // A folder with a manifest that names no family, or with some of a published model's files: the first family says
  // what is missing.
  return families().front().load(options);
}

}  // namespace rushes::generation
