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

SecretGate::SecretGate(const Parts& parts)
    : loop_(parts.loop),
      groups_(parts.groups),
      notifier_(parts.notifier),
      audit_(parts.audit),
      state_(parts.state),
      nodes_(parts.state),
      versions_(parts.state, nodes_, parts.loop.random(), parts.state_key),
      held_(nodes_, versions_, cache_, notifier_),
      handles_(parts.state, versions_),
      marks_(parts.state),
      trees_(nodes_),
      policy_(std::make_shared<const Policy>(std::vector<AllowRule>(), 0)),
      alive_(std::make_shared<bool>(true)) {
  versions_.FinishRecovery();
  (void)versions_.TakeFreed();
  for (uint32_t node = 0; node < nodes_.count(); ++node) {
    if (nodes_.IsDirectory(node) && SecretVersionLocked(node) != 0) held_.NoteOpened(node, loop_.Now());
  }
}

SecretGate::~SecretGate() {
  loop_.Cancel(deadline_timer_);
  loop_.Cancel(sweep_timer_);
}

Result<std::unique_ptr<SecretGate>> SecretGate::Create(const Parts& parts, const Config& config, uint64_t generation) {
  std::unique_ptr<SecretGate> gate(new SecretGate(parts));
  LEASEFS_RETURN_IF_ERROR(gate->Configure(config, generation));
  gate->Sweep();
  return gate;
}

Status SecretGate::Configure(const Config& config, uint64_t generation) {
  MutexLock lock(mutex_);
  std::vector<TreeOptions> trees_before;
  for (const Tree& tree : trees_.trees()) trees_before.push_back(tree.options);
  std::shared_ptr<const Policy> policy_before = policy_;

  LEASEFS_ASSIGN_OR_RETURN(change, trees_.Configure(config.trees));
  for (uint32_t node : change.gone) held_.Remove(node);
  for (uint32_t root : change.changed) {  // it shows another place now: nothing that was known holds
    held_.Remove(root);
    nodes_[root].present = 1;
  }
  held_.ForgetFreed();
  failures_.clear();
  listing_failures_.clear();
  bool other_value_limit = !trees_before.empty() && limits_.value_bytes != config.limits.value_bytes;
  limits_ = config.limits;
  if (other_value_limit) held_.ApplyValueLimit(limits_.value_bytes);
  audit_required_ = config.audit.required;
  policy_ = std::make_shared<const Policy>(config.rules, generation);
  rule_sets_.assign(nodes_.count(), 0);
  if (!trees_before.empty()) InvalidateChangedOwnershipLocked(*policy_before, trees_before);

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
    if (record == nullptr) return Error(ErrorKind::kInvalid, StrCat("at most ", kMaxBackends, " backends"));
    record->name_hash = NameHash(backend.name);
    links.push_back(std::make_unique<Link>(backend.name, static_cast<BackendSink&>(*this), *record));
    links.back()->since = loop_.Now();
  }
  links_ = std::move(links);
  RequestPumpLocked();
  return Ok();
}

// Attributes that the kernel keeps for an hour follow the rules (S5): where those of a file changed, it is told.
void SecretGate::InvalidateChangedOwnershipLocked(const Policy& before, const std::vector<TreeOptions>& trees_before) {
  auto tree_before = [&](const std::string& path) -> const TreeOptions* {
    for (const TreeOptions& tree : trees_before) {
      if (tree.path == path) return &tree;
    }
    return nullptr;
  };
  for (uint32_t node = 0; node < nodes_.count(); ++node) {
    const Tree* tree = trees_.Of(node);
    if (tree == nullptr || nodes_.IsDirectory(node) || nodes_[node].present == 0 || nodes_[node].version == 0) continue;
    const TreeOptions* old_tree = tree_before(tree->options.path);
    if (old_tree == nullptr) continue;
    Ownership old = before.OwnershipFor(before.RulesFor(nodes_.Path(node)));
    Ownership now = OwnershipLocked(node);
    bool same = old_tree->owner.value_or(old.uid) == now.uid && old_tree->group.value_or(old.gid) == now.gid &&
                old_tree->mode.value_or(old.mode) == now.mode && old_tree->hidden == tree->options.hidden;
    if (!same) notifier_.InvalidateInode({node, nodes_[node].version});
  }
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
