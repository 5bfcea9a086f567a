// VaultClient: one question to the server, and its answer read. The only place that adds our headers and a token to a
// request.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "backend/http/http_client.h"
#include "backend/lease/source.h"
#include "backend/vault/vault_answer.h"
#include "backend/vault/vault_errors.h"
#include "fs/base/loop.h"

namespace leasefs::vault {

struct Question {
  Subject subject;
  http::Method method = http::Method::kGet;
  std::string path;  // escaped, with its query, below "/v1/"
  SecretBuffer token;  // empty: none is sent
  SecretBuffer body;
  Shape shape = Shape::kPlain;
  bool may_be_raw = false;  // the answer may be no JSON but text: a certificate, a public key
  std::string lane = {};    // when what stands behind it may hang: http::Request::lane
  std::string group = {};   // whose requests may hang with it: http::Request::group
};

struct VaultReply {
  VaultAnswer answer;  // empty with 204 and a raw body
  SecretBuffer raw;    // the body, if it was let be no JSON and is none
  BootTime asked_at;
  WallTime server_time;  // of the answer, by the server's clock as far as it tells; to a second
};

// On the loop's thread only. No callback comes within the call that asked, nor after the end of this.
class VaultClient {
 public:
  struct Timeouts {
    Duration read;
    Duration change;
  };

  // `name_space`: of every question, "team/a"; "": the root.
  VaultClient(Loop& loop, http::HttpClient& http, std::string name_space, Timeouts timeouts)
      : loop_(loop), http_(http), name_space_(std::move(name_space)), timeouts_(timeouts) {}
  VaultClient(const VaultClient&) = delete;
  VaultClient& operator=(const VaultClient&) = delete;

  using Done = std::function<void(lease::Answer<VaultReply>)>;
  void Ask(Question question, Done done);

  // Runs `task` in a later turn of the loop, if this is still there then.
  void Later(std::function<void()> task);
  // `callback`, if this is still there when it is called.
  template <class... Args>
  std::function<void(Args...)> WhileAlive(std::function<void(Args...)> callback) {
    return [callback = std::move(callback), alive = std::weak_ptr(alive_)](Args... args) {
      if (!alive.expired()) callback(std::move(args)...);
    };
  }

  Loop& loop() { return loop_; }
  const std::string& name_space() const { return name_space_; }

 private:
  // How an answer is to be read.
  struct Expected {
    Subject subject;
    Shape shape = Shape::kPlain;
    bool may_be_raw = false;
    bool unprintable = false;  // the path has bytes that servers refuse
  };
  lease::Answer<VaultReply> Read(const Expected& expected, Result<http::Response> result, bool in_doubt);

  Loop& loop_;
  http::HttpClient& http_;
  const std::string name_space_;
  const Timeouts timeouts_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// The answer of a request that failed is handed on as it is: `if (auto* failure = FailureIn(answer)) return
// done(*failure);`
template <class T>
lease::Failure* FailureIn(lease::Answer<T>& answer) {
  return std::get_if<lease::Failure>(&answer);
}

}  // namespace leasefs::vault
