// Words for the operator, on standard error, through spdlog. Any thread. A function logs or returns an error, never
// both. SECURITY: takes text only; there is no way to hand it a SecretBuffer.
#pragma once

#include <string_view>

namespace leasefs {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// `process` is the prefix of every line: "keeper", "fs", "store local". Under systemd (JOURNAL_STREAM) lines carry a
// <N> priority prefix and no time. Call once, from main.
void InitLog(std::string_view process, LogLevel level);
void SetLogLevel(LogLevel level);

void LogDebug(std::string_view text);
void LogInfo(std::string_view text);
void LogWarning(std::string_view text);
void LogError(std::string_view text);

}  // namespace leasefs
