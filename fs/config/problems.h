// Collects everything that is wrong with a configuration, so that one reading reports all of it. Not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fs/config/options.h"

namespace leasefs {

class Problems {
 public:
  static constexpr size_t kMaxLines = 100;  // in Errors(); the rest is counted
  static constexpr size_t kMaxKept = 1000;  // of errors and of warnings; further ones are only counted

  // One line, "FILE:LINE:COLUMN: what: remedy". What others wrote into the file is made printable and bounded here.
  void Add(const SourceLocation& where, std::string_view what, std::string_view remedy);
  void Warn(const SourceLocation& where, std::string_view what, std::string_view remedy);

  bool empty() const { return errors_.lines.empty(); }
  bool overflowing() const { return errors_.lines.size() >= kMaxLines; }  // words on further errors are wasted
  std::string Errors() const;                 // by file in order of reading, line and column; lines joined by '\n'
  std::vector<std::string> Warnings() const;  // in the same order

  // Tells the order in which files were read.
  void StartFile(const std::string& file) { files_.push_back(file); }

 private:
  struct Line {
    size_t file;
    uint32_t line, column;
    std::string text;
  };
  struct List {
    std::vector<Line> lines;
    size_t lost = 0;
  };
  void Put(List& list, const SourceLocation& where, std::string_view what, std::string_view remedy);

  std::vector<std::string> files_;
  List errors_;
  List warnings_;
};

}  // namespace leasefs
