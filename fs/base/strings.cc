#include "fs/base/strings.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace leasefs {
namespace {

constexpr std::string_view kEllipsis = "...";

struct Utf8Lead {
  size_t length;       // of the sequence, 0 for a byte that begins none
  uint8_t second_min;  // bounds of the second byte: they exclude overlong forms, surrogates and what is over U+10FFFF
  uint8_t second_max;
};

// Table 3-7 of the Unicode standard.
Utf8Lead ClassifyLead(uint8_t lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xC2) return {0, 0, 0};
  if (lead < 0xE0) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead < 0xF0) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead < 0xF4) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// The length of the character that `text` begins with; 0 if there is none. `text` is not empty.
size_t Utf8Length(std::string_view text) {
  Utf8Lead lead = ClassifyLead(static_cast<uint8_t>(text[0]));
  if (lead.length <= 1) return lead.length;
  if (text.size() < lead.length) return 0;
  auto second = static_cast<uint8_t>(text[1]);
  if (second < lead.second_min || second > lead.second_max) return 0;
  for (size_t i = 2; i < lead.length; ++i) {
    if ((static_cast<uint8_t>(text[i]) & 0xC0) != 0x80) return 0;
  }
  return lead.length;
}

// C0, DEL, and C1, which terminals obey in its UTF-8 form too.
bool IsControl(std::string_view character) {
  auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<uint8_t>(character[1]) < 0xA0;
}

std::string Escaped(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (char c : bytes) {
    auto byte = static_cast<uint8_t>(c);
    out.append("\\x").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
  }
  return out;
}

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours, each at a price of one.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t substitution = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitution});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

}  // namespace

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> pieces;
  for (;;) {
    size_t end = text.find(separator);
    pieces.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return pieces;
    text.remove_prefix(end + 1);
  }
}

std::string Printable(std::string_view text, size_t max) {
  std::string out;
  size_t fits = 0;  // the part of `out` that leaves room for the ellipsis
  while (!text.empty()) {
    size_t length = Utf8Length(text);
    std::string_view character = text.substr(0, std::max(length, size_t{1}));
    text.remove_prefix(character.size());
    out += length == 0 || IsControl(character) ? Escaped(character) : std::string(character);
    if (out.size() + kEllipsis.size() <= max) fits = out.size();
    if (out.size() > max) {
      out.resize(fits);
      out += kEllipsis.substr(0, max);
      return out;
    }
  }
  return out;
}

std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates) {
  constexpr size_t kLongestWord = 64;  // the distance takes time in the product of the lengths
  if (word.size() > kLongestWord) return "";
  std::string nearest;
  size_t best = std::max(word.size() / 3, size_t{1}) + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestWord) continue;
    size_t distance = EditDistance(word, candidate);
    // A word that shares nothing with the candidate was not meant, however short both are.
    if (distance >= best || distance >= std::max(word.size(), candidate.size())) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest;
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace leasefs
