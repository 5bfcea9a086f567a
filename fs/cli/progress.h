// Progress: a bar with count and rate on standard error, if that is a terminal; else nothing.
#pragma once

#include <chrono>
#include <string>

#include "fs/cli/console.h"

namespace leasefs::cli {

class Progress {
 public:
  Progress(Console& console, std::string what, uint64_t total);
  ~Progress();  // takes the line away
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Advance(uint64_t done);  // so many in all; draws at most ten times a second

 private:
  void Draw();

  Console& console_;
  std::string what_;
  uint64_t total_;
  uint64_t done_ = 0;
  bool shown_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_;
  std::chrono::steady_clock::time_point last_{};
};

// "import  [######----]  120/200  1030/s", at most `width` columns.
std::string ProgressLine(const std::string& what, uint64_t done, uint64_t total, double seconds, size_t width);

}  // namespace leasefs::cli
