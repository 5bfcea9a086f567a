#include "fs/config/config_reader.h"

#include "fs/base/strings.h"
#include "fs/config/checks.h"
#include "fs/config/config_files.h"
#include "fs/config/draft.h"
#include "fs/config/sections.h"
#include "fs/config/toml_document.h"

namespace leasefs {
namespace {

void AddText(const std::string& text, const std::string& file, Draft& draft) {
  auto document = ParseToml(text, file, draft.problems);
  if (document) {
    ReadDocument(*document, file, draft);
  } else {
    draft.complete = false;
  }
}

void CheckVaultFiles(ConfigFiles& files, const Draft& draft, const BackendOptions& backend) {
  const std::string prefix = StrCat("backend.", backend.name, ".");
  const VaultOptions& vault = backend.vault;
  const auto check = [&](const std::string& key, const std::string& path, bool secret) {
    files.CheckGivenFile(path, draft.Where(prefix + key), secret);
  };
  check("ca_file", vault.ca_file, false);
  check("client_certificate", vault.client_certificate, false);
  check("client_key", vault.client_key, true);
  if (vault.state_key && vault.state_key->kind == KeySource::Kind::kFile) {
    check("state_key", vault.state_key->name, true);
  }
  for (const IdentityOptions& identity : vault.identities) {
    const AuthOptions& auth = identity.auth;
    if (!auth.credential || auth.credential->kind != KeySource::Kind::kFile) continue;
    // A service account's token is laid out by the kubelet, with a mode of its own.
    const bool by_kubelet = auth.method == AuthOptions::Method::kKubernetes || auth.method == AuthOptions::Method::kJwt;
    const std::string of = identity.name.empty() ? "" : StrCat("identity.", identity.name, ".");
    check(StrCat(of, "auth"), auth.credential->name, !by_kubelet);
  }
}

void CheckKeyFiles(ConfigFiles& files, Draft& draft) {
  for (const BackendOptions& backend : draft.config.backends) {
    if (backend.type == BackendType::kVault) CheckVaultFiles(files, draft, backend);
    if (backend.type != BackendType::kStore) continue;
    const KeySource& key = backend.store.key;
    if (key.kind != KeySource::Kind::kFile) continue;
    files.CheckKeyFile(key.name, draft.Where("backend." + backend.name + ".key"));
  }
}

void ReadTemplates(ConfigFiles& files, Draft& draft) {
  for (size_t i = 0; i < draft.config.files.size(); ++i) {
    FileOptions& file = draft.config.files[i];
    if (file.text_file.empty()) continue;
    if (auto text = files.ReadTemplate(file.text_file, draft.file_places[i].text)) file.text = std::move(*text);
  }
}

Result<Config> Finish(Draft draft) {
  if (!draft.problems.empty()) return Error(ErrorKind::kInvalid, draft.problems.Errors());
  draft.config.warnings = draft.problems.Warnings();
  return std::move(draft.config);
}

}  // namespace

Result<Config> LoadConfig(const std::string& path, const AccountDatabase& accounts, const ConfigFileRules& rules) {
  Draft draft(accounts);
  draft.main_file = path;
  draft.problems.StartFile(path);
  ConfigFiles files(rules, draft.problems);
  std::vector<std::string> paths = files.DropIns(path);
  draft.complete = draft.problems.empty();
  for (const std::string& file : paths) draft.problems.StartFile(file);
  paths.insert(paths.begin(), path);
  for (const std::string& file : paths) {
    if (auto text = files.Read(file)) {
      AddText(*text, file, draft);
    } else {
      draft.complete = false;
    }
  }
  ReadTemplates(files, draft);
  CheckWhole(draft);
  if (rules.key_files != KeyFileCheck::kNone) CheckKeyFiles(files, draft);
  return Finish(std::move(draft));
}

Result<Config> ParseConfig(const std::string& text, const std::string& file_name, const AccountDatabase& accounts) {
  Draft draft(accounts);
  draft.main_file = file_name;
  draft.problems.StartFile(file_name);
  AddText(text, file_name, draft);
  CheckWhole(draft);
  return Finish(std::move(draft));
}

}  // namespace leasefs
