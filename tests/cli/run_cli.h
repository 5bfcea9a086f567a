// Runs the command inside the test: words in, exit status and both outputs out. And a directory that goes away by
// itself.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fs/cli/run.h"

namespace leasefs::cli {

struct CliResult {
  int exit = -1;
  std::string out;
  std::string err;
};

struct CliInput {
  std::string standard_input;                      // of a file; "" = empty
  std::map<std::string, std::string> environment;  // nothing is inherited
};
CliResult RunCli(const std::vector<std::string>& words, const CliInput& input = {});

class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  // Makes a file; the directories above it too.
  std::string Write(const std::string& name, const std::string& content, int mode = 0600) const;

 private:
  std::string path_;
};

std::string ReadText(const std::string& path);

}  // namespace leasefs::cli
