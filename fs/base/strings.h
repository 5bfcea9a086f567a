// Small text functions that the standard library of GCC 12 lacks.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace leasefs {

inline void AppendPiece(std::string& out, std::string_view piece) {
  out += piece;
}
inline void AppendPiece(std::string& out, char piece) {
  out += piece;
}
template <std::integral T>
requires(!std::same_as<T, char> && !std::same_as<T, bool>) void AppendPiece(std::string& out, T piece) {
  out += std::to_string(piece);
}

// StrCat("port ", 80, " in use")
template <class... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (AppendPiece(out, pieces), ...);
  return out;
}

std::vector<std::string> Split(std::string_view text, char separator);  // "a//b" gives "a", "", "b"; "" gives one ""
// Text from outside, made safe for a log line or a terminal: control and non-UTF-8 bytes become \xNN, cut at `max`
// bytes.
std::string Printable(std::string_view text, size_t max = 200);
// The candidate nearest to `word` by edit distance, or "" if none is near enough to be meant. For "did you mean".
std::string NearestWord(std::string_view word, const std::vector<std::string>& candidates);
bool IsValidUtf8(std::string_view text);

}  // namespace leasefs
