#include "rushes/generation/registry.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "rushes/base/error.h"
#include "rushes/base/printable.h"

namespace rushes::generation {
namespace {

std::string names() {
  std::vector<std::string_view> all;
  for (const Family& family : families()) all.push_back(family.name);
  return fmt::format("{}", fmt::join(all, ", "));
}

}  // namespace

const Family& family_named(std::string_view name) {
  for (const Family& family : families())
    if (family.name == name) return family;
  fail(ErrorCode::not_found, "there is no model family '{}'; this build has {}", printable(name), names());
}

const Family* family_of(const std::string& path) {
  constexpr std::string_view kRandom = "random:";
  if (path == "random") return &families().front();
  if (path.starts_with(kRandom)) return &family_named(path.substr(kRandom.size()));
  return family_at(path);
}

const Family* family_at(const std::filesystem::path& directory) {
  const auto all = families();
  for (auto family = all.rbegin(); family != all.rend(); ++family)
    if (family->recognise(directory)) return &*family;
  return nullptr;
}

std::vector<FamilyOption> family_options(const std::function<bool(const Family&)>& wanted) {
  std::vector<FamilyOption> all;
  for (const Family& family : families()) {
    if (!wanted(family)) continue;
    for (const OptionField& field : family.options()) {
      const auto known =
          std::find_if(all.begin(), all.end(), [&](const auto& o) { return o.field->name == field.name; });
      if (known == all.end())
        all.push_back({&field, {family.name}});
      else
        known->families.push_back(family.name);
    }
  }
  return all;
}

}  // namespace rushes::generation
