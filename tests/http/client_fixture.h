// An HttpClient on a real loop, against scripted servers with certificates of an authority that it trusts.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "backend/http/http_client.h"
#include "tests/support/tls_server.h"

namespace leasefs::http {

class ClientFixture : public testing::Test {
 protected:
  ClientFixture() {
    options_.transport.tls.ca_file = authority_.certificate_file();
    options_.client.health.first_backoff = options_.client.health.backoff_floor = std::chrono::milliseconds(20);
    loop_->After(std::chrono::seconds(60), [this] {
      ADD_FAILURE() << "the loop was not stopped";
      loop_->Stop();
    });
  }

  std::unique_ptr<test::TlsServer> Serve(test::TlsServer::Script script) {
    return std::make_unique<test::TlsServer>(test::TlsServer::Options{.files = files_}, std::move(script));
  }
  void Trust(const std::string& address) {
    options_.client.addresses.push_back(*ParseAddress(address, PlainHttp::kToLoopback));
  }
  void Connect() {
    auto client = HttpClient::Create(options_, *loop_);
    ASSERT_TRUE(client.ok()) << client.error().message();
    client_ = std::move(*client);
  }
  template <class Server>
  void ConnectTo(const Server& server) {
    Trust(server.address());
    Connect();
  }

  Request Get(std::string path = "/v1/a", Duration within = std::chrono::seconds(10)) {
    Request request;
    request.path = std::move(path);
    request.deadline = loop_->Now() + within;
    return request;
  }
  Result<Response> Ask(Request request) {
    std::optional<Result<Response>> result;
    client_->Send(std::move(request), [&](Result<Response> got, bool /*in_doubt*/) {
      result = std::move(got);
      loop_->Stop();
    });
    loop_->Run();
    if (!result) return Error(ErrorKind::kInternal, "nothing came");
    return *std::move(result);
  }
  // The body of an answer that must come; of an error, its words.
  std::string BodyOf(Request request) {
    const auto result = Ask(std::move(request));
    if (!result.ok()) return "failed: " + result.error().message();
    return std::string(result->body.ExposeText());
  }
  // "status 200", or the kind and message of the error: "unreachable: …".
  std::string Outcome(Request request) {
    const auto result = Ask(std::move(request));
    if (result.ok()) return "status " + std::to_string(result->status);
    return std::string(ErrorKindName(result.error().kind())) + ": " + result.error().message();
  }

  test::TestAuthority authority_{"leasefs test authority"};
  test::CertificateFiles files_ = authority_.Issue({});
  Options options_;
  std::unique_ptr<FdLoop> loop_ = *FdLoop::Create();
  std::unique_ptr<HttpClient> client_;
};

}  // namespace leasefs::http
