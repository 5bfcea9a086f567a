#include "fs/secrets/secret_gate.h"

#include <algorithm>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

uint64_t NameHash(const std::string& name) {  // never 0
  uint64_t hash = 0xcbf29ce484222325;
  for (char byte : name) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return hash | 1;
}

}  // namespace

Result<std::unique_ptr<SecretGate>> SecretGate::Create(const Parts& parts, const Config& config, uint64_t generation) {
  std::unique_ptr<SecretGate> gate(new SecretGate(parts));
  LEASEFS_RETURN_IF_ERROR(gate->Configure(config, generation));
  gate->Sweep();
  return gate;
}

Status SecretGate::Configure(const Config& config, uint64_t generation) {
  if (config.backends.size() > kMaxBackends) {
    return Error(ErrorKind::kInvalid, StrCat("at most ", kMaxBackends, " backends"));
  }
  MutexLock lock(mutex_);
  GateOwnershipWalk walk;
  for (const Tree& tree : trees_.trees()) walk.trees_before.push_back(tree.options);
  walk.before = policy_;

  EndStrayInstancesLocked(config.trees);
  LEASEFS_ASSIGN_OR_RETURN(change, trees_.Configure(config.trees, config.files));
  for (uint32_t node : change.gone) held_.Remove(node);
  for (uint32_t node : change.emptied) held_.Withdraw(node);
  for (const TreeMap::Change::Root& root : change.changed) {
    held_.Remove(root.node);
    nodes_[root.node].present = 1;
    nodes_[root.node].size = root.source;
  }
  held_.ForgetFreed();
  failures_.clear();
  listing_failures_.clear();
  bool other_value_limit = !walk.trees_before.empty() && limits_.value_bytes != config.limits.value_bytes;
  limits_ = config.limits;
  if (other_value_limit) held_.ApplyValueLimit(limits_.value_bytes);
  PlaceDerivedLocked(change, config.files);
  held_.ForgetFreed();
  audit_required_ = config.audit.required;
  policy_ = std::make_shared<const Policy>(config.rules, generation);
  rule_sets_.assign(nodes_.count(), 0);
  walk.after = policy_;
  walk.trees_after = config.trees;
  if (!walk.trees_before.empty()) {
    walks_.push_back(std::move(walk));
    if (walks_.size() == 1) PostWalk();
  }

  std::vector<std::unique_ptr<Link>> links;
  for (const BackendOptions& backend : config.backends) {
    auto existing = std::find_if(links_.begin(), links_.end(), [&](const auto& link) {
      return link != nullptr && link->link.name() == backend.name;
    });
    if (existing != links_.end()) {
      links.push_back(std::move(*existing));
      continue;
    }
    BackendRecord* record = nullptr;
    for (BackendRecord& candidate : state_.header().backends) {
      if (record == nullptr && (candidate.name_hash == 0 || candidate.name_hash == NameHash(backend.name)))
        record = &candidate;
    }
    if (record == nullptr) std::abort();  // backends do not come and go while the memory lives
    record->name_hash = NameHash(backend.name);
    links.push_back(std::make_unique<Link>(backend.name, static_cast<BackendSink&>(*this), *record));
    links.back()->since = loop_.Now();
  }
  links_ = std::move(links);
  waits_.ForgetAsked([](uint32_t) { return true; });  // an answer on its way may be about what was shown before
  RequestPumpLocked();
  return Ok();
}

Status SecretGate::ConnectBackend(const std::string& name, std::unique_ptr<Stream> stream) {
  Link* link = nullptr;
  uint64_t generation = 0;
  {
    MutexLock lock(mutex_);
    link = FindLinkLocked(name);
    if (link == nullptr) return Error(ErrorKind::kNotFound, StrCat("the configuration has no backend ", name));
    generation = link->record.generation;
    ++link->connections;
    link->since = loop_.Now();
  }
  if (link->link.connected()) OnDisconnected(name, "replaced");
  link->link.Connect(std::move(stream), generation);
  return Ok();
}

void SecretGate::PathOf(uint32_t node, std::string& out) const {
  MutexLock lock(mutex_);
  out = nodes_.Exists(node) ? nodes_.Path(node) : "?";
}

}  // namespace leasefs
