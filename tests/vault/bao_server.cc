#include "tests/vault/bao_server.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/free_port.h"

namespace leasefs::test {
namespace {

constexpr std::string_view kStarted = "server started!";  // in its log, once it listens
constexpr std::chrono::seconds kStartLimit(60);

void Require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

std::string BaoServer::Program() {
  const char* other = std::getenv("LEASEFS_BAO");  // NOLINT(concurrency-mt-unsafe): before any thread
  return other != nullptr ? other : "build/openbao/bao";
}

bool BaoServer::IsInstalled() {
  return access(Program().c_str(), X_OK) == 0;
}

BaoServer::BaoServer() {
  directory_ = (std::filesystem::temp_directory_path() / "leasefs-bao-XXXXXX").string();
  Require(mkdtemp(directory_.data()) != nullptr);
  // One that ends has found its port taken, or cannot start at all; then its log says why.
  for (int attempt = 0; attempt < 3; ++attempt) {
    Start();
    if (Listens()) return;
  }
}

void BaoServer::Start() {
  port_ = FreePort();
  const std::string program = Program();
  const std::string token = "-dev-root-token-id=" + root_token();
  const std::string listen = "-dev-listen-address=127.0.0.1:" + std::to_string(port_);
  const std::string files = "-dev-tls-cert-dir=" + directory_;
  const std::string home = "HOME=" + directory_;
  const std::string log = directory_ + "/log";
  std::vector<const char*> arguments = {program.c_str(), "server",      "-dev",         "-dev-tls",
                                        files.c_str(),   token.c_str(), listen.c_str(), "-dev-no-store-token",
                                        nullptr};
  std::vector<const char*> environment = {home.c_str(), nullptr};
  process_ = fork();
  Require(process_ >= 0);
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execve(program.c_str(), const_cast<char**>(arguments.data()), const_cast<char**>(environment.data()));
    _exit(127);
  }
}

// False: it has ended.
bool BaoServer::Listens() {
  const auto end = std::chrono::steady_clock::now() + kStartLimit;
  while (std::chrono::steady_clock::now() < end && log().find(kStarted) == std::string::npos) {
    if (waitpid(process_, nullptr, WNOHANG) == process_) {
      process_ = -1;
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

BaoServer::~BaoServer() {
  if (process_ > 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string BaoServer::address() const {
  return "https://127.0.0.1:" + std::to_string(port_);
}

std::string BaoServer::log() const {
  std::ostringstream text;
  text << std::ifstream(directory_ + "/log").rdbuf();
  return text.str();
}

}  // namespace leasefs::test
