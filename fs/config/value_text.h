// Durations, sizes and modes as the configuration writes them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace leasefs {

// A whole number and one unit: "500ms", "5s", "10m", "24h". Nothing for anything else, or what does not fit.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);
std::string DurationText(std::chrono::milliseconds value);  // the largest unit that is exact: 90000 ms gives "90s"

// A whole number of bytes, or of "KiB", "MiB", "GiB".
std::optional<uint64_t> ParseSize(std::string_view text);
std::string SizeText(uint64_t bytes);

// Three or four octal digits: "0440". Any mode up to 07777.
std::optional<mode_t> ParseMode(std::string_view text);

}  // namespace leasefs
