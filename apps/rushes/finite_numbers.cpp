#include "finite_numbers.h"

#include <cmath>
#include <cstdlib>

namespace rushes::app {

void refuse_what_is_not_finite(CLI::App& app) {
  const auto wrong = [](const std::string& text) {
    return std::isfinite(std::strtod(text.c_str(), nullptr)) ? std::string() : "'" + text + "' must be a finite number";
  };
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    if (type.starts_with("FLOAT") || type.starts_with("SECONDS")) option->check(wrong);
  }
  for (CLI::App* command : app.get_subcommands({})) refuse_what_is_not_finite(*command);
}

}  // namespace rushes::app
