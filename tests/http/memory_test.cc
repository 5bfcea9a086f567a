// What is left in memory of a token that was sent and of a secret that came, once both are done with: nothing, while
// the connection is kept and after. The server is another process, which has reasons to know them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "backend/http/json_reader.h"
#include "backend/http/json_text.h"
#include "fs/base/strings.h"
#include "fs/base/wiping_allocators.h"
#include "tests/http/client_fixture.h"
#include "tests/support/nginx_server.h"

namespace leasefs::http {
namespace {

#ifndef LEASEFS_SANITIZED  // their allocator keeps what is freed

const bool kInstalled = InstallOpenSslWipingAllocator();  // before anything here calls OpenSSL

// Never as it is in this program's text or data.
class Canary {
 public:
  explicit Canary(unsigned char seed) {
    for (size_t i = 0; i < kSize; ++i) masked_[i] = static_cast<unsigned char>(Letter(seed, i) ^ kMask);
  }
  SecretBuffer Plain() const {
    SecretBuffer plain(kSize);
    for (size_t i = 0; i < kSize; ++i) plain.ExposeMutable()[i] = std::byte(masked_[i] ^ kMask);
    return plain;
  }
  bool IsAt(const unsigned char* bytes) const {
    for (size_t i = 0; i < kFound; ++i) {
      if ((bytes[i] ^ kMask) != masked_[i]) return false;
    }
    return true;
  }
  static constexpr size_t kSize = 48;
  static constexpr size_t kFound = 16;  // its beginning counts

 private:
  static constexpr unsigned char kMask = 0x80;
  static unsigned char Letter(unsigned char seed, size_t i) {
    return static_cast<unsigned char>('a' + (seed + i * i * 7 + i * 3 + i / 13 * 5) % 26);
  }
  unsigned char masked_[kSize];
};

// Where in this process's writable memory, as "[heap]", "[stack]", ….
std::vector<std::string> Find(const Canary& canary) {
  std::vector<std::string> found;
  std::ifstream maps("/proc/self/maps");
  std::ifstream memory("/proc/self/mem", std::ios::binary);
  std::vector<unsigned char> page(1 << 16);
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char dash = 0;
    std::string rights;
    std::istringstream(line) >> std::hex >> begin >> dash >> end >> rights;
    if (!rights.starts_with("rw")) continue;
    for (uintptr_t at = begin; at < end; at += page.size() - Canary::kFound) {
      memory.clear();
      memory.seekg(static_cast<std::streamoff>(at));
      memory.read(reinterpret_cast<char*>(page.data()), static_cast<std::streamsize>(std::min(page.size(), end - at)));
      const auto got = static_cast<size_t>(std::max<std::streamsize>(memory.gcount(), 0));
      for (size_t i = 0; i + Canary::kFound <= got; ++i) {
        if (canary.IsAt(page.data() + i))
          found.push_back(StrCat(line.substr(line.find_last_of(' ') + 1), " +", at + i - begin));
      }
      explicit_bzero(page.data(), page.size());
    }
  }
  return found;
}

class MemoryTest : public ClientFixture {
 protected:
  // A server in a child process; the parent has its port.
  void ServeElsewhere() {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    child_ = fork();
    if (child_ == 0) {
      const SecretBuffer secret = secret_.Plain();
      test::TlsServer server({.files = files_}, test::TlsServer::Answering([&](const test::RecordedRequest& request) {
                               const bool right = request.headers.at("x-vault-token") == token_.Plain().ExposeText();
                               return test::Answer(right ? 200 : 403,
                                                   StrCat("{\"data\":{\"password\":\"", secret.ExposeText(),
                                                          "\"},\"x\":[\"", secret.ExposeText(), "\"]}"));
                             }));
      const uint16_t port = server.port();
      if (write(ends[1], &port, sizeof port) != sizeof port) _exit(1);
      pause();
      _exit(0);
    }
    uint16_t port = 0;
    ASSERT_EQ(read(ends[0], &port, sizeof port), static_cast<ssize_t>(sizeof port));
    close(ends[0]);
    close(ends[1]);
    Trust(StrCat("https://127.0.0.1:", port));
    Connect();
  }
  void AskForTheSecret();
  void TearDown() override {
    if (child_ <= 0) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  const Canary token_{3};
  const Canary secret_{11};
  pid_t child_ = 0;
};

// Asks three times, with the token, for the secret, and reads it.
void MemoryTest::AskForTheSecret() {
  for (int i = 0; i < 3; ++i) {
    Request request = Get();
    request.headers.push_back({.name = "X-Vault-Token", .value = token_.Plain()});
    if (i == 0) EXPECT_FALSE(Find(token_).empty()) << "the search is blind";
    auto response = Ask(std::move(request));
    ASSERT_TRUE(response.ok()) << response.error().message();
    ASSERT_EQ(response->status, 200);
    if (i == 0) EXPECT_FALSE(Find(secret_).empty()) << "the search is blind";
    JsonText text;
    ASSERT_TRUE(ReadJson(std::move(response->body), text).ok());
    ASSERT_TRUE(text.complete());
  }
}

TEST_F(MemoryTest, NothingOfATokenOrAnAnswerIsLeft) {
  ASSERT_TRUE(kInstalled);
  ServeElsewhere();
  AskForTheSecret();
  EXPECT_EQ(Find(token_), std::vector<std::string>());
  EXPECT_EQ(Find(secret_), std::vector<std::string>());
  client_.reset();
  EXPECT_EQ(Find(token_), std::vector<std::string>());
  EXPECT_EQ(Find(secret_), std::vector<std::string>());
}

// While it is open, the header table of an HTTP/2 connection holds the token, and curl's buffer for it the last answer.
TEST_F(MemoryTest, NothingIsLeftOfThemOverHttp2WhenTheConnectionIsClosed) {
  if (!test::NginxServer::IsInstalled()) GTEST_SKIP() << "NOT RUN: there is no nginx";
  const UniqueFd file(open((authority_.directory() + "/secret").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  SecretBuffer body = SecretBuffer::CopyOf("[\"");
  body.Append(secret_.Plain().Expose());
  body.Append("\"]");
  ASSERT_EQ(write(file.get(), body.Expose().data(), body.size()), static_cast<ssize_t>(body.size()));
  body.Clear();
  test::NginxServer nginx(authority_.directory(), files_,
                          StrCat("location = /v1/a { alias ", authority_.directory(), "/secret; }"));
  options_.client.health.max_backoff = std::chrono::milliseconds(50);  // it needs a moment to begin
  ConnectTo(nginx);
  Request first = Get("/none");
  first.repeatable = true;
  ASSERT_EQ(Outcome(std::move(first)), "status 404");
  AskForTheSecret();
  client_.reset();
  EXPECT_EQ(Find(token_), std::vector<std::string>());
  EXPECT_EQ(Find(secret_), std::vector<std::string>());
  EXPECT_EQ(nginx.Log().back()[0], "HTTP/2.0");
}

#else

TEST(MemoryTest, NothingOfATokenOrAnAnswerIsLeft) {
  GTEST_SKIP() << "NOT RUN: the sanitizer's allocator keeps what is freed";
}

#endif  // LEASEFS_SANITIZED

}  // namespace
}  // namespace leasefs::http
