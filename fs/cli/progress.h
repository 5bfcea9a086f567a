// Progress: a bar with count and rate on standard error, if that is a terminal; else nothing.
#pragma once

#include <string>

#include "fs/base/loop.h"
#include "fs/cli/console.h"

namespace leasefs::cli {

class Progress {
 public:
  Progress(Console& console, const Loop& clock, std::string what, uint64_t total);
  ~Progress();  // takes the line away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Advance(uint64_t done);  // so many in all; draws at most ten times a second

 private:
  void Draw();

  Console& console_;
  const Loop& clock_;
  std::string what_;
  uint64_t total_;
  uint64_t done_ = 0;
  bool shown_;
  bool drawn_ = false;
  BootTime start_;
  BootTime last_{};
};

// "import  [######----]  120/200  1030/s", at most `width` columns.
std::string ProgressLine(const std::string& what, uint64_t done, uint64_t total, double seconds, size_t width);

}  // namespace leasefs::cli
