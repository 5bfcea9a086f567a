// An error of several lines, as a configuration's is, becomes as many lines of the log.
#pragma once

#include <string>

#include "fs/base/log.h"
#include "fs/base/strings.h"

namespace leasefs {

inline void LogErrorLines(const std::string& text) {
  for (const std::string& line : Split(text, '\n')) LogError(line);
}

}  // namespace leasefs
