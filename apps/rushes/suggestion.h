// Words of a command line that nobody knows, and the ones that were probably meant.
#pragma once
#include <CLI/CLI.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace rushes::app {

/// The one of `known` that `word` is most likely a typing error of, or the only one that it begins; empty: none.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

/// What is wrong with a command line of which `app` could not place all words: the first option that does not exist,
/// else the first command, else the first word; with what was probably meant. Empty: all words have their places.
std::string unknown_word(const CLI::App& app);

}  // namespace rushes::app
