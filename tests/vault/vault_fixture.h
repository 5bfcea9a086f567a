// A VaultSource in simulated time, over a transport that answers by a list.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "backend/vault/vault_source.h"
#include "fs/base/sim_loop.h"
#include "tests/lease/map_records.h"
#include "tests/support/scripted_transport.h"
#include "tests/vault/memory_files.h"
#include "tests/vault/scripted_vault.h"

namespace leasefs::vault {

using std::chrono::seconds;
using test::ScriptedTransport;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

class VaultFixture : public testing::Test {
 protected:
  VaultFixture() {
    settings_.identities[""] = {.method = LoginMethod::kToken, .file = "token"};
    files_.contents["token"] = "s.token\n";
    options_.addresses = {*ParseAddress("https://vault-1:8200", PlainHttp::kRefused)};
  }
  ~VaultFixture() override {
    source_.reset();
    client_.reset();
    EXPECT_EQ(loop_.pending(), 0U) << "a timer was left behind";
  }

  // `request`: method and path, with its query if it has one: "GET secret/data/web".
  void On(const std::string& request, int status, std::string body, std::vector<http::ResponseHeader> headers = {}) {
    server_.On(request, status, std::move(body), std::move(headers));
  }
  void Lose(const std::string& request, bool sent) { server_.Lose(request, sent); }

  VaultSource& source() {
    if (source_ == nullptr) {
      client_ = std::make_unique<http::HttpClient>(
          options_, loop_, std::make_unique<ScriptedTransport>(loop_, record_, [this](const http::Attempt& a) {
            return server_.Act(a);
          }));
      source_ = std::make_unique<VaultSource>(loop_, *client_, files_, settings_, &records_);
    }
    return *source_;
  }

  // What a question is answered; it must be, once, and not within the call.
  template <class T, class Ask>
  lease::Answer<T> Answered(Ask ask) {
    std::optional<lease::Answer<T>> got;
    int times = 0;
    ask([&](lease::Answer<T> answer) {
      ++times;
      got = std::move(answer);
    });
    EXPECT_EQ(times, 0) << "answered within the call";
    loop_.RunFor(std::chrono::minutes(3));
    EXPECT_EQ(times, 1);
    if (!got) std::abort();
    return *std::move(got);
  }
  lease::Answer<lease::Token> Login(const std::string& identity = "") {
    return Answered<lease::Token>([&](auto done) { source().Login(identity, done); });
  }
  lease::Answer<lease::Place> Find(const lease::Tree& tree, const std::string& below = "") {
    return Answered<lease::Place>([&](auto done) { source().Find(tree, below, token_, done); });
  }
  lease::Answer<lease::Grant> Get(const lease::Tree& tree, const std::string& below = "") {
    return Answered<lease::Grant>([&](auto done) { source().Get(tree, below, token_, done); });
  }
  lease::Answer<lease::Names> List(const lease::Tree& tree, const std::string& below = "",
                                   protocol::Purpose purpose = protocol::Purpose::kNames) {
    return Answered<lease::Names>([&](auto done) { source().List(tree, below, purpose, token_, done); });
  }

  // A source that knows nothing, and a server that has not been told its answers.
  void Again() {
    source_.reset();
    client_.reset();
    server_.Clear();
    record_.attempts.clear();
  }

  template <class T>
  static lease::Failure Failed(const lease::Answer<T>& answer) {
    const auto* failure = std::get_if<lease::Failure>(&answer);
    if (failure == nullptr) {
      ADD_FAILURE() << "it did not fail";
      return {Error(ErrorKind::kInternal, "it did not fail"), lease::Cause::kOutage, false, {}};
    }
    return *failure;
  }
  // "refused not_found: secret/web: there is nothing"
  template <class T>
  static std::string Words(const lease::Answer<T>& answer) {
    const lease::Failure failure = Failed(answer);
    static constexpr const char* kCauses[] = {"outage", "forbidden", "refused", "gone"};
    return StrCat(kCauses[static_cast<int>(failure.cause)], " ", ErrorKindName(failure.error.kind()), ": ",
                  failure.error.message(), failure.in_doubt ? " (in doubt)" : "");
  }
  template <class T>
  static T Good(lease::Answer<T> answer) {
    auto* failure = std::get_if<lease::Failure>(&answer);
    if (failure != nullptr) {
      ADD_FAILURE() << failure->error.message();
      return T{};
    }
    return std::move(std::get<T>(answer));
  }
  // "password=hunter2"
  static std::vector<std::string> Texts(const std::vector<protocol::Field>& fields) {
    std::vector<std::string> texts;
    for (const auto& field : fields) texts.push_back(StrCat(field.key, "=", field.value.ExposeText()));
    return texts;
  }
  // "web/", "key"
  static std::vector<std::string> Names(const lease::Names& listed) { return Names(listed.entries); }
  static std::vector<std::string> Names(const std::vector<protocol::Entry>& entries) {
    std::vector<std::string> names;
    for (const auto& entry : entries) {
      names.push_back(entry.name + (entry.kind == protocol::EntryKind::kFolder ? "/" : ""));
    }
    return names;
  }
  std::vector<std::string> Asked() const {
    std::vector<std::string> asked;
    for (const auto& seen : record_.attempts) asked.push_back(ScriptedVault::RequestOf(seen.method, seen.url));
    return asked;
  }
  const ScriptedTransport::Seen& Last() const { return record_.attempts.back(); }
  static lease::Tree TreeAt(std::string path) {
    lease::Tree tree;
    tree.name = "t";
    tree.source = std::move(path);
    return tree;
  }
  void MountKv2(const std::string& path) {
    On("GET sys/internal/ui/mounts/" + path, 200,
       Envelope(R"("data":{"path":"secret/","type":"kv","options":{"version":"2"}})"));
  }
  void Mount(const std::string& path, const std::string& mount, const std::string& type) {
    On("GET sys/internal/ui/mounts/" + path, 200,
       Envelope(R"("data":{"path":")" + mount + R"(/","type":")" + type + R"(","options":null})"));
  }

  SimLoop loop_{1};
  ScriptedTransport::Record record_;
  test::MemoryFiles files_{loop_};
  lease::MapRecords records_;  // survive Again()
  http::ClientOptions options_;
  VaultSettings settings_;
  SecretBuffer token_ = SecretBuffer::CopyOf("s.token");
  std::unique_ptr<http::HttpClient> client_;
  std::unique_ptr<VaultSource> source_;

 private:
  ScriptedVault server_{loop_};
};

}  // namespace leasefs::vault
