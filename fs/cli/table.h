// Table: columns for people. Cells are made safe for a terminal; the last column is not padded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fs/base/time.h"

namespace leasefs::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}

  void Add(std::vector<std::string> row);  // as many cells as the header has
  bool empty() const { return rows_.empty(); }
  // Two spaces between columns; each line ends with a newline, none with spaces.
  std::string ToString() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

// "0 B", "1023 B", "1.5 KiB", "32 MiB"
std::string ShowBytes(uint64_t bytes);
// "2026-11-24T07:01:12Z"
std::string ShowTime(WallTime time);
// "3s", "4m 10s", "2h 5m", "9d 3h"
std::string ShowDuration(uint64_t seconds);
// "root", or the number where nobody has that name.
std::string ShowUser(uint32_t uid);
// "1 key", "2 keys"
std::string Count(uint64_t count, std::string_view noun);

}  // namespace leasefs::cli
