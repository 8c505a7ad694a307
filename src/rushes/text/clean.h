// Prompt cleaning of the Wan reference: misread and oddly typed text becomes what its writer meant, so that it reaches
// the tokenizer as the text encoder saw it in training.
#pragma once
#include <string>
#include <string_view>

namespace rushes::text {

enum class Cleaning {
  basic,         // fix_text(), HTML references twice, stripped
  whitespace,    // basic, and every run of white space is one space: what Wan uses
  lower,         // whitespace, in lower case
  canonicalize,  // basic, '_' as space, ASCII punctuation removed, lower case, runs of white space as one space
};

/// Throws Error(invalid_argument) if `text` is not UTF-8. Any thread. Source: wan/modules/tokenizers.py of Wan 2.1.
std::string clean(std::string_view text, Cleaning mode);

/// What ftfy 6.3's fix_text does with its default settings, line by line until nothing changes: HTML references
/// (unless a '<' came before), mojibake, C1 controls, Latin ligatures, full and half width forms, curly quotes, line
/// breaks, terminal escapes, control characters, Unicode normal form C.
std::u32string fix_text(std::u32string_view text);

}  // namespace rushes::text
