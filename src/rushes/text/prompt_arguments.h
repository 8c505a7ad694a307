// Prompts on a command line: a shell takes apart what nobody has quoted.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace rushes::text {

/// Arguments as lines of prompts (prompts_of_line()): neighbours without white space are the words of one line, as in
/// `generate a red circle`; an argument with white space was quoted, and is a line by itself. So is one that ends in a
/// script without spaces between words (Han, Thai): it is as whole as a prompt can be. Throws Error(invalid_argument)
/// for what is not UTF-8.
std::vector<std::string> lines_of_arguments(std::span<const std::string> arguments);

}  // namespace rushes::text
