#include "backend/vault/server_time.h"

#include <algorithm>
#include <charconv>

namespace leasefs::vault {
namespace {

constexpr Duration kCentury = std::chrono::hours(24) * 36600;

// `count` digits at `at`; advances. -1: there are others.
int Digits(std::string_view text, size_t& at, size_t count) {
  if (text.size() - std::min(at, text.size()) < count) return -1;
  int value = 0;
  for (size_t i = 0; i < count; ++i) {
    const char c = text[at + i];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  at += count;
  return value;
}

bool Take(std::string_view text, size_t& at, std::string_view choices) {
  if (at >= text.size() || choices.find(text[at]) == std::string_view::npos) return false;
  ++at;
  return true;
}

// "Z", "+01:00"
std::optional<std::chrono::minutes> Offset(std::string_view text, size_t at) {
  if (text.substr(std::min(at, text.size())) == "Z" || text.substr(std::min(at, text.size())) == "z") {
    return std::chrono::minutes(0);
  }
  if (at >= text.size() || (text[at] != '+' && text[at] != '-')) return std::nullopt;
  const int sign = text[at++] == '-' ? -1 : 1;
  const int hours = Digits(text, at, 2);
  if (!Take(text, at, ":")) return std::nullopt;
  const int minutes = Digits(text, at, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || at != text.size()) return std::nullopt;
  return std::chrono::minutes(sign * (hours * 60 + minutes));
}

// ".657593982", or nothing; advances. What is finer than a nanosecond is cut off.
Duration Fraction(std::string_view text, size_t& at) {
  if (at >= text.size() || text[at] != '.') return Duration(0);
  int64_t nanoseconds = 0;
  int64_t unit = 100'000'000;
  for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10) {
    nanoseconds += (text[at] - '0') * unit;
  }
  return Duration(nanoseconds);
}

}  // namespace

std::optional<WallTime> ParseRfc3339(std::string_view text) {
  size_t at = 0;
  const int year = Digits(text, at, 4);
  bool marks = Take(text, at, "-");
  const int month = Digits(text, at, 2);
  marks = Take(text, at, "-") && marks;
  const int day = Digits(text, at, 2);
  marks = Take(text, at, "Tt ") && marks;
  const int hour = Digits(text, at, 2);
  marks = Take(text, at, ":") && marks;
  const int minute = Digits(text, at, 2);
  marks = Take(text, at, ":") && marks;
  const int second = Digits(text, at, 2);
  const Duration fraction = Fraction(text, at);
  const auto offset = Offset(text, at);
  if (!marks || !offset || year < 1970 || year > 2200 || month < 1 || month > 12) return std::nullopt;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(std::max(day, 0))));
  if (!date.ok()) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + fraction - *offset;
}

BootTime BootTimeOf(WallTime end, BootTime asked_at, WallTime server_now) {
  // Both lie between 1970 and 2262, so that their difference cannot overflow; what is added to the host's time is cut.
  const Duration left = std::clamp(end - server_now, Duration(0), kCentury);
  return left < kNever - asked_at ? asked_at + left : kNever;
}

}  // namespace leasefs::vault
