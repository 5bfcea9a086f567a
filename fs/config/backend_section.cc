#include <algorithm>

#include "fs/base/strings.h"
#include "fs/config/bounds.h"
#include "fs/config/sections.h"

namespace leasefs {
namespace {

std::optional<Fault> TypeFault(std::string_view type) {
  if (type == "store" || type == "vault") return std::nullopt;
  return Fault{StrCat("is the unknown type \"", Printable(type, 64), "\""), "known are \"store\" and \"vault\""};
}

std::optional<Fault> CredentialFault(std::string_view name) {
  bool file_name = !name.empty() && name.size() <= bounds::kCredentialNameBytes && name != "." && name != ".." &&
                   std::none_of(name.begin(), name.end(), [](char c) {
                     auto byte = static_cast<unsigned char>(c);
                     return byte <= 0x20 || byte >= 0x7f || c == '/';
                   });
  if (file_name) return std::nullopt;
  return Fault{"is no credential name", "give the name that LoadCredential= has, such as \"store-key\""};
}

bool IsBackendName(std::string_view name) {
  return !name.empty() && name.size() <= bounds::kBackendNameBytes && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// A backend may be spread over files as any table: the same one for the same name.
BackendOptions* FindOrAdd(const std::string& name, const SourceLocation& where, Draft& draft) {
  for (BackendOptions& backend : draft.config.backends) {
    if (backend.name == name) return &backend;
  }
  if (draft.config.backends.size() >= bounds::kBackends) {
    draft.problems.Add(where, "too many backends", StrCat("there may be ", bounds::kBackends));
    return nullptr;
  }
  draft.config.backends.push_back({name, {}, where});
  return &draft.config.backends.back();
}

void ReadBackend(TableReader table, const std::string& name, BackendOptions& backend) {
  std::string type;
  bool known_type = table.ReadString("type", type, TypeFault).has_value();
  if (type == "vault") {
    backend.type = BackendType::kVault;
    ReadVault(table, backend.vault);
    return table.Finish();
  }
  StoreOptions& store = backend.store;
  if (!known_type && table.Has("type")) {  // what the other keys mean depends on the type
    table.draft().unread_backends.insert(name);
    return;
  }
  table.ReadString("path", store.path, AbsolutePathFault);
  ReadKeySource(table, "key", true, store.key);
  table.ReadInteger("keep_versions", bounds::kKeepVersionsMin, bounds::kKeepVersionsMax, store.keep_versions);
  table.Finish();
}

}  // namespace

bool ReadKeySource(TableReader& table, const std::string& key, bool passphrase_allowed, KeySource& out) {
  const std::string forms = StrCat("write { file = \"/path\" }", passphrase_allowed ? ", " : " or ",
                                   "{ credential = \"name\" }", passphrase_allowed ? " or { passphrase = true }" : "");
  const TomlEntry* entry = table.Take(key);
  if (entry == nullptr || !table.IsType(entry->value, TomlValue::Type::kTable, key, forms)) return false;
  TableReader source(entry->value, table.file(), table.FullName(key), TableReader::Kind::kElement, table.draft());
  std::string file, credential;
  bool passphrase = false;
  bool read_file = source.ReadString("file", file, AbsolutePathFault).has_value();
  bool read_credential = source.ReadString("credential", credential, CredentialFault).has_value();
  auto passphrase_place = passphrase_allowed ? source.ReadBool("passphrase", passphrase) : std::nullopt;
  source.Finish();
  if (passphrase_place && !passphrase) source.Complain(*passphrase_place, "passphrase", "can only be true", forms);
  int given =
      int{source.Has("file")} + int{source.Has("credential")} + int{passphrase_allowed && source.Has("passphrase")};
  if (given != 1) {
    table.Complain(source.place(), key, given == 0 ? "names no key" : "names more than one key", forms);
    return false;
  }
  if (read_file) out = {KeySource::Kind::kFile, file};
  if (read_credential) out = {KeySource::Kind::kCredential, credential};
  if (passphrase) out = {KeySource::Kind::kPassphrase, ""};
  return read_file || read_credential || passphrase;
}

void ReadBackends(TableReader& document) {
  auto backends = document.ReadTable("backend");
  if (!backends) return;
  for (const TomlEntry& entry : backends->table().entries) {
    if (!IsBackendName(entry.key)) {
      document.draft().problems.Add(document.Place(entry.where),
                                    StrCat("backend name \"", Printable(entry.key, 64), "\" is not allowed"),
                                    StrCat("use 1 to ", bounds::kBackendNameBytes, " of the characters a-z 0-9 _ -"));
      continue;
    }
    auto table = backends->ReadTable(entry.key);
    if (!table) continue;
    BackendOptions* backend = FindOrAdd(entry.key, table->place(), document.draft());
    if (backend != nullptr) ReadBackend(*table, entry.key, *backend);
  }
}

}  // namespace leasefs
