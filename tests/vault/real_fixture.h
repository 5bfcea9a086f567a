// A VaultSource against a real OpenBao server.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "backend/vault/vault_source.h"
#include "fs/base/strings.h"
#include "tests/lease/map_records.h"
#include "tests/support/test_certificates.h"
#include "tests/vault/bao_server.h"
#include "tests/vault/memory_files.h"

namespace leasefs::vault {

class RealFixture : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_TRUE(test::BaoServer::IsInstalled())
        << test::BaoServer::Program() << " is not there: packaging/install-openbao.sh build/openbao installs it";
    bao_ = new test::BaoServer;
  }
  static void TearDownTestSuite() {
    delete bao_;
    bao_ = nullptr;
  }

  void SetUp() override {
    loop_->After(std::chrono::seconds(60), [this] {
      ADD_FAILURE() << "the loop was not stopped\n" << bao_->log();
      loop_->Stop();
    });
    ASSERT_NE(ReadFile(bao_->ca_file()), "") << bao_->log();
    settings_.connection.client.addresses = {*ParseAddress(bao_->address(), PlainHttp::kRefused)};
    settings_.connection.client.health.first_backoff = std::chrono::milliseconds(50);
    UsePem("", "");
    for (int i = 0; i < 600 && Admin(http::Method::kGet, "sys/internal/ui/mounts", "", 0).empty(); ++i) Pause();
    ASSERT_NE(Admin(http::Method::kGet, "sys/internal/ui/mounts"), "") << bao_->log();
    root_ = SecretBuffer::CopyOf(test::BaoServer::root_token());
  }

  static std::string ReadFile(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  void Pause() {
    loop_->After(std::chrono::milliseconds(50), [this] { loop_->Stop(); });
    loop_->Run();
  }
  // The TLS files, as memory hands them over.
  void UsePem(const std::string& certificate, const std::string& key) {
    auto pem = std::make_shared<http::TlsPem>();
    pem->authorities = SecretBuffer::CopyOf(ReadFile(bao_->ca_file()));
    pem->client_certificate = SecretBuffer::CopyOf(certificate);
    pem->client_key = SecretBuffer::CopyOf(key);
    settings_.connection.transport.tls.pem = std::move(pem);
    source_.reset();
    auto client = http::HttpClient::Create(settings_.connection, *loop_);
    ASSERT_TRUE(client.ok()) << client.error().message();
    client_ = std::move(*client);
  }
  VaultSource& source() {
    if (source_ == nullptr) source_ = std::make_unique<VaultSource>(*loop_, *client_, files_, settings_, &records_);
    return *source_;
  }

  // What root does to the server. The body of the answer; `expected` 0: of any answer, else a failed test.
  std::string Admin(http::Method method, const std::string& path, const std::string& body = "", int expected = 200,
                    std::vector<http::RequestHeader> headers = {}) {
    http::Request request;
    request.method = method;
    request.path = "/v1/" + path;
    request.body = SecretBuffer::CopyOf(body);
    request.headers = std::move(headers);
    request.headers.push_back({"X-Vault-Token", SecretBuffer::CopyOf(test::BaoServer::root_token())});
    request.deadline = loop_->Now() + std::chrono::seconds(5);
    std::string answer;
    client_->Send(std::move(request), [&](const Result<http::Response>& response, bool /*in_doubt*/) {
      if (response.ok()) answer = response->body.empty() ? "{}" : std::string(response->body.ExposeText());
      if (response.ok() && expected != 0) {
        EXPECT_LT(response->status, 300) << path << ": " << answer;
      }
      loop_->Stop();
    });
    loop_->Run();
    return answer;
  }
  std::string Put(const std::string& path, const std::string& body) { return Admin(http::Method::kPost, path, body); }
  // The first string of this name in JSON.
  static std::string Pick(const std::string& json, const std::string& name) {
    const std::string key = "\"" + name + "\":\"";
    const size_t at = json.find(key);
    if (at == std::string::npos) return "";
    return json.substr(at + key.size(), json.find('"', at + key.size()) - at - key.size());
  }

  template <class T, class Ask>
  lease::Answer<T> Answered(Ask ask) {
    std::optional<lease::Answer<T>> got;
    ask([&](lease::Answer<T> answer) {
      got = std::move(answer);
      loop_->Stop();
    });
    loop_->Run();
    if (!got) std::abort();
    return *std::move(got);
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
  template <class T>
  static lease::Failure Failed(lease::Answer<T> answer) {
    auto* failure = std::get_if<lease::Failure>(&answer);
    if (failure != nullptr) return std::move(*failure);
    ADD_FAILURE() << "it did not fail";
    return {Error(ErrorKind::kInternal, ""), lease::Cause::kOutage, false, {}};
  }
  lease::Answer<lease::Token> Login(const std::string& identity) {
    return Answered<lease::Token>([&](auto done) { source().Login(identity, done); });
  }
  lease::Answer<lease::Grant> Get(const lease::Tree& tree, const SecretBuffer& token) {
    return Answered<lease::Grant>([&](auto done) { source().Get(tree, "", token, done); });
  }
  std::vector<std::string> List(const lease::Tree& tree, const SecretBuffer& token) {
    const auto entries = Good(Answered<lease::Names>([&](auto done) {
                           source().List(tree, "", protocol::Purpose::kNames, token, done);
                         })).entries;
    std::vector<std::string> names;
    for (const auto& entry : entries) {
      names.push_back(entry.name + (entry.kind == protocol::EntryKind::kFolder ? "/" : ""));
    }
    return names;
  }
  lease::Place Find(const lease::Tree& tree, const SecretBuffer& token) {
    return Good(Answered<lease::Place>([&](auto done) { source().Find(tree, "", token, done); }));
  }
  static lease::Tree At(std::string path, std::map<std::string, std::string> params = {}) {
    lease::Tree tree;
    tree.name = "t";
    tree.source = std::move(path);
    tree.params = std::move(params);
    return tree;
  }
  static std::string Text(const lease::Grant& grant, std::string_view key) {
    for (const auto& field : grant.fields) {
      if (field.key == key) return std::string(field.value.ExposeText());
    }
    return "<no " + std::string(key) + ">";
  }

  static inline test::BaoServer* bao_ = nullptr;
  std::unique_ptr<FdLoop> loop_ = *FdLoop::Create();
  test::MemoryFiles files_{*loop_};
  VaultSettings settings_;
  SecretBuffer root_;
  std::unique_ptr<http::HttpClient> client_;
  lease::MapRecords records_;
  std::unique_ptr<VaultSource> source_;
};

}  // namespace leasefs::vault
