#include "tests/cli/run_cli.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "fs/base/unique_fd.h"

namespace leasefs::cli {
namespace {

UniqueFd MemoryFile(const std::string& content) {
  UniqueFd fd(memfd_create("cli-test", MFD_CLOEXEC));
  if (pwrite(fd.get(), content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) std::abort();
  return fd;
}

std::string Content(int fd) {
  struct stat info {};
  fstat(fd, &info);
  std::string text(static_cast<size_t>(info.st_size), '\0');
  if (pread(fd, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) std::abort();
  return text;
}

}  // namespace

CliResult RunCli(const std::vector<std::string>& words, const CliInput& input) {
  const UniqueFd in = MemoryFile(input.standard_input);
  const UniqueFd out = MemoryFile("");
  const UniqueFd err = MemoryFile("");
  Invocation invocation;
  invocation.words = words;
  invocation.descriptors = {in.get(), out.get(), err.get()};
  invocation.environment = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = input.environment.find(name);
    return found == input.environment.end() ? std::nullopt : std::optional(found->second);
  };
  CliResult result;
  result.exit = Run(invocation);
  result.out = Content(out.get());
  result.err = Content(err.get());
  return result;
}

TempDirectory::TempDirectory() {
  std::string name = "/tmp/leasefs-cli-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDirectory::Write(const std::string& name, const std::string& content, int mode) const {
  const std::filesystem::path path = path_ + "/" + name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
  chmod(path.c_str(), static_cast<mode_t>(mode));
  return path;
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace leasefs::cli
