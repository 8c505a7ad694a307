#include "rushes/text/code_pages.h"

namespace rushes::text {
namespace {

// Bytes 0x80 to 0xFF, 32 a line; '.' is the character with the byte's own number, which is also what browsers take for
// bytes that a page leaves open.
constexpr std::u32string_view kWindows1252 =
    U"€.‚ƒ„…†‡ˆ‰Š‹Œ.Ž..‘’“”•–—˜™š›œ.žŸ"
    U"................................"
    U"................................"
    U"................................";
constexpr std::u32string_view kWindows1251 =
    U"ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—.™љ›њќћџ"
    U".ЎўЈ.Ґ..Ё.Є....Ї..Ііґ...ё№є.јЅѕї"
    U"АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ"
    U"абвгдежзийклмнопрстуфхцчшщъыьэюя";
constexpr std::u32string_view kWindows1250 =
    U"€.‚.„…†‡.‰Š‹ŚŤŽŹ.‘’“”•–—.™š›śťžź"
    U".ˇ˘Ł.Ą....Ş....Ż..˛ł.....ąş.Ľ˝ľż"
    U"Ŕ..Ă.ĹĆ.Č.Ę.Ě..ĎĐŃŇ..Ő..ŘŮ.Ű..Ţ."
    U"ŕ..ă.ĺć.č.ę.ě..ďđńň..ő..řů.ű..ţ˙";
constexpr std::u32string_view kWindows1253 =
    U"€.‚ƒ„…†‡.‰.‹.....‘’“”•–—.™.›...."
    U".΅Ά............―....΄...ΈΉΊ.Ό.ΎΏ"
    U"ΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡ.ΣΤΥΦΧΨΩΪΫάέήί"
    U"ΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώ.";
constexpr std::u32string_view kWindows1254 =
    U"€.‚ƒ„…†‡ˆ‰Š‹Œ....‘’“”•–—˜™š›œ..Ÿ"
    U"................................"
    U"................Ğ............İŞ."
    U"................ğ............ış.";
constexpr std::u32string_view kWindows1257 =
    U"€.‚.„…†‡.‰.‹.¨ˇ¸.‘’“”•–—.™.›.¯˛."
    U"........Ø.Ŗ....Æ........ø.ŗ....æ"
    U"ĄĮĀĆ..ĘĒČ.ŹĖĢĶĪĻŠŃŅ.Ō...ŲŁŚŪ.ŻŽ."
    U"ąįāć..ęēč.źėģķīļšńņ.ō...ųłśū.żž˙";
constexpr std::u32string_view kIso8859Part2 =
    U"................................"
    U".Ą˘Ł.ĽŚ..ŠŞŤŹ.ŽŻ.ą˛ł.ľśˇ.šşťź˝žż"
    U"Ŕ..Ă.ĹĆ.Č.Ę.Ě..ĎĐŃŇ..Ő..ŘŮ.Ű..Ţ."
    U"ŕ..ă.ĺć.č.ę.ě..ďđńň..ő..řů.ű..ţ˙";
constexpr std::u32string_view kMacRoman =
    U"ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü"
    U"†°..§•¶ß®.™´¨≠ÆØ∞.≤≥¥.∂∑∏π∫ªºΩæø"
    U"¿¡¬√ƒ≈∆«»…\u00A0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ"
    U"‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uF8FFÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ";
constexpr std::u32string_view kDos437 =
    U"ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒ"
    U"áíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐"
    U"└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀"
    U"αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00A0";

constexpr CodePage page(std::u32string_view upper, bool sloppy) {
  CodePage page{};
  for (char32_t byte = 0; byte < 128; ++byte) page.characters[byte] = byte;
  for (char32_t byte = 128; byte < 256; ++byte) {
    const char32_t c = upper.empty() ? U'.' : upper[byte - 128];
    page.characters[byte] = c == U'.' ? byte : c;
  }
  if (sloppy) page.characters[kLost] = U'\uFFFD';
  page.sloppy = sloppy;
  return page;
}

// In the order in which they are tried.
constexpr std::array<CodePage, 10> kPages = {
    page({}, false),          page(kWindows1252, true), page(kWindows1251, true), page(kWindows1250, true),
    page(kWindows1253, true), page(kWindows1254, true), page(kWindows1257, true), page(kIso8859Part2, false),
    page(kMacRoman, false),   page(kDos437, false)};

}  // namespace

std::span<const CodePage> code_pages() noexcept { return kPages; }

std::optional<std::string> encode(std::u32string_view text, const CodePage& page) {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) {
    if (c < 0x80 && page.characters[c] == c) {
      bytes.push_back(static_cast<char>(c));
      continue;
    }
    // Few characters are not ASCII, and a page has 128 of them: a search is fast enough.
    size_t byte = c == page.characters[kLost] ? kLost : 0x80;
    while (byte < 256 && page.characters[byte] != c) ++byte;
    if (byte == 256) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

}  // namespace rushes::text
