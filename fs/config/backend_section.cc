#include <algorithm>

#include "fs/base/strings.h"
#include "fs/config/bounds.h"
#include "fs/config/sections.h"

namespace leasefs {
namespace {

std::optional<Fault> TypeFault(std::string_view type) {
  if (type == "store") return std::nullopt;
  return Fault{StrCat("is the unknown type \"", Printable(type, 64), "\""), "the known type is \"store\""};
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

// key = { file = … } | { credential = … } | { passphrase = true }
void ReadKey(TableReader& backend, KeySource& key) {
  constexpr std::string_view kForms =
      "write { file = \"/path\" }, { credential = \"name\" } or { passphrase = true }";
  const TomlEntry* entry = backend.Take("key");
  if (entry == nullptr || !backend.IsType(entry->value, TomlValue::Type::kTable, "key", kForms)) return;
  TableReader table(entry->value, backend.file(), backend.FullName("key"), TableReader::Kind::kElement,
                    backend.draft());
  std::string file, credential;
  bool passphrase = false;
  bool read_file = table.ReadString("file", file, AbsolutePathFault).has_value();
  bool read_credential = table.ReadString("credential", credential, CredentialFault).has_value();
  auto passphrase_place = table.ReadBool("passphrase", passphrase);
  table.Finish();
  if (passphrase_place && !passphrase) {
    table.Complain(*passphrase_place, "passphrase", "can only be true", kForms);
  }
  int given = int{table.Has("file")} + int{table.Has("credential")} + int{table.Has("passphrase")};
  if (given != 1) {
    backend.Complain(table.place(), "key", given == 0 ? "names no key" : "names more than one key", kForms);
    return;
  }
  if (read_file) key = {KeySource::Kind::kFile, file};
  if (read_credential) key = {KeySource::Kind::kCredential, credential};
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

void ReadBackend(TableReader table, const std::string& name, StoreOptions& store) {
  std::string type;
  bool known_type = table.ReadString("type", type, TypeFault).has_value();
  if (!known_type && table.Has("type")) {  // what the other keys mean depends on the type
    table.draft().unread_backends.insert(name);
    return;
  }
  table.ReadString("path", store.path, AbsolutePathFault);
  ReadKey(table, store.key);
  table.ReadInteger("keep_versions", bounds::kKeepVersionsMin, bounds::kKeepVersionsMax, store.keep_versions);
  table.Finish();
}

}  // namespace

void ReadBackends(TableReader& document) {
  auto backends = document.ReadTable("backend");
  if (!backends) return;
  for (const TomlEntry& entry : backends->table().entries) {
    if (!IsBackendName(entry.key)) {
      document.draft().problems.Add(
          document.Place(entry.where), StrCat("backend name \"", Printable(entry.key, 64), "\" is not allowed"),
          StrCat("use 1 to ", bounds::kBackendNameBytes, " of the characters a-z 0-9 _ -"));
      continue;
    }
    auto table = backends->ReadTable(entry.key);
    if (!table) continue;
    BackendOptions* backend = FindOrAdd(entry.key, table->place(), document.draft());
    if (backend != nullptr) ReadBackend(*table, entry.key, backend->store);
  }
}

}  // namespace leasefs
