#include "fs/base/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <string>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

constexpr size_t kMaxLine = 4096;

struct Priority {
  spdlog::level::level_enum level;
  std::string_view journal;  // sd-daemon(3)
};

// In the order of LogLevel.
constexpr std::array<Priority, 4> kPriorities = {{{spdlog::level::debug, "<7>"},
                                                  {spdlog::level::info, "<6>"},
                                                  {spdlog::level::warn, "<4>"},
                                                  {spdlog::level::err, "<3>"}}};

const Priority& PriorityOf(LogLevel level) {
  return kPriorities.at(static_cast<size_t>(level));
}

// systemd.exec(5): JOURNAL_STREAM is DEVICE:INODE of the stream; a process whose output was redirected since is not on
// it.
bool StderrIsTheJournal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status = {};
  if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
  return StrCat(status.st_dev, ":", status.st_ino) == stream;
}

struct Log {
  std::shared_ptr<spdlog::logger> logger;
  std::string prefix;
  bool journal = false;
};

Log MakeLog(std::string_view process, LogLevel level) {
  Log log;
  log.journal = StderrIsTheJournal();
  log.prefix = StrCat(process, ": ");
  log.logger = std::make_shared<spdlog::logger>("leasefs", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  log.logger->set_pattern(log.journal ? "%v" : "%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  log.logger->set_level(PriorityOf(level).level);
  return log;
}

// Never destroyed: other threads may still be talking when main returns.
Log& TheLog() {
  static Log& log = *new Log(MakeLog("leasefs", LogLevel::kInfo));
  return log;
}

void Write(LogLevel level, std::string_view text) {
  Log& log = TheLog();
  const Priority& priority = PriorityOf(level);
  if (!log.logger->should_log(priority.level)) return;
  std::string line = StrCat(log.journal ? priority.journal : "", log.prefix, Printable(text, kMaxLine));
  log.logger->log(priority.level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void InitLog(std::string_view process, LogLevel level) {
  TheLog() = MakeLog(process, level);
}

void SetLogLevel(LogLevel level) {
  TheLog().logger->set_level(PriorityOf(level).level);
}

void LogDebug(std::string_view text) {
  Write(LogLevel::kDebug, text);
}
void LogInfo(std::string_view text) {
  Write(LogLevel::kInfo, text);
}
void LogWarning(std::string_view text) {
  Write(LogLevel::kWarning, text);
}
void LogError(std::string_view text) {
  Write(LogLevel::kError, text);
}

}  // namespace leasefs
