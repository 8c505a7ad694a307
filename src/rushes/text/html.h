// Character references of HTML ("&amp;", "&#233;") in text that should have none.
#pragma once
#include <string>
#include <string_view>

namespace rushes::text {

/// By the rules of the HTML standard, as browsers do: names without ';' where the standard has them, the longest name
/// that the letters begin with, and its replacements of invalid numbers. Source: html.spec.whatwg.org, 13.2.5.72 on.
std::u32string unescape_html(std::u32string_view text);

/// Only what cannot be meant otherwise: references that end in ';', and names that were put into upper case
/// ("&EACUTE;"). As ftfy does.
std::u32string unescape_html_carefully(std::u32string_view text);

}  // namespace rushes::text
