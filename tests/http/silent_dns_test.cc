// A DNS server that never answers: nothing waits for it but the request that asked.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <fstream>

#include "fs/base/strings.h"
#include "tests/http/client_fixture.h"

namespace leasefs::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr in_addr_t kNobody = 0x7F00004D;  // 127.0.0.77, where only this test listens
constexpr seconds kSoon(4);                // resolv.conf(5): the resolver itself gives up after 5 s, twice

class SilentDnsTest : public ClientFixture {
 protected:
  // In a mount namespace of its own, where all names are asked of 127.0.0.77. Exits with 0 if all is well.
  [[noreturn]] void RunInChild(const std::string& resolver_file) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(resolver_file.c_str(), "/etc/resolv.conf", nullptr, MS_BIND, nullptr) != 0) {
      _exit(77);
    }
    loop_ = *FdLoop::Create();
    Trust("https://vault.leasefs-test.example:8200");
    Connect();
    BootTime start = loop_->Now();
    const std::string outcome = Outcome(Get("/v1/a", milliseconds(500)));
    const bool ended = outcome.find("by the deadline") != std::string::npos && loop_->Now() - start < kSoon;
    start = loop_->Now();
    client_.reset();
    const bool gone = loop_->Now() - start < kSoon;
    if (!ended || !gone) fprintf(stderr, "%s; ended %d, gone %d\n", outcome.c_str(), ended, gone);
    _exit(ended && gone ? 0 : 1);
  }
};

TEST_F(SilentDnsTest, HoldsUpNeitherTheLoopNorTheEndOfTheClient) {
  if (geteuid() != 0) GTEST_SKIP() << "NOT RUN: it needs root, for a mount namespace";
  const UniqueFd silent(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(53);
  address.sin_addr.s_addr = htonl(kNobody);
  ASSERT_EQ(bind(silent.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string resolver_file = authority_.directory() + "/resolv.conf";
  std::ofstream(resolver_file) << "nameserver 127.0.0.77\n";

  const pid_t child = fork();
  if (child == 0) RunInChild(resolver_file);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "NOT RUN: no mount namespace can be had";
  EXPECT_EQ(status, 0);
  char query[512];
  EXPECT_GT(recv(silent.get(), query, sizeof query, MSG_DONTWAIT), 0) << "nobody asked";
}

}  // namespace
}  // namespace leasefs::http
