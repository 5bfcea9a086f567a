// "KEY=@FILE", "KEY=-" and "KEY": where the values of a put come from. A value itself is never an argument.
#pragma once

#include <string>
#include <vector>

#include "backend/protocol.h"
#include "fs/cli/console.h"

namespace leasefs::cli {

struct KeyValue {
  enum class From { kFile, kStandardInput, kPrompt };
  std::string key;
  From from = From::kPrompt;
  std::string file;
};

// SECURITY: "KEY=VALUE" is refused, and VALUE is not repeated.
Outcome<std::vector<KeyValue>> ParseKeyValues(const std::vector<std::string>& words);
// Reads all of them, byte for byte; asks for those that are to be typed, each twice.
Outcome<std::vector<protocol::Field>> ReadKeyValues(Console& console, const std::vector<KeyValue>& values);

}  // namespace leasefs::cli
