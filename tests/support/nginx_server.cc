#include "tests/support/nginx_server.h"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "fs/base/strings.h"
#include "tests/support/free_port.h"

namespace leasefs::test {
namespace {

constexpr char kNginx[] = "/usr/sbin/nginx";
constexpr std::chrono::seconds kStartLimit(60);

}  // namespace

bool NginxServer::IsInstalled() {
  return access(kNginx, X_OK) == 0;
}

NginxServer::NginxServer(std::string directory, const CertificateFiles& files, const std::string& locations)
    : directory_(std::move(directory)) {
  // One that ends has found its port taken, or cannot start at all; then Errors() says why.
  for (int attempt = 0; attempt < 3; ++attempt) {
    Start(files, locations);
    if (Listens()) return;
  }
}

void NginxServer::Start(const CertificateFiles& files, const std::string& locations) {
  port_ = FreePort();
  std::filesystem::remove(directory_ + "/nginx.pid");  // of one that was killed
  const std::string configuration = directory_ + "/nginx.conf";
  std::ofstream(configuration) << StrCat(R"(
    daemon off; master_process off; error_log error.log; pid nginx.pid;
    events { worker_connections 64; }
    http {
      log_format seen '$server_protocol $connection $request_uri $http_x_vault_token';
      access_log access.log seen;
      client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
      server {
        listen 127.0.0.1:)",
                                         port_, R"( ssl http2;
        ssl_certificate )",
                                         files.certificate, "; ssl_certificate_key ", files.key, ";\n", locations,
                                         "}}\n");
  const char* arguments[] = {kNginx, "-p", directory_.c_str(), "-c", configuration.c_str(), "-e", "error.log", nullptr};
  if (posix_spawn(&child_, kNginx, nullptr, nullptr, const_cast<char**>(arguments), environ) != 0) std::abort();
}

// It writes the file of its pid once it listens. False: it has ended.
bool NginxServer::Listens() {
  const auto end = std::chrono::steady_clock::now() + kStartLimit;
  while (std::chrono::steady_clock::now() < end && Read("nginx.pid").empty()) {
    if (waitpid(child_, nullptr, WNOHANG) == child_) {
      child_ = 0;
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

void NginxServer::Kill(int signal) {
  if (child_ == 0) return;
  kill(child_, signal);
  waitpid(child_, nullptr, 0);
  child_ = 0;
}

std::string NginxServer::Read(const std::string& name) const {
  std::ifstream file(directory_ + "/" + name);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string NginxServer::Errors() const {
  return Read("error.log");
}

std::vector<std::vector<std::string>> NginxServer::Log() {
  Kill(SIGTERM);
  std::vector<std::vector<std::string>> lines;
  for (const std::string& line : Split(Read("access.log"), '\n')) {
    if (!line.empty()) lines.push_back(Split(line, ' '));
  }
  return lines;
}

}  // namespace leasefs::test
