#include "backend/http/retry_after.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <string>

namespace leasefs::http {
namespace {

using std::chrono::seconds;

constexpr time_t kLatest = 7289654400;  // 2201-01-01: the host's clock, in nanoseconds, counts to 2262

std::optional<seconds> ParseDate(std::string_view text) {
  const time_t parsed = curl_getdate(std::string(text).c_str(), nullptr);  // uses no clock
  return parsed < 0 || parsed > kLatest ? std::nullopt : std::optional(seconds(parsed));
}

}  // namespace

std::optional<Duration> ParseRetryAfter(std::string_view value, std::string_view date, WallTime now, Duration cap) {
  const auto cut = [cap](seconds wait) {
    const auto longest = std::chrono::duration_cast<seconds>(cap);
    return std::min<Duration>(std::clamp(wait, seconds(0), longest + seconds(1)), cap);
  };
  if (!value.empty() && std::ranges::all_of(value, [](char c) { return c >= '0' && c <= '9'; })) {
    int64_t count = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
    return error == std::errc() ? cut(seconds(count)) : cap;
  }
  const auto until = ParseDate(value);
  if (!until) return std::nullopt;
  const auto from = ParseDate(date);
  return cut(*until - from.value_or(std::chrono::duration_cast<seconds>(now.time_since_epoch())));
}

std::optional<WallTime> ParseHttpDate(std::string_view value) {
  const auto date = ParseDate(value);
  return date ? std::optional(WallTime(*date)) : std::nullopt;
}

}  // namespace leasefs::http
