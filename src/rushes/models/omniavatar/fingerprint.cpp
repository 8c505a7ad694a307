// The published loader's way to know files. MD5 (RFC 1321) because it does; nothing relies on it.
#include <fmt/ranges.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "rushes/models/omniavatar/checkpoint.h"
#include "rushes/tensor/ops.h"

namespace rushes::omniavatar {
namespace {

using Digest = std::array<uint32_t, 4>;

void add_block(Digest& digest, const unsigned char* bytes) {
  constexpr int kTurns[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
  std::array<uint32_t, 16> words{};
  for (std::size_t i = 0; i < 64; ++i) words[i / 4] |= static_cast<uint32_t>(bytes[i]) << (8 * (i % 4));
  auto [a, b, c, d] = digest;
  for (uint32_t i = 0; i < 64; ++i) {
    const uint32_t round = i / 16;
    const uint32_t mix[] = {(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)};
    const uint32_t word[] = {i, (5 * i + 1) % 16, (3 * i + 5) % 16, (7 * i) % 16};
    const auto constant = static_cast<uint32_t>(std::floor(std::abs(std::sin(i + 1.0)) * 4294967296.0));
    const uint32_t sum = a + mix[round] + constant + words[word[round] % 16];
    a = d;
    d = c;
    c = b;
    b += std::rotl(sum, kTurns[round][i % 4]);
  }
  digest = {digest[0] + a, digest[1] + b, digest[2] + c, digest[3] + d};
}

std::string md5(std::string text) {
  const uint64_t bits = 8 * static_cast<uint64_t>(text.size());
  text += '\x80';
  text.append((120 - text.size() % 64) % 64, '\0');
  for (int shift = 0; shift < 64; shift += 8) text += static_cast<char>(bits >> shift);
  Digest digest{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  for (std::size_t i = 0; i < text.size(); i += 64)
    add_block(digest, reinterpret_cast<const unsigned char*>(text.data()) + i);
  std::string hex;
  for (const uint32_t word : digest)
    for (int shift = 0; shift < 32; shift += 8) hex += fmt::format("{:02x}", (word >> shift) & 0xff);
  return hex;
}

}  // namespace

std::string fingerprint(const tensor::WeightMap& tensors, bool with_shapes) {
  std::vector<std::string> entries;
  for (const auto& [key, tensor] : tensors.tensors()) {
    if (with_shapes) entries.push_back(fmt::format("{}:{}", key, fmt::join(tensor.sizes(), "_")));
    entries.push_back(key);
  }
  std::sort(entries.begin(), entries.end());
  return md5(fmt::format("{}", fmt::join(entries, ",")));
}

std::optional<std::string> known_file(const tensor::WeightMap& tensors) {
  constexpr std::pair<std::string_view, const char*> kKnown[] = {
      {"9269f8db9040a9d860eaca435be61814", "Wan2.1 T2V 1.3B"},
      {"aafcfd9672c3a2456dc46e1cb6e52c70", "Wan2.1 T2V 14B"},
      {"ccc42284ea13e1ad04693284c7a09be6", "Wan2.1 VAE"},
      {"9c8818c2cbea55eca56c7b447df170da", "UMT5-XXL encoder"},
      {"2bf9513c7a3e908015f11a800fc9b820", "OmniAvatar 1.3B, causal"},
      {"932ee6d0f20cc990c6959ad5f2deff77", "OmniAvatar 1.3B, causal"},
  };
  const std::string own = fingerprint(tensors, true);
  for (const auto& [known, name] : kKnown)
    if (own == known) return name;
  return std::nullopt;
}

}  // namespace rushes::omniavatar
