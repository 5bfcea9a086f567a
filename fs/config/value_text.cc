#include "fs/config/value_text.h"

#include <array>
#include <charconv>
#include <limits>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};
// The largest first.
constexpr std::array<Unit, 4> kDurationUnits{{{"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 4> kSizeUnits{{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}}};

template <size_t N>
std::optional<uint64_t> ParseWithUnit(std::string_view text, const std::array<Unit, N>& units) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view name = text.substr(static_cast<size_t>(end - text.data()));
  for (const Unit& unit : units) {
    if (unit.name != name) continue;
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

template <size_t N>
std::string WithUnit(uint64_t value, const std::array<Unit, N>& units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) return StrCat(value / unit.factor, unit.name);
  }
  return "0";
}

}  // namespace

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  auto value = ParseWithUnit(text, kDurationUnits);
  if (!value) return std::nullopt;
  return std::chrono::milliseconds(*value);
}

std::string DurationText(std::chrono::milliseconds value) {
  if (value.count() == 0) return "0s";
  return WithUnit(static_cast<uint64_t>(value.count()), kDurationUnits);
}

std::optional<uint64_t> ParseSize(std::string_view text) { return ParseWithUnit(text, kSizeUnits); }

std::string SizeText(uint64_t bytes) { return WithUnit(bytes, kSizeUnits); }

std::optional<mode_t> ParseMode(std::string_view text) {
  if (text.size() < 3 || text.size() > 4) return std::nullopt;
  mode_t mode = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return mode;
}

}  // namespace leasefs
