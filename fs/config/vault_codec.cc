// vault part: "LFV" version, then the members of VaultPart in their order.
#include <algorithm>

#include "fs/config/bounds.h"
#include "fs/config/member_codec.h"
#include "fs/config/paths.h"
#include "fs/config/vault_part.h"

namespace leasefs {

using member_codec::Read;
using member_codec::Write;

namespace {

constexpr uint32_t kMagic = 0x0156464c;  // "LFV" 1

template <class Codec>
void Members(Codec& codec, KeySource& source) {
  codec.Choice(source.kind, KeySource::Kind::kPassphrase);
  codec.Text(source.name, bounds::kFilePathBytes);
}

template <class Codec>
void Members(Codec& codec, std::optional<KeySource>& source) {
  bool given = source.has_value();
  KeySource value = source.value_or(KeySource{});
  codec.Flag(given);
  if (given) Members(codec, value);
  source = given ? std::optional(value) : std::nullopt;
}

template <class Codec>
void Members(Codec& codec, IdentityOptions& identity) {
  codec.Text(identity.name, bounds::kNameBytes);
  AuthOptions& auth = identity.auth;
  codec.Choice(auth.method, AuthOptions::Method::kUserpass);
  codec.Text(auth.mount, kMaxPathBytes);
  codec.Text(auth.role, bounds::kNameBytes);
  codec.Text(auth.username, bounds::kNameBytes);
  Members(codec, auth.credential);
  codec.Text(auth.wrapped, kMaxPathBytes);
}

template <class Codec>
void Members(Codec& codec, VaultOptions& vault) {
  codec.List(vault.addresses, bounds::kAddresses,
             [](Codec& each, std::string& address) { each.Text(address, bounds::kNameBytes); });
  codec.Require(!vault.addresses.empty());
  codec.Text(vault.ca_file, bounds::kFilePathBytes);
  codec.Text(vault.ca_directory, bounds::kFilePathBytes);
  codec.Text(vault.server_name, bounds::kNameBytes);
  codec.Text(vault.client_certificate, bounds::kFilePathBytes);
  codec.Text(vault.client_key, bounds::kFilePathBytes);
  codec.Text(vault.name_space, kMaxPathBytes);
  codec.Flag(vault.http2);
  codec.Number(vault.concurrency, bounds::kConcurrencyMin, bounds::kConcurrencyMax);
  codec.Choice(vault.on_stop, VaultOptions::OnStop::kRevoke);
  Members(codec, vault.state_key);
  codec.Text(vault.state_file, bounds::kFilePathBytes);
  codec.List(vault.identities, bounds::kIdentities + 1,
             [](Codec& each, IdentityOptions& identity) { Members(each, identity); });
  codec.Require(!vault.identities.empty() && vault.identities.front().name.empty());
}

template <class Codec>
void Members(Codec& codec, TreeOptions& tree) {
  codec.Text(tree.path, bounds::kMountPathBytes);
  codec.Text(tree.source, kMaxPathBytes);
  codec.Require(!TreePathFault(tree.path) && !BackendPathFault(tree.source));
  codec.Time(tree.ttl, bounds::kTtlMin, bounds::kTtlMax);
  codec.Time(tree.max_stale, bounds::kMaxStaleMin, bounds::kMaxStaleMax);
  codec.Time(tree.idle, std::chrono::milliseconds(0), bounds::kKeepMax);
  codec.Choice(tree.lease_scope, LeaseScope::kOpen);
  VaultTreeOptions& options = tree.vault;
  codec.Text(options.identity, bounds::kNameBytes);
  codec.Choice(options.engine, VaultEngine::kDynamic);
  codec.Number(options.version, 0u, UINT32_MAX);
  codec.Text(options.method, bounds::kNameBytes);
  codec.List(options.params, bounds::kParams, [](Codec& each, std::pair<std::string, std::string>& param) {
    each.Text(param.first, bounds::kNameBytes);
    each.Text(param.second, bounds::kParamBytes);
  });
  codec.List(options.keys, bounds::kTreeKeys,
             [](Codec& each, std::string& key) { each.Text(key, bounds::kNameBytes); });
  codec.Time(options.min_ttl, bounds::kMinTtlMin, bounds::kMinTtlMax);
  codec.Time(options.mint_interval, bounds::kMintIntervalMin, bounds::kMintIntervalMax);
}

template <class Codec>
void Members(Codec& codec, VaultPart& part) {
  uint32_t magic = kMagic;
  codec.Number(magic, kMagic, kMagic);
  codec.Text(part.name, bounds::kBackendNameBytes);
  Members(codec, part.vault);
  codec.List(part.trees, bounds::kTrees, [](Codec& each, TreeOptions& tree) { Members(each, tree); });
  codec.Number(part.value_bytes, bounds::kValueMin, uint64_t{kHardMaxValueBytes});
  codec.Time(part.deadline, bounds::kDeadlineMin, bounds::kDeadlineMax);
}

}  // namespace

VaultPart VaultPartOf(const Config& config, const BackendOptions& backend) {
  VaultPart part{backend.name, backend.vault, {}, config.limits.value_bytes, config.limits.deadline};
  std::copy_if(config.trees.begin(), config.trees.end(), std::back_inserter(part.trees),
               [&](const TreeOptions& tree) { return tree.backend == backend.name; });
  return part;
}

SecretBuffer EncodeForVault(const Config& config, const BackendOptions& backend) {
  VaultPart part = VaultPartOf(config, backend);
  Write write;
  Members(write, part);
  return std::move(write).Take();
}

Result<VaultPart> DecodeForVault(std::span<const std::byte> bytes) {
  Read read(bytes);
  VaultPart part;
  Members(read, part);
  if (!read.AtEnd()) return member_codec::NotOurs();
  for (TreeOptions& tree : part.trees) tree.by_name = true;
  return part;
}

std::vector<KeySource> VaultFiles(const VaultOptions& vault) {
  std::vector<KeySource> files;
  auto add = [&](const KeySource& source) {
    if (std::find(files.begin(), files.end(), source) == files.end()) files.push_back(source);
  };
  for (const std::string& path : {vault.ca_file, vault.client_certificate, vault.client_key}) {
    if (!path.empty()) add({KeySource::Kind::kFile, path});
  }
  if (vault.state_key) add(*vault.state_key);
  for (const IdentityOptions& identity : vault.identities) {
    if (identity.auth.credential) add(*identity.auth.credential);
  }
  return files;
}

}  // namespace leasefs
