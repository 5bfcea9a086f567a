// Any bytes as a server's answer to each question in turn, through the whole of VaultSource: a login, a look at a
// token, what is mounted, names, values, a lease. What comes of it is within bounds, and nothing is left to wait for.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "backend/vault/vault_source.h"
#include "fs/base/sim_loop.h"
#include "fs/base/strings.h"
#include "tests/fuzz/require.h"
#include "tests/lease/map_records.h"
#include "tests/support/scripted_transport.h"
#include "tests/vault/memory_files.h"

namespace leasefs::vault {
namespace {

using lease::Answer;
using lease::Engine;

void CheckFields(const std::vector<protocol::Field>& fields) {
  for (const protocol::Field& field : fields) {
    Require(protocol::IsValidKey(field.key) && IsValidUtf8(field.key));
    Require(!field.too_large || field.value.empty());
  }
}

// A source that was told nothing yet, and a server that knows one answer.
class World {
 public:
  World(std::string_view body, int status)
      : body_(body),
        status_(status),
        client_(Options(), loop_,
                std::make_unique<test::ScriptedTransport>(loop_, record_,
                                                          [this](const auto& attempt) { return Say(attempt); })),
        source_(loop_, client_, files_, Settings(), &records_) {
    for (const char* name : {"token", "secret"}) files_.contents[name] = "s.credential\n";
  }

  void AskOfTokens() {
    for (const char* identity : {"", "role", "wrapped"}) {
      const auto answer = Ask<lease::Token>([&](auto done) { source_.Login(identity, done); });
      if (const auto* token = std::get_if<lease::Token>(&answer)) {
        Require(!token->value.empty() && token->value.size() <= lease::kMaxTokenBytes);
        Require(token->life >= Duration::zero() && token->granted_at <= loop_.Now());
      }
    }
    const auto state = Ask<lease::TokenState>([&](auto done) { source_.CheckToken("", token_, done); });
    if (const auto* known = std::get_if<lease::TokenState>(&state)) Require(known->life >= Duration::zero());
    const auto renewal = Ask<lease::Renewal>([&](auto done) { source_.RenewToken("", token_, done); });
    if (const auto* renewed = std::get_if<lease::Renewal>(&renewal)) Require(renewed->life >= Duration::zero());
  }

  void AskOfPlaces(Engine engine) {
    lease::Tree tree;
    tree.name = "tree";
    tree.source = "secret/web";
    tree.engine = engine;
    for (const char* below : {"", "app"}) {
      Ask<lease::Place>([&](auto done) { source_.Find(tree, below, token_, done); });
      const auto names =
          Ask<lease::Names>([&](auto done) { source_.List(tree, below, protocol::Purpose::kNames, token_, done); });
      if (const auto* listed = std::get_if<lease::Names>(&names)) {
        for (const auto& entry : listed->entries) Require(!entry.name.empty() && protocol::IsValidPath(entry.name));
      }
      const auto grant = Ask<lease::Grant>([&](auto done) { source_.Get(tree, below, token_, done); });
      if (const auto* got = std::get_if<lease::Grant>(&grant)) CheckGrant(*got);
    }
    const auto renewal =
        Ask<lease::Renewal>([&](auto done) { source_.Renew(tree, "lease", token_, std::chrono::hours(1), done); });
    if (const auto* renewed = std::get_if<lease::Renewal>(&renewal)) Require(renewed->life >= Duration::zero());
  }

 private:
  static http::ClientOptions Options() {
    http::ClientOptions options;
    options.addresses = {*ParseAddress("https://vault-1:8200", PlainHttp::kRefused)};
    return options;
  }
  static VaultSettings Settings() {
    VaultSettings settings;
    settings.identities[""] = {.method = LoginMethod::kToken, .file = "token"};
    settings.identities["role"] = {.method = LoginMethod::kAppRole, .role = "web", .file = "secret"};
    settings.identities["wrapped"] = {
        .method = LoginMethod::kAppRole, .role = "web", .file = "secret", .wrapped = "auth/approle/role/web/secret-id"};
    return settings;
  }

  test::ScriptedTransport::Reply Say(const http::Attempt& attempt) {
    http::Outcome outcome = test::Answered(status_, {{.name = "content-type", .value = "application/json"}});
    outcome.response->body = SecretBuffer::CopyOf(body_);
    outcome.response->address = attempt.address.Text();
    outcome.response->sent_at = loop_.Now();
    return {.outcome = std::move(outcome)};
  }

  void CheckGrant(const lease::Grant& grant) {
    CheckFields(grant.fields);
    Require(grant.life >= Duration::zero() && grant.lease_id.size() <= lease::kMaxLeaseIdBytes);
    Require(!grant.lease_id.empty() || grant.life == Duration::zero());
  }

  // Answered once, in the end; the words of a failure are safe to show.
  template <class T, class Question>
  Answer<T> Ask(Question question) {
    std::optional<Answer<T>> got;
    question([&](Answer<T> answer) {
      Require(!got);
      got = std::move(answer);
    });
    loop_.RunFor(std::chrono::minutes(3));
    Require(got.has_value());
    if (const auto* failure = std::get_if<lease::Failure>(&*got)) {
      const std::string& words = failure->error.message();
      Require(words.size() < 1000 && Printable(words, 1000) == words);
    }
    return *std::move(got);
  }

  SimLoop loop_{1};
  const std::string body_;
  const int status_;
  test::ScriptedTransport::Record record_;
  test::MemoryFiles files_{loop_};
  lease::MapRecords records_;
  SecretBuffer token_ = SecretBuffer::CopyOf("s.token");
  http::HttpClient client_;
  VaultSource source_;
};

}  // namespace
}  // namespace leasefs::vault

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs::vault;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const int status : {200, 404}) {
    World(text, status).AskOfTokens();
    for (const Engine engine : {Engine::kDetect, Engine::kKv1, Engine::kKv2, Engine::kStatic, Engine::kDynamic}) {
      World(text, status).AskOfPlaces(engine);
    }
  }
  return 0;
}
