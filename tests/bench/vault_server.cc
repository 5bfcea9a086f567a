// The scripted server of the comparison: as much of the Vault API as leasefs and a plain client ask for, at a known
// price.
//
//   bench_vault_server CERTIFICATE KEY SECRETS DELAY_US LEASE_SECONDS
//
// kv/ (version 1) has the secrets s0 … with the one key k, of 100 bytes; database/creds/NAME mints a credential whose
// lease of LEASE_SECONDS cannot be renewed. Any AppRole may log in. Each answer comes DELAY_US after its request.
// Prints its address, and serves until its standard input ends. GET /v1/bench/counts tells how many requests of which
// kind there were, and is not counted itself.
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "fs/base/strings.h"
#include "tests/support/tls_server.h"

namespace leasefs::test {
namespace {

constexpr std::string_view kMount = "kv/";

class VaultScript {
 public:
  VaultScript(int secrets, int lease_seconds) : secrets_(secrets), lease_seconds_(lease_seconds) {
    for (int number = 0; number < secrets; ++number) names_ += StrCat(number == 0 ? "" : ",", "\"s", number, "\"");
  }

  std::string operator()(const RecordedRequest& request) {
    std::string_view path = std::string_view(request.target).substr(0, request.target.find('?'));
    path.remove_prefix(path.starts_with("/v1/") ? 4 : 0);
    if (path == "bench/counts") return Answer(200, Counts());
    if (path == "auth/approle/login") return Count("logins"), Login();
    if (path.starts_with("auth/token/")) return Own(path);
    if (path.starts_with("sys/internal/ui/mounts/")) return Count("mounts"), Mount(path.substr(23));
    if (path.starts_with("sys/leases/revoke")) return Count("revocations"), Answer(204, "");
    if (path.starts_with("database/creds/")) return Count("mints"), Credential(path);
    const bool list = request.method == "LIST" || request.target.find("list=true") != std::string::npos;
    if (path.starts_with(kMount) || path == "kv") {
      if (list) return Count("lists"), Data(StrCat("{\"keys\":[", names_, "]}"), "", 0);
      return Count("reads"), Secret(path.substr(kMount.size()));
    }
    const bool health = path.starts_with("sys/health");
    return Count("other"), Answer(health ? 200 : 404, R"({"errors":[],"initialized":true,"sealed":false})");
  }

 private:
  static std::string Data(std::string_view data, std::string_view lease_id, int seconds) {
    const std::string body =
        StrCat(R"({"request_id":"r","renewable":false,"lease_id":")", lease_id, R"(","lease_duration":)", seconds,
               R"(,"data":)", data, R"(,"wrap_info":null,"warnings":null,"auth":null})");
    return Answer(200, body, "Content-Type: application/json\r\n");
  }

  static std::string Login() {
    return Answer(200,
                  R"({"request_id":"r","lease_id":"","renewable":false,"lease_duration":0,"data":null,"auth":)"
                  R"({"client_token":"s.token-of-a-login","accessor":"a","policies":["app"],"lease_duration":86400,)"
                  R"("renewable":true,"token_type":"service","num_uses":0}})",
                  "Content-Type: application/json\r\n");
  }

  std::string Own(std::string_view path) {
    Count("token");
    if (path.ends_with("/lookup-self")) {
      return Data(R"({"id":"t","ttl":86400,"renewable":true,"policies":["app"],"num_uses":0,"type":"service"})", "", 0);
    }
    return Answer(400, R"({"errors":["lease is not renewable"]})");
  }

  static std::string Mount(std::string_view path) {
    if (path.starts_with("kv")) return Data(R"({"path":"kv/","type":"kv","options":{"version":"1"}})", "", 0);
    return Data(R"({"path":"database/","type":"database","options":null})", "", 0);
  }

  std::string Secret(std::string_view name) const {
    const int number = name.starts_with('s') ? std::atoi(std::string(name.substr(1)).c_str()) : -1;
    if (number < 0 || number >= secrets_) return Answer(404, R"({"errors":[]})");
    return Data(StrCat("{\"k\":\"", std::string(100, 'x'), "\"}"), "", 2764800);
  }

  std::string Credential(std::string_view path) {
    const std::string number = std::to_string(1'000'000'000 + ++minted_);
    const std::string data = StrCat(R"({"username":"v-)", number, R"(","password":"p-)", number, R"("})");
    return Data(data, StrCat(path, "/", number), lease_seconds_);
  }

  void Count(const std::string& kind) {
    std::lock_guard lock(mutex_);
    ++counts_[kind];
  }

  std::string Counts() {
    std::lock_guard lock(mutex_);
    std::string text;
    for (const auto& [kind, count] : counts_) text += StrCat(text.empty() ? "" : ",", "\"", kind, "\":", count);
    return StrCat("{", text, "}");
  }

  const int secrets_;
  const int lease_seconds_;
  std::string names_;
  std::atomic<int> minted_ = 0;
  std::mutex mutex_;
  std::map<std::string, int> counts_;
};

int Run(char** argv) {
  const std::chrono::microseconds delay(std::atoi(argv[4]));
  VaultScript script(std::atoi(argv[3]), std::atoi(argv[5]));
  TlsServer server({.files = {argv[1], argv[2]}}, TlsServer::Answering([&](const RecordedRequest& request) {
                     if (delay.count() > 0) {
                       prctl(PR_SET_TIMERSLACK, 1);  // of this thread
                       std::this_thread::sleep_for(delay);
                     }
                     return script(request);
                   }));
  std::printf("%s\n", server.address().c_str());
  std::fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}

}  // namespace
}  // namespace leasefs::test

int main(int argc, char** argv) {
  return argc == 6 ? leasefs::test::Run(argv) : 2;
}
