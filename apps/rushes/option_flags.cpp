#include "option_flags.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "rushes/base/error.h"

namespace rushes::app {
namespace {

std::string with_dashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

/// "--overlap,--overlap-frames,--overlap_frames": the name first, no spelling that `taken` has.
std::vector<std::string> spellings(const OptionField& field, std::set<std::string>& taken) {
  std::vector<std::string> flags;
  std::vector<std::string> names{field.name};
  names.insert(names.end(), field.aliases.begin(), field.aliases.end());
  for (const std::string& name : names)
    for (const std::string& spelling : {with_dashes(name), name})
      if (taken.insert(spelling).second) flags.push_back("--" + spelling);
  return flags;
}

void add_flag(CLI::App& command, Options& options, const OptionField& field, const std::vector<std::string>& flags,
              const std::string& group) {
  const std::string standard =
      std::holds_alternative<std::monostate>(field.standard) || field.standard == OptionValue(std::string())
          ? ""
          : fmt::format(" (published default: {})", to_text(field.standard));
  const std::string doc = fmt::format("{}; {}{}", field.doc, field.allowed(), standard);
  CLI::Option* flag = nullptr;
  if (field.type == OptionType::boolean) {
    std::string names = fmt::format("{}", fmt::join(flags, ","));
    for (const std::string& each : flags) names += ",!--no-" + each.substr(2);
    flag = command.add_flag_function(
        names, [&options, &field](int64_t count) { options.set(field.name, count > 0); }, doc);
  } else if (field.type == OptionType::numbers && field.least_count == field.most_count) {
    flag = command
               .add_option_function<std::vector<double>>(
                   fmt::format("{}", fmt::join(flags, ",")),
                   [&options, &field](const std::vector<double>& values) { options.set(field.name, values); }, doc)
               ->expected(static_cast<int>(field.least_count))
               ->delimiter(',');
  } else {
    // One option may have several names, of which scripts give more than one.
    flag = command
               .add_option_function<std::vector<std::string>>(
                   fmt::format("{}", fmt::join(flags, ",")),
                   [&options, &field](const std::vector<std::string>& texts) {
                     for (const std::string& text : texts)
                       require(text == texts.front(), ErrorCode::invalid_argument,
                               "{} is given twice, as {} and {}; give one value", field.name, texts.front(), text);
                     options.set(field.name, parse_option(field, texts.front()));
                   },
                   doc)
               ->expected(1)
               ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  flag->group(group);
}

}  // namespace

void add_option_flags(CLI::App& command, Options& options,
                      const std::function<bool(const generation::Family&)>& wanted) {
  const auto all = generation::family_options(wanted);
  if (!all.empty() && command.get_footer().empty())
    command.footer(
        "Published defaults are those of a family's published model. What counts where a flag is not given is the "
        "default of the model itself, in its model.yaml: rushes inspect DIR prints it.");
  std::set<std::string> taken;
  for (const CLI::Option* known : command.get_options()) {
    for (const std::string& name : known->get_lnames()) taken.insert(name);
  }
  const std::set<std::string> of_command = taken;  // what it has itself goes before: `serve --max-pixels` is a limit
  for (const auto& option : all) taken.insert({option.field->name, with_dashes(option.field->name)});
  std::set<std::string> others = taken;  // an alias gives way to the name of another option
  for (const auto& option : all) {
    if (of_command.contains(with_dashes(option.field->name))) continue;
    others.erase(option.field->name);
    others.erase(with_dashes(option.field->name));
    add_flag(command, options, *option.field, spellings(*option.field, others),
             fmt::format("Options of {} models", fmt::join(option.families, " and ")));
  }
}

CLI::Option* add_seed_option(CLI::App& command, uint64_t& seed, const std::string& doc) {
  return command
      .add_option_function<std::string>(
          "--seed", [&seed](const std::string& text) { seed = generation::parse_seed(text); }, doc)
      ->default_str(std::to_string(seed));
}

bool takes_text(const generation::Family& family) { return family.capabilities.takes.has(generation::Modality::text); }
bool is_fed_audio_alone(const generation::Family& family) {
  return family.capabilities.feeds.has(generation::Modality::audio) && !takes_text(family);
}
bool is_prompted_and_fed_audio(const generation::Family& family) {
  return family.capabilities.feeds.has(generation::Modality::audio) && takes_text(family);
}

bool answers_about_pictures(const generation::Family& family) {
  return family.capabilities.takes.has(generation::Modality::image) &&
         family.capabilities.yields.has(generation::Modality::text);
}

}  // namespace rushes::app
