#include "backend/vault/names.h"

#include <set>

namespace leasefs::vault {

std::vector<protocol::Entry> FoldersOf(const Members& data) {
  std::set<std::string> names;
  for (const SecretBuffer& listed : data.Strings("keys").value_or(std::vector<SecretBuffer>())) {
    std::string name(listed.ExposeText());
    if (name.ends_with('/')) name.pop_back();
    const bool one = name.find('/') == std::string::npos;
    if (one && !name.empty() && protocol::IsValidPath(name)) names.insert(std::move(name));
  }
  std::vector<protocol::Entry> entries;
  for (const std::string& name : names) entries.push_back({.kind = protocol::EntryKind::kFolder, .name = name});
  return entries;
}

std::vector<protocol::Entry> KeysOf(const std::vector<std::string>& names) {
  std::vector<protocol::Entry> entries;
  for (const std::string& name : names) {
    if (protocol::IsValidKey(name)) entries.push_back({.kind = protocol::EntryKind::kKey, .name = name});
  }
  return entries;
}

}  // namespace leasefs::vault
