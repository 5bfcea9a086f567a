#include "fs/main/login_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "backend/http/curl_library.h"
#include "backend/http/http_client.h"
#include "backend/vault/vault_source.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/base/wiping_allocators.h"
#include "fs/config/config_reader.h"
#include "fs/config/vault_part.h"
#include "fs/keeper/keeper.h"
#include "fs/keeper/log_lines.h"
#include "fs/keeper/run_files.h"
#include "fs/main/confine.h"
#include "fs/main/read_file.h"
#include "fs/main/vault_wiring.h"

namespace leasefs {
namespace {

using lease::Answer;
using lease::Failure;
using MintRight = vault::VaultSource::MintRight;

// Read while there was the right to.
class FilesInMemory : public vault::CredentialFiles {
 public:
  explicit FilesInMemory(Loop& loop) : loop_(loop) {}
  void Add(const KeySource& source) {
    Result<UniqueFd> file = OpenCredential(source);
    Result<SecretBuffer> text =
        file.ok() ? ReadCredential(source.name, file->get()) : Result<SecretBuffer>(std::move(file).error());
    texts_.insert_or_assign(source.name, std::move(text));
  }
  void Read(const std::string& name, std::function<void(Result<SecretBuffer>)> done) override {
    loop_.Post([this, name, done = std::move(done)] { done(Copy(name)); });
  }
  void Watch(const std::string& /*name*/, std::function<void()> /*changed*/) override {}
  Result<SecretBuffer> Copy(const std::string& name) const {
    auto found = texts_.find(name);
    if (found == texts_.end()) return Error(ErrorKind::kInternal, StrCat(name, ": not a file of the configuration"));
    if (!found->second.ok()) return found->second.error();
    return SecretBuffer::CopyOf(found->second.value().Expose());
  }

 private:
  Loop& loop_;
  std::map<std::string, Result<SecretBuffer>> texts_;
};

enum class Outcome : uint8_t { kOk, kWarning, kFailed };

struct Finding {
  std::string backend, identity, tree;  // tree "": of the login
  Outcome outcome = Outcome::kFailed;
  std::string words;
};

// One backend after the other, one question after the other.
class LoginCheck {
 public:
  LoginCheck(FdLoop& loop, FilesInMemory& files, const VaultPart& part, std::vector<Finding>& findings,
             std::function<void()> done)
      : loop_(loop), files_(files), part_(part), findings_(findings), done_(std::move(done)) {}

  void Start();

 private:
  Status Prepare();
  Result<std::shared_ptr<const http::TlsPem>> ReadPem(const vault::VaultSettings& settings) const;
  void NextIdentity();
  void OnLogin(Answer<lease::Token> answer);
  void NextTree();
  void OnPlace(const lease::Tree& tree, Answer<lease::Place> answer);
  void OnMintRight(const lease::Tree& tree, const Answer<MintRight>& answer);
  void OnNames(const lease::Tree& tree, const Answer<lease::Names>& answer);
  void EndIdentity();
  void WarnOfLeases();
  void Say(const std::string& tree, bool ok, std::string words) {
    Add(tree, ok ? Outcome::kOk : Outcome::kFailed, std::move(words));
  }
  void Add(const std::string& tree, Outcome outcome, std::string words);

  FdLoop& loop_;
  FilesInMemory& files_;
  const VaultPart& part_;
  std::vector<Finding>& findings_;
  const std::function<void()> done_;
  std::unique_ptr<http::HttpClient> http_;
  std::unique_ptr<vault::VaultSource> source_;
  std::vector<lease::Tree> trees_;
  size_t identity_ = 0, tree_ = 0;  // the next ones
  lease::Token token_;
  std::optional<MintRight> right_;  // of the last tree that is minted
};

void LoginCheck::Start() {
  Status prepared = Prepare();
  if (prepared.ok()) return NextIdentity();
  Say("", false, prepared.error().message());
  loop_.Post(done_);
}

Status LoginCheck::Prepare() {
  LEASEFS_ASSIGN_OR_RETURN(settings, VaultSettingsOf(part_));
  LEASEFS_ASSIGN_OR_RETURN(pem, ReadPem(settings));
  settings.connection.transport.tls.pem = pem;
  LEASEFS_ASSIGN_OR_RETURN(http, http::HttpClient::Create(settings.connection, loop_));
  http_ = std::move(http);
  source_ = std::make_unique<vault::VaultSource>(loop_, *http_, files_, settings, nullptr);
  trees_ = MachineOptionsOf(part_).trees;
  return Ok();
}

Result<std::shared_ptr<const http::TlsPem>> LoginCheck::ReadPem(const vault::VaultSettings& settings) const {
  auto pem = std::make_shared<http::TlsPem>();
  const std::pair<const std::string&, SecretBuffer*> files[] = {
      {settings.ca_file, &pem->authorities},
      {settings.client_certificate_file, &pem->client_certificate},
      {settings.client_key_file, &pem->client_key}};
  bool any = false;
  for (const auto& [name, text] : files) {
    if (name.empty()) continue;
    LEASEFS_ASSIGN_OR_RETURN(read, files_.Copy(name));
    *text = std::move(read);
    any = true;
  }
  return std::shared_ptr<const http::TlsPem>(any ? std::move(pem) : nullptr);
}

void LoginCheck::Add(const std::string& tree, Outcome outcome, std::string words) {
  const auto& identities = part_.vault.identities;
  const std::string identity = identity_ == 0 ? "" : identities[identity_ - 1].name;
  findings_.push_back({part_.name, identity, tree, outcome, std::move(words)});
}

void LoginCheck::NextIdentity() {
  if (identity_ == part_.vault.identities.size()) {
    loop_.Post(done_);
    return;
  }
  const IdentityOptions& identity = part_.vault.identities[identity_++];
  tree_ = 0;
  right_.reset();
  if (!identity.auth.wrapped.empty()) {
    Say("", true, "not tried: its wrapped secret-id would be used up");
    return NextIdentity();
  }
  source_->Login(identity.name, [this](Answer<lease::Token> answer) { OnLogin(std::move(answer)); });
}

void LoginCheck::OnLogin(Answer<lease::Token> answer) {
  if (const auto* failure = std::get_if<Failure>(&answer)) {
    Say("", false, failure->error.message());
    return NextIdentity();
  }
  token_ = std::move(std::get<lease::Token>(answer));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(token_.life).count();
  Say("", true,
      StrCat("logged in; the token ", seconds == 0 ? "does not end" : StrCat("lives for ", seconds, " s"),
             token_.renewable ? ", and can be renewed" : ""));
  NextTree();
}

void LoginCheck::NextTree() {
  const std::string& identity = part_.vault.identities[identity_ - 1].name;
  while (tree_ < trees_.size() && trees_[tree_].identity != identity) ++tree_;
  if (tree_ == trees_.size()) return EndIdentity();
  const lease::Tree& tree = trees_[tree_++];
  source_->Find(tree, "", token_.value,
                [this, &tree](Answer<lease::Place> answer) { OnPlace(tree, std::move(answer)); });
}

void LoginCheck::OnPlace(const lease::Tree& tree, Answer<lease::Place> answer) {
  if (const auto* failure = std::get_if<Failure>(&answer)) {
    Say(tree.name, false, failure->error.message());
    return NextTree();
  }
  if (std::get<lease::Place>(answer).nature == lease::Nature::kMinted) {
    return source_->FindMintRight(tree, token_.value, [this, &tree](const Answer<MintRight>& right) {
      OnMintRight(tree, right);
    });
  }
  source_->List(tree, "", protocol::Purpose::kNames, token_.value,
                [this, &tree](const Answer<lease::Names>& names) { OnNames(tree, names); });
}

void LoginCheck::OnMintRight(const lease::Tree& tree, const Answer<MintRight>& answer) {
  const std::string minted = StrCat(tree.source, " is minted at the first open, which was not tried");
  if (const auto* failure = std::get_if<Failure>(&answer)) {
    const bool may_not_ask = failure->error.kind() == ErrorKind::kDenied;
    Add(tree.name, may_not_ask ? Outcome::kWarning : Outcome::kFailed,
        StrCat(minted, "; whether it would be allowed is not known: ", failure->error.message()));
    return NextTree();
  }
  right_ = std::get<MintRight>(answer);
  if (right_->allowed) {
    Say(tree.name, true, StrCat(minted, "; it would be allowed"));
  } else {
    Say(tree.name, false,
        StrCat(minted, "; the policy does not allow it, which needs ", right_->wanted,
               ": `leasefs vault-policy` prints what to allow"));
  }
  NextTree();
}

void LoginCheck::OnNames(const lease::Tree& tree, const Answer<lease::Names>& answer) {
  if (const auto* failure = std::get_if<Failure>(&answer)) {
    Say(tree.name, false, failure->error.message());
  } else {
    Say(tree.name, true, StrCat(tree.source, " has ", std::get<lease::Names>(answer).entries.size(), " names"));
  }
  NextTree();
}

void LoginCheck::WarnOfLeases() {
  const bool lent = part_.vault.identities[identity_ - 1].auth.method == AuthOptions::Method::kToken;
  constexpr std::string_view kAdvice = ": `leasefs vault-policy` prints what to allow";
  if (!right_->may_renew) {
    Add("", Outcome::kWarning,
        StrCat("the policy does not allow update on sys/leases/renew: leases are replaced instead of renewed",
               kAdvice));
  }
  if (!right_->may_revoke) {
    Add("", Outcome::kWarning,
        StrCat("the policy does not allow update on sys/leases/revoke: leases that idle or lease_scope lets go of run "
               "out, and on_stop and `leasefs stop --revoke` ",
               lent ? "revoke nothing" : "end them with the token only", kAdvice));
  }
}

void LoginCheck::EndIdentity() {
  if (right_) WarnOfLeases();
  const IdentityOptions& identity = part_.vault.identities[identity_ - 1];
  if (identity.auth.method == AuthOptions::Method::kToken) return NextIdentity();  // the operator's own
  source_->RevokeToken(identity.name, token_.value, [this](const Answer<Done>& answer) {
    const auto* failure = std::get_if<Failure>(&answer);
    // kGone is as good as done: a batch token is answered so, which ends by itself.
    if (failure != nullptr && failure->cause != lease::Cause::kGone) {
      Say("", false, StrCat("the token of this check could not be revoked and runs out: ", failure->error.message()));
    }
    NextIdentity();
  });
}

const char* Word(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kWarning:
      return "warning";
    case Outcome::kFailed:
      return "FAILED";
  }
  return "";
}

void Print(const std::vector<Finding>& findings, bool json) {
  if (!json) {
    for (const Finding& finding : findings) {
      const std::string who = finding.identity.empty() ? finding.backend : finding.backend + ", " + finding.identity;
      std::printf("%-7s %s: %s%s\n", Word(finding.outcome), who.c_str(),
                  finding.tree.empty() ? "" : StrCat("tree ", finding.tree, ": ").c_str(), finding.words.c_str());
    }
    return;
  }
  auto list = nlohmann::json::array();
  for (const Finding& finding : findings) {
    list.push_back({{"backend", finding.backend},
                    {"identity", finding.identity},
                    {"tree", finding.tree},
                    {"ok", finding.outcome != Outcome::kFailed},
                    {"warning", finding.outcome == Outcome::kWarning},
                    {"message", finding.words}});
  }
  std::printf("%s\n", nlohmann::json{{"findings", list}}.dump().c_str());
}

Result<std::vector<VaultPart>> PartsOf(const Config& config, const std::string& name) {
  std::vector<VaultPart> parts;
  for (const BackendOptions& backend : config.backends) {
    if (backend.type != BackendType::kVault || (!name.empty() && backend.name != name)) continue;
    parts.push_back(VaultPartOf(config, backend));
  }
  if (!parts.empty()) return parts;
  return Error(ErrorKind::kNotFound,
               name.empty() ? "the configuration has no backend of type \"vault\""
                            : StrCat("the configuration has no backend ", Printable(name, 60), " of type \"vault\""));
}

Status Run(const Arguments& arguments, std::vector<Finding>& findings) {
  if (!InstallOpenSslWipingAllocator()) return Error(ErrorKind::kInternal, "OpenSSL was in use too early");
  LEASEFS_ASSIGN_OR_RETURN(config, LoadConfig(arguments.config, SystemAccounts()));
  LEASEFS_ASSIGN_OR_RETURN(parts, PartsOf(config, arguments.name));
  auto user = SystemAccounts().User(config.backend_user);
  if (!user) return Error(ErrorKind::kInvalid, StrCat("there is no user ", config.backend_user, " (backend_user)"));
  LEASEFS_ASSIGN_OR_RETURN(loop, FdLoop::Create());
  FilesInMemory files(*loop);
  for (const VaultPart& part : parts) {
    for (const KeySource& source : VaultFiles(part.vault)) {
      if (part.vault.state_key != source) files.Add(source);
    }
  }
  LEASEFS_RETURN_IF_ERROR(Confine(user->uid, user->primary_group, Network::kHost));
  LEASEFS_RETURN_IF_ERROR(http::SetUpCurl());
  std::deque<LoginCheck> checks;
  size_t next = 0;
  std::function<void()> start_next = [&] { next == checks.size() ? loop->Stop() : checks[next++].Start(); };
  for (const VaultPart& part : parts) checks.emplace_back(*loop, files, part, findings, start_next);
  start_next();
  loop->Run();
  return Ok();
}

}  // namespace

int CheckLogin(const Arguments& arguments) {
  std::vector<Finding> findings;
  Status run = Run(arguments, findings);
  if (!run.ok()) {
    std::fprintf(stderr, "%s\n", run.error().message().c_str());
    return run.error().kind() == ErrorKind::kInvalid ? kExitConfiguration : kExitFailure;
  }
  Print(findings, arguments.json);
  for (const Finding& finding : findings) {
    if (finding.outcome == Outcome::kFailed) return kExitFailure;
  }
  return kExitOk;
}

}  // namespace leasefs
