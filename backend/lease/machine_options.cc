#include <algorithm>
#include <map>
#include <utility>

#include "backend/lease/machine_impl.h"
#include "fs/base/strings.h"

namespace leasefs::lease {
namespace {

constexpr std::string_view kSecret = "secret/";
constexpr std::string_view kMint = "mint/";
constexpr std::string_view kToken = "token/";

bool Begins(const std::string& text, std::string_view with) {
  return text.compare(0, with.size(), with) == 0;
}

}  // namespace

Session& LeaseMachine::Impl::SessionOf(const std::string& identity) {
  std::unique_ptr<Session>& session = sessions[identity];
  if (!session) {
    session = std::make_unique<Session>(context, identity, [this] { TokensChanged(); });
    session->Load();
    session->SetRetired(!identities.contains(identity));
  }
  return *session;
}

void LeaseMachine::Impl::TokensChanged() {
  for (auto& [name, secret] : minted) secret->TokensChanged();
}

void LeaseMachine::Impl::SetOptions(MachineOptions options) {
  std::map<std::string, std::string> asked;  // of static places, by their tree
  for (const std::string& name : static_places.Names()) {
    if (std::optional<Where> where = Resolve(name)) asked[name] = QuestionOf(*where->tree);
  }
  on_stop = options.on_stop;
  trees.clear();
  for (Tree& tree : options.trees) trees.push_back(std::make_shared<const Tree>(std::move(tree)));
  known.clear();
  identities = std::move(options.identities);
  identities.try_emplace("");
  for (const auto& [identity, login] : identities) SessionOf(identity).SetLogin(login);
  for (auto& [identity, session] : sessions) {
    bool gone = !identities.contains(identity);
    Duration reserve{};
    for (const auto& tree : trees)
      if (tree->identity == identity) reserve = std::max(reserve, tree->min_ttl);
    session->SetRetired(gone);
    session->SetReserve(reserve);
    session->TryAtOnce();
  }
  if (!std::exchange(loaded, true)) return Load();
  for (auto& [name, secret] : minted) {
    std::optional<Where> where = Resolve(name);
    if (!where || (where->tree->scope != Scope::kShared && !where->instance) || !secret->Answers(*where->tree)) {
      secret->Abandon();  // what is there now is found out at the next Read
    } else {
      secret->SetOrigin({where->tree, where->below, &SessionOf(where->tree->identity)});
    }
  }
  for (const auto& [name, question] : asked) {
    std::optional<Where> where = Resolve(name);
    if (where && QuestionOf(*where->tree) != question && context.events.on_changed) context.events.on_changed(name);
  }
}

void LeaseMachine::Impl::Load() {
  context.source.OnCredentialChanged(lifetime.Guard([this](const std::string& identity) {
    if (Session* session = context.session_of(identity)) session->CredentialChanged();
  }));
  if (Result<SecretBuffer> record = context.records.Get("counters"); record.ok()) {
    if (Result<Counters> counters = DecodeCounters(*record); counters.ok()) context.counters = *counters;
  }
  std::vector<std::string> secrets;
  std::vector<std::string> intents;
  context.records.ForEach([&](const std::string& name) {
    if (Begins(name, kToken)) SessionOf(name.substr(kToken.size()));
    if (Begins(name, kSecret)) secrets.push_back(name.substr(kSecret.size()));
    if (Begins(name, kMint)) intents.push_back(name.substr(kMint.size()));
  });
  for (const std::string& name : secrets) LoadSecret(name);
  for (const std::string& name : intents) LoadIntent(name);
  if (!intents.empty()) context.RecordCounters();
  leftovers.Begin();
}

void LeaseMachine::Impl::LoadSecret(const std::string& name) {
  Result<SecretBuffer> bytes = context.records.Get(std::string(kSecret) + name);
  Result<SecretRecord> record = bytes.ok() ? DecodeSecret(*bytes) : Result<SecretRecord>(bytes.error());
  if (!record.ok()) {
    problems.push_back(
        StrCat("what was recorded of '", Printable(name), "' cannot be used: ", record.error().message()));
    return context.Forget(std::string(kSecret) + name);
  }
  uint64_t& last = context.counters.sequence;  // its own record may be lost
  last = std::max({last, record->settled, record->current ? record->current->lease.sequence : 0});
  for (const Lease& lease : record->past) last = std::max(last, lease.sequence);
  std::optional<Where> where = Resolve(name);
  auto& secret = minted[name];
  if (where) {
    secret = std::make_unique<LeasedSecret>(
        context, name, LeasedSecret::Origin{where->tree, where->below, &SessionOf(where->tree->identity)});
    return secret->Load(std::move(*record));
  }
  // Its tree is not in the settings any more: what is held runs out.
  auto none = std::make_shared<Tree>();
  none->name = name;
  secret = std::make_unique<LeasedSecret>(context, name, LeasedSecret::Origin{none, "", &SessionOf("")});
  secret->Load(std::move(*record));
  secret->Abandon();
}

// A predecessor sent it and did not live to see the answer: at most one more mint follows.
void LeaseMachine::Impl::LoadIntent(const std::string& name) {
  Result<SecretBuffer> bytes = context.records.Get(std::string(kMint) + name);
  Result<MintIntent> intent = bytes.ok() ? DecodeIntent(*bytes) : Result<MintIntent>(bytes.error());
  context.counters.sequence = std::max(context.counters.sequence, intent.ok() ? intent->sequence : 0);
  std::optional<Where> where = Resolve(name);
  bool orphan = intent.ok();
  if (auto held = minted.find(name); held != minted.end()) {
    orphan = orphan && held->second->TakeOrphan(*intent);
  } else if (where && intent.ok()) {
    MintedAt(name, *where).TakeOrphan(*intent);
  }
  if (orphan) ++context.counters.orphans;
  context.RecordCounters();
  context.Forget(std::string(kMint) + name);
}

}  // namespace leasefs::lease
