#include "backend/vault/vault_source.h"

#include <algorithm>
#include <utility>

#include "backend/http/json_reader.h"
#include "backend/http/json_text.h"
#include "backend/http/path_escape.h"
#include "backend/vault/grants.h"
#include "backend/vault/kv_reader.h"
#include "backend/vault/logins.h"
#include "backend/vault/names.h"
#include "backend/vault/places.h"
#include "backend/vault/rotations.h"
#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

using lease::Answer;
using lease::Nature;
using protocol::Entry;

// One string of JSON text.
class OneString : public http::JsonText {
 public:
  Status String(SecretBuffer value) override {
    value_ = std::move(value);
    return Ok();
  }
  std::string_view value() const { return value_.ExposeText(); }

 private:
  SecretBuffer value_;
};

// A parameter in a query: a string's own bytes, anything else as its JSON text.
std::string QueryValue(const std::string& json) {
  if (!json.starts_with('"')) return json;
  OneString text;
  return http::ReadJson(SecretBuffer::CopyOf(json), text).ok() ? std::string(text.value()) : json;
}

SecretBuffer BodyOf(const std::map<std::string, std::string>& params) {
  SecretBuffer body;
  for (const auto& [name, json] : params) {
    body.Append(body.empty() ? "{" : ",");
    http::AppendJsonString(body, name);
    body.Append(":");
    body.Append(json);
  }
  body.Append(body.empty() ? "{}" : "}");
  return body;
}

std::string QueryOf(const std::map<std::string, std::string>& params) {
  std::string query;
  for (const auto& [name, json] : params) {
    query += StrCat(query.empty() ? "?" : "&", http::EscapeQuery(name), "=", http::EscapeQuery(QueryValue(json)));
  }
  return query;
}

std::string LastComponent(const std::string& path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

// In an answer of sys/capabilities-self, which names the capabilities of each path.
bool IsGranted(const Members& data, std::string_view path, std::string_view capability) {
  const auto words = data.Strings(path);
  return words && std::ranges::any_of(*words, [&](const SecretBuffer& word) {
           return word.ExposeText() == capability || word.ExposeText() == "root";
         });
}

// A lease's id begins with the path that it was minted at.
std::string_view PathOfLease(std::string_view id) {
  return id.substr(0, id.rfind('/'));
}

SecretBuffer LeaseBody(const std::string& lease_id, std::string_view rest) {
  SecretBuffer body = SecretBuffer::CopyOf("{\"lease_id\":");
  http::AppendJsonString(body, lease_id);
  body.Append(rest);
  return body;
}

}  // namespace

struct VaultSource::Impl {
  Impl(Loop& loop, http::HttpClient& http, CredentialFiles& files, VaultSettings given,
       lease::SurvivingRecords* records)
      : settings(std::move(given)),
        client(loop, http, settings.name_space, {.read = settings.read_timeout, .change = settings.change_timeout}),
        logins(client, files, settings, records),
        places(client),
        kv(client) {
    for (const auto& [name, identity] : settings.identities) Watch(files, name, identity);
  }

  void Watch(CredentialFiles& files, const std::string& name, const Identity& identity) {
    const bool by_certificate = identity.method == LoginMethod::kCert;
    const std::string& file = by_certificate ? settings.client_certificate_file : identity.file;
    if (file.empty()) return;
    files.Watch(file, client.WhileAlive(std::function<void()>([this, name = name] {
      if (credential_changed) credential_changed(name);
    })));
  }

  KvPlace KvPlaceOf(const lease::Tree& tree, const Spot& spot) const {
    return {.location = spot.location,
            .version = tree.version,
            .tree = tree.name,
            .ttl = tree.ttl};
  }

  void Locate(const lease::Tree& tree, const std::string& below, const SecretBuffer& token, Places::Done done) {
    places.Locate(tree, below, token, std::move(done));
  }

  // Reads or mints what is no KV.
  void GetPlain(const lease::Tree& tree, const Spot& spot, const SecretBuffer& token, lease::Reply<lease::Grant> done);
  void ListPlain(const lease::Tree& tree, const Spot& spot, const SecretBuffer& token, lease::Reply<lease::Names> done);
  Question PostQuestion(Subject subject, std::string_view path, const SecretBuffer& token) const;

  const VaultSettings settings;
  VaultClient client;
  Logins logins;
  Places places;
  KvReader kv;
  Rotations rotations;
  std::function<void(const std::string& identity)> credential_changed;
};

VaultSource::VaultSource(Loop& loop, http::HttpClient& http, CredentialFiles& files, VaultSettings settings,
                         lease::SurvivingRecords* records)
    : impl_(std::make_unique<Impl>(loop, http, files, std::move(settings), records)) {}

VaultSource::~VaultSource() = default;

void VaultSource::Login(const std::string& identity, lease::Reply<lease::Token> done) {
  impl_->logins.Login(identity, std::move(done));
}

void VaultSource::RenewToken(const std::string& identity, const SecretBuffer& token,
                             lease::Reply<lease::Renewal> done) {
  impl_->logins.Renew(identity, token, std::move(done));
}

void VaultSource::CheckToken(const std::string& identity, const SecretBuffer& token,
                             lease::Reply<lease::TokenState> done) {
  impl_->logins.Check(identity, token, std::move(done));
}

void VaultSource::RevokeToken(const std::string& identity, const SecretBuffer& token, lease::Reply<Done> done) {
  impl_->logins.Revoke(identity, token, std::move(done));
}

void VaultSource::OnCredentialChanged(std::function<void(const std::string& identity)> changed) {
  impl_->credential_changed = std::move(changed);
}

bool VaultSource::BindsTokens(const std::string& identity) const {
  const auto found = impl_->settings.identities.find(identity);
  return found != impl_->settings.identities.end() && found->second.method == LoginMethod::kCert;
}

// ---- places ----

void VaultSource::Find(const lease::Tree& tree, const std::string& below, const SecretBuffer& token,
                       lease::Reply<lease::Place> done) {
  const bool known = tree.engine == lease::Engine::kKv1 || tree.engine == lease::Engine::kKv2 ||
                     tree.engine == lease::Engine::kStatic ||
                     (tree.engine == lease::Engine::kDynamic && !tree.keys.empty());
  if (known) {
    lease::Place place{.nature = tree.engine == lease::Engine::kDynamic ? Nature::kMinted : Nature::kStatic,
                       .keys = tree.engine == lease::Engine::kDynamic ? tree.keys : std::vector<std::string>()};
    return impl_->client.Later([done = std::move(done), place = std::move(place)] { done(place); });
  }
  impl_->Locate(tree, below, token, [this, done = std::move(done)](Answer<Spot> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    const EngineFacts& facts = std::get<Spot>(answer).facts;
    lease::Place place{.nature = facts.nature,
                       .keys = facts.nature == Nature::kMinted ? facts.keys : std::vector<std::string>()};
    impl_->client.Later([done, place = std::move(place)] { done(place); });
  });
}

void VaultSource::List(const lease::Tree& tree, const std::string& below, protocol::Purpose purpose,
                       const SecretBuffer& token, lease::Reply<lease::Names> done) {
  auto held = std::make_shared<SecretBuffer>(SecretBuffer::CopyOf(token.Expose()));
  impl_->Locate(tree, below, token, [this, tree, purpose, held, done = std::move(done)](Answer<Spot> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    const Spot& spot = std::get<Spot>(answer);
    if (spot.is_kv) return impl_->kv.List(impl_->KvPlaceOf(tree, spot), purpose, *held, done);
    impl_->ListPlain(tree, spot, *held, done);
  });
}

void VaultSource::Get(const lease::Tree& tree, const std::string& below, const SecretBuffer& token,
                      lease::Reply<lease::Grant> done) {
  auto held = std::make_shared<SecretBuffer>(SecretBuffer::CopyOf(token.Expose()));
  impl_->Locate(tree, below, token, [this, tree, held, done = std::move(done)](Answer<Spot> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    const Spot& spot = std::get<Spot>(answer);
    if (!spot.is_kv) return impl_->GetPlain(tree, spot, *held, done);
    const KvPlace place = impl_->KvPlaceOf(tree, spot);
    impl_->kv.Get(place, *held, [this, spot, done](Answer<lease::Grant> got) {
      // Another engine may have been mounted there meanwhile.
      if (auto* failure = FailureIn(got); failure != nullptr && failure->error.kind() == ErrorKind::kRemote) {
        impl_->places.Forget(spot);
      }
      done(std::move(got));
    });
  });
}

void VaultSource::Impl::GetPlain(const lease::Tree& tree, const Spot& spot, const SecretBuffer& token,
                                 lease::Reply<lease::Grant> done) {
  const bool minted = spot.facts.nature == Nature::kMinted;
  const std::string method = MethodFor(spot.facts, tree.method);
  const Subject subject{.asked = minted ? Asked::kMint : Asked::kRead,
                        .place = spot.path,
                        .path = StrCat(CapabilityFor(method), " on ", spot.path)};
  Question question;
  question.subject = subject;
  question.path = http::EscapePath(spot.path).value();
  if (method == "GET") {
    question.path += QueryOf(tree.params);
  } else {
    question.method = method == "PUT" ? http::Method::kPut : http::Method::kPost;
    question.body = BodyOf(tree.params);
  }
  question.token = SecretBuffer::CopyOf(token.Expose());
  question.may_be_raw = spot.facts.answer == AnswerKind::kRaw || !minted;
  if (minted) {
    question.lane = StrCat("mint ", spot.path);
  } else {
    question.group = spot.location.mount;
  }
  client.Ask(std::move(question), [this, subject, spot, done = std::move(done)](Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    auto grant = GrantOf(subject, spot.facts.answer, LastComponent(spot.path), std::move(std::get<VaultReply>(answer)));
    if (auto* good = std::get_if<lease::Grant>(&grant); good != nullptr && spot.facts.answer == AnswerKind::kRotating) {
      rotations.Correct(spot.path, *good);
    }
    done(std::move(grant));
  });
}

// A static place gives its keys by being read. What would have to be minted is asked for its names only by Find.
void VaultSource::Impl::ListPlain(const lease::Tree& tree, const Spot& spot, const SecretBuffer& token,
                                  lease::Reply<lease::Names> done) {
  if (spot.facts.nature == Nature::kMinted) {
    return client.Later([done = std::move(done), place = spot.path] {
      done(Refused({.asked = Asked::kList, .place = place, .path = ""}, ErrorKind::kNotFound, "it is no folder"));
    });
  }
  GetPlain(tree, spot, token, [done = std::move(done)](Answer<lease::Grant> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    std::vector<std::string> names;
    for (protocol::Field& field : std::get<lease::Grant>(answer).fields) names.push_back(std::move(field.key));
    done(KeysOf(names));
  });
}

// ---- leases ----

Question VaultSource::Impl::PostQuestion(Subject subject, std::string_view path, const SecretBuffer& token) const {
  Question question;
  question.subject = std::move(subject);
  question.method = http::Method::kPost;
  question.path = path;
  question.token = SecretBuffer::CopyOf(token.Expose());
  return question;
}

void VaultSource::Renew(const lease::Tree& tree, const std::string& lease_id, const SecretBuffer& token,
                        Duration wanted, lease::Reply<lease::Renewal> done) {
  const Subject subject{
      .asked = Asked::kLeaseRenewal, .place = StrCat("a lease of ", tree.name), .path = "update on sys/leases/renew"};
  Question question = impl_->PostQuestion(subject, "sys/leases/renew", token);
  const int64_t seconds = std::chrono::ceil<std::chrono::seconds>(std::max(wanted, Duration(0))).count();
  question.body = LeaseBody(lease_id, StrCat(",\"increment\":", seconds, "}"));
  question.lane = StrCat("renew ", PathOfLease(lease_id));
  impl_->client.Ask(std::move(question), [subject, done = std::move(done)](Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    const VaultReply& reply = std::get<VaultReply>(answer);
    const auto life = reply.answer.root.Seconds("lease_duration").value_or(0);
    // Capped to nothing: it was the last second.
    if (life == 0) return done(Refused(subject, ErrorKind::kExpired, "the lease cannot be renewed any further"));
    done(lease::Renewal{.asked_at = reply.asked_at,
                        .life = std::chrono::seconds(life),
                        .renewable = reply.answer.root.Bool("renewable")});
  });
}

// Asynchronous: the server takes it on and goes on trying when, say, the database is away.
void VaultSource::Revoke(const std::string& /*identity*/, const std::string& lease_id, const SecretBuffer& token,
                         lease::Reply<Done> done) {
  Question question = impl_->PostQuestion(
      {.asked = Asked::kLeaseRevocation, .place = "a lease", .path = "update on sys/leases/revoke"},
      "sys/leases/revoke", token);
  question.body = LeaseBody(lease_id, ",\"sync\":false}");
  impl_->client.Ask(std::move(question), [done = std::move(done)](Answer<VaultReply> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    done(Done());
  });
}

// ---- rights ----

void VaultSource::FindMintRight(const lease::Tree& tree, const SecretBuffer& token, lease::Reply<MintRight> done) {
  auto held = std::make_shared<SecretBuffer>(SecretBuffer::CopyOf(token.Expose()));
  impl_->Locate(tree, "", token, [this, tree, held, done = std::move(done)](Answer<Spot> answer) {
    if (auto* failure = FailureIn(answer)) return done(std::move(*failure));
    const Spot& spot = std::get<Spot>(answer);
    const std::string capability(CapabilityFor(MethodFor(spot.facts, tree.method)));
    const Subject subject{
        .asked = Asked::kRead, .place = "sys/capabilities-self", .path = "update on sys/capabilities-self"};
    Question question = impl_->PostQuestion(subject, "sys/capabilities-self", *held);
    question.body = SecretBuffer::CopyOf("{\"paths\":[");
    http::AppendJsonString(question.body, spot.path);
    question.body.Append(",\"sys/leases/renew\",\"sys/leases/revoke\"]}");
    impl_->client.Ask(std::move(question), [subject, capability, path = spot.path, done](Answer<VaultReply> reply) {
      if (auto* failure = FailureIn(reply)) return done(std::move(*failure));
      const Members& data = std::get<VaultReply>(reply).answer.data;
      if (!data.Strings(path)) return done(WrongAnswer(subject, "it names no capabilities"));
      done(MintRight{.allowed = IsGranted(data, path, capability),
                     .wanted = StrCat(capability, " on ", path),
                     .may_renew = IsGranted(data, "sys/leases/renew", "update"),
                     .may_revoke = IsGranted(data, "sys/leases/revoke", "update")});
    });
  });
}

}  // namespace leasefs::vault
