// fs part:    "LFC" version, then the members of Config in their order; strings and lists have their 32-bit length
//             first.
// store part: "LFS" version, then the members of StorePart.
#include "fs/config/config_codec.h"

#include <algorithm>

#include "fs/config/bounds.h"
#include "fs/config/member_codec.h"
#include "fs/config/paths.h"
#include "fs/template/template.h"

namespace leasefs {

using member_codec::Read;
using member_codec::Write;

namespace {

constexpr uint32_t kFsMagic = 0x0143464c;     // "LFC" 1
constexpr uint32_t kStoreMagic = 0x0153464c;  // "LFS" 1
constexpr size_t kMaxWarnings = 1000;
constexpr size_t kMaxWarningBytes = 4096;

constexpr uint32_t kAnyNumber = UINT32_MAX;

template <class Codec>
void Members(Codec& codec, SourceLocation& where) {
  codec.Text(where.file, bounds::kFilePathBytes);
  codec.Number(where.line, 0u, kAnyNumber);
  codec.Number(where.column, 0u, kAnyNumber);
}

template <class Codec>
void Members(Codec& codec, LimitOptions& limits) {
  codec.Time(limits.deadline, bounds::kDeadlineMin, bounds::kDeadlineMax);
  codec.Number(limits.waiting_secrets_per_uid, bounds::kWaitingMin, bounds::kWaitingMax);
  codec.Number(limits.value_bytes, bounds::kValueMin, uint64_t{kHardMaxValueBytes});
  codec.Number(limits.memory_bytes, bounds::kMemoryMin, bounds::kMemoryMax);
  codec.Number(limits.names, bounds::kNamesMin, bounds::kNamesMax);
  codec.Number(limits.scoped_leases_per_uid, bounds::kScopedLeasesMin, bounds::kScopedLeasesMax);
}

template <class Codec>
void Members(Codec& codec, AuditOptions& audit) {
  codec.Flag(audit.required);
  codec.Text(audit.file, bounds::kFilePathBytes);
  codec.Flag(audit.syslog);
  codec.Text(audit.syslog_socket, bounds::kSocketPathBytes);
}

template <class Codec>
void Members(Codec& codec, BackendOptions& backend) {
  codec.Text(backend.name, bounds::kBackendNameBytes);
  codec.Require(!backend.name.empty());
  codec.Choice(backend.type, BackendType::kVault);
  Members(codec, backend.where);
}

// A number that may be absent.
template <class Codec>
void Optional(Codec& codec, std::optional<uint32_t>& value, uint32_t max) {
  bool given = value.has_value();
  uint32_t number = value.value_or(0);
  codec.Flag(given);
  if (given) codec.Number(number, 0u, max);
  value = given ? std::optional(number) : std::nullopt;
}

template <class Codec>
void Shown(Codec& codec, ShownOptions& shown) {
  codec.Flag(shown.hidden);
  codec.Flag(shown.page_cache);
  Optional(codec, shown.owner, kAnyNumber - 1);
  Optional(codec, shown.group, kAnyNumber - 1);
  Optional(codec, shown.mode, 0444);
  codec.Require((shown.mode.value_or(0400) & ~mode_t{0044}) == 0400);
  codec.Choice(shown.errors, ErrnoStyle::kPosix);
}

template <class Codec>
void Members(Codec& codec, FileOptions& file) {
  codec.Text(file.path, bounds::kMountPathBytes);
  codec.Require(!TreePathFault(file.path));
  codec.Text(file.text, kMaxTemplateBytes);
  Template parsed;
  codec.Require(!Template::Parse(file.text, parsed));
  codec.Text(file.text_file, bounds::kFilePathBytes);
  codec.List(file.secrets, bounds::kSecretsPerFile, [](Codec& each, FileSecret& secret) {
    each.Text(secret.alias, kMaxTemplateNameBytes);
    each.Text(secret.path, bounds::kMountPathBytes);
    each.Require(IsTemplateName(secret.alias) && !TreePathFault(secret.path));
  });
  Shown(codec, file);
  Members(codec, file.where);
}

template <class Codec>
void Members(Codec& codec, TreeOptions& tree) {
  codec.Text(tree.path, bounds::kMountPathBytes);
  codec.Text(tree.backend, bounds::kBackendNameBytes);
  codec.Text(tree.source, kMaxPathBytes);
  codec.Require(!TreePathFault(tree.path) && !BackendPathFault(tree.source));
  codec.Time(tree.ttl, bounds::kTtlMin, bounds::kTtlMax);
  codec.Time(tree.max_stale, bounds::kMaxStaleMin, bounds::kMaxStaleMax);
  codec.Time(tree.keep, bounds::kKeepMin, bounds::kKeepMax);
  codec.Time(tree.idle, std::chrono::milliseconds(0), bounds::kKeepMax);
  codec.Choice(tree.lease_scope, LeaseScope::kOpen);
  Shown(codec, tree);
  codec.Flag(tree.forms.keys);
  codec.Flag(tree.forms.json);
  codec.Flag(tree.forms.env);
  codec.Flag(tree.by_name);
  Members(codec, tree.where);
}

template <class Codec>
void Members(Codec& codec, AllowRule& rule) {
  codec.Text(rule.path, bounds::kMountPathBytes);
  codec.Require(!PatternFault(rule.path));
  codec.List(rule.users, bounds::kAccountsPerRule, [](Codec& each, RuleUser& user) {
    each.Number(user.uid, 0u, kAnyNumber - 1);
    each.Number(user.primary_group, 0u, kAnyNumber);
    each.Text(user.name, bounds::kAccountNameBytes);
  });
  codec.List(rule.groups, bounds::kAccountsPerRule, [](Codec& each, RuleGroup& group) {
    each.Number(group.gid, 0u, kAnyNumber - 1);
    each.Text(group.name, bounds::kAccountNameBytes);
  });
  // SECURITY: a rule without a selector would match everybody.
  codec.Require(!rule.users.empty() || !rule.groups.empty());
  Members(codec, rule.where);
}

template <class Codec>
void Members(Codec& codec, Config& config) {
  uint32_t magic = kFsMagic;
  codec.Number(magic, kFsMagic, kFsMagic);
  codec.Text(config.mount, bounds::kFilePathBytes);
  codec.Text(config.run_directory, bounds::kRunDirectoryBytes);
  codec.Require(!AbsolutePathFault(config.mount) && !AbsolutePathFault(config.run_directory));
  codec.Text(config.user, bounds::kAccountNameBytes);
  codec.Text(config.backend_user, bounds::kAccountNameBytes);
  codec.Text(config.group, bounds::kAccountNameBytes);
  Members(codec, config.limits);
  Members(codec, config.audit);
  codec.Flag(config.memory.require_lock);
  auto members = [](Codec& each, auto& value) { Members(each, value); };
  codec.List(config.backends, bounds::kBackends, members);
  codec.List(config.trees, bounds::kTrees, members);
  codec.List(config.files, bounds::kFileSections, members);
  codec.List(config.rules, bounds::kRules, members);
  codec.List(config.warnings, kMaxWarnings, [](Codec& each, std::string& text) { each.Text(text, kMaxWarningBytes); });
}

template <class Codec>
void Members(Codec& codec, StorePart& part) {
  uint32_t magic = kStoreMagic;
  codec.Number(magic, kStoreMagic, kStoreMagic);
  codec.Text(part.name, bounds::kBackendNameBytes);
  codec.Text(part.path, bounds::kFilePathBytes);
  codec.Require(!part.name.empty() && !AbsolutePathFault(part.path));
  codec.Number(part.keep_versions, bounds::kKeepVersionsMin, bounds::kKeepVersionsMax);
  codec.Number(part.value_bytes, bounds::kValueMin, uint64_t{kHardMaxValueBytes});
  codec.Choice(part.key, KeySource::Kind::kPassphrase);
  codec.Flag(part.audit_required);
}

bool KnowsItsBackends(const Config& config) {
  return std::all_of(config.trees.begin(), config.trees.end(), [&](const TreeOptions& tree) {
    return std::any_of(config.backends.begin(), config.backends.end(),
                       [&](const BackendOptions& backend) { return backend.name == tree.backend; });
  });
}

}  // namespace

SecretBuffer EncodeForFs(const Config& config) {
  Write write;
  Config copy = config;  // visited by references that are not const, since reading shares them
  Members(write, copy);
  return std::move(write).Take();
}

Result<Config> DecodeForFs(std::span<const std::byte> bytes) {
  Read read(bytes);
  Config config;
  Members(read, config);
  if (!read.AtEnd() || !KnowsItsBackends(config)) return member_codec::NotOurs();
  return config;
}

SecretBuffer EncodeForStore(const BackendOptions& backend, const LimitOptions& limits, const AuditOptions& audit) {
  Write write;
  StorePart part{backend.name,       backend.store.path,     backend.store.keep_versions,
                 limits.value_bytes, backend.store.key.kind, audit.required};
  Members(write, part);
  return std::move(write).Take();
}

Result<StorePart> DecodeForStore(std::span<const std::byte> bytes) {
  Read read(bytes);
  StorePart part;
  Members(read, part);
  if (!read.AtEnd()) return member_codec::NotOurs();
  return part;
}

}  // namespace leasefs
