#include "rushes/text/clean.h"

#include <gtest/gtest.h>

#include <string>

#include "rushes/base/error.h"
#include "rushes/text/html.h"
#include "rushes/text/mojibake.h"
#include "rushes/text/utf8.h"

namespace rushes::text {
namespace {

std::string fixed(const char* text) { return to_utf8(fix_text(to_code_points(text))); }

TEST(FixText, undoes_misread_utf8) {
  struct Case {
    const char *name, *in, *out;
  };
  const Case table[] = {
      {"Windows 1252", "l\u00e2\u20ac\u2122Humanit\u00c3\u00a9", "l'Humanit\u00e9"},
      {"twice", "caf\u00c3\u0192\u00c2\u00a9", "caf\u00e9"},
      {"Latin-1 with controls", "\u00e2\u009c\u0094 ok", "\u2714 ok"},
      {"no-break space became a space", "voil\u00c3 le travail", "voil\u00e0 le travail"},
      {"in the middle of right text", "\u732b caf\u00c3\u00a9 \u732b", "\u732b caf\u00e9 \u732b"},
      {"Windows 1251", "\u0432\u0402\u201cyes\u0432\u0402\u201c", "\u2013yes\u2013"},
      {"Mac Roman", "n\u221a\u00a9e", "n\u00e9e"},
      {"lost byte", "\u00e2\u20ac\u0153quoted\u00e2\u20ac\ufffd", "\"quoted\ufffd"},
      {"emoji", "\u00f0\u0178\u02dc\u20ac", "\U0001F600"},
  };
  for (const Case& one : table) {
    SCOPED_TRACE(one.name);
    EXPECT_EQ(fixed(one.in), one.out);
  }
}

TEST(FixText, leaves_right_text_alone) {
  for (const char* text :
       {"na\u00efve fa\u00e7ade \u00c5ngstr\u00f6m \u00a320 \u00bd \u00df", "\u00c3O PAULO", "\u4e00\u53ea\u732b",
        "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!", "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1",
        "\u0645\u0631\u062d\u0628\u0627", "(\u30ce\u0ca0\u76ca\u0ca0)\u30ce", "plain ASCII text"}) {
    SCOPED_TRACE(text);
    EXPECT_EQ(fixed(text), text);
  }
}

TEST(FixText, html_references_are_kept_once_a_tag_was_seen) {
  EXPECT_EQ(fixed("&eacute;&EACUTE;&#233;"), "\u00e9\u00c9\u00e9");
  EXPECT_EQ(fixed("<b>&eacute;</b>\n&eacute;"), "<b>&eacute;</b>\n&eacute;");
  EXPECT_EQ(fixed("&eacute;\n<b>"), "\u00e9\n<b>");
  EXPECT_EQ(fixed("this&not that &nothing; &#59;"), "this&not that &nothing; &#59;");
}

TEST(FixText, a_second_time_changes_nothing) {
  for (const char* text : {"caf\u00c3\u0192\u00c2\u00a9", "&amp;amp;lt;", "\u0149", "\ufb03\uff21\u3000",
                           "e\u0301\r\n\u2028\x1b[1mx", "\u00c3 la"})
    EXPECT_EQ(fixed(fixed(text).c_str()), fixed(text)) << text;
}

TEST(UnescapeHtml, follows_the_standard) {
  struct Case {
    const char *in, *out;
  };
  const Case table[] = {
      {"&amp;&AMP&lt", "&&<"},
      {"&notit;", "\u00acit;"},
      {"&notin;", "\u2209"},
      {"&#x41;&#65&#X41", "AAA"},
      {"&#128;&#0;", "\u20ac\ufffd"},
      {"&#xD800;&#99999999999999;", "\ufffd\ufffd"},
      {"&#1;&#xFFFE;", ""},
      {"& &; &# &#x; &unknown;", "& &; &# &#x; &unknown;"},
      {"&NotEqualTilde;", "\u2242\u0338"},
      {"&#13;", "\r"},
  };
  for (const Case& one : table) EXPECT_EQ(to_utf8(unescape_html(to_code_points(one.in))), one.out) << one.in;
}

TEST(Clean, modes_differ_in_white_space_case_and_punctuation) {
  const char* text = " A_b,\u00a0 C! \u0130\n";
  EXPECT_EQ(clean(text, Cleaning::basic), "A_b,\u00a0 C! \u0130");
  EXPECT_EQ(clean(text, Cleaning::whitespace), "A_b, C! \u0130");
  EXPECT_EQ(clean(text, Cleaning::lower), "a_b, c! i\u0307");
  EXPECT_EQ(clean(text, Cleaning::canonicalize), "a b c i\u0307");
}

TEST(Clean, refuses_what_is_not_utf8) { EXPECT_THROW(clean("a\xc3", Cleaning::whitespace), Error); }

TEST(Clean, text_made_to_be_slow_ends_soon) {
  std::string nested = "&";
  for (int i = 0; i < 2000; ++i) nested += "amp;";
  clean(nested + "\u00c3\u00a9", Cleaning::whitespace);
  std::string garbled;
  for (int i = 0; i < 1000; ++i) garbled += "\u00c3\u0192\u00c2\u00a9\u732b";
  clean(garbled, Cleaning::whitespace);
  clean(std::string(8192, '&'), Cleaning::whitespace);
}

}  // namespace
}  // namespace rushes::text
