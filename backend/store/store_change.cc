#include "backend/store/store_change.h"

#include <algorithm>
#include <set>

#include "fs/base/limits.h"
#include "fs/base/strings.h"

namespace leasefs::store {
namespace {

Status CheckFields(const Store::Put& put, uint64_t value_bytes) {
  std::set<std::string_view> keys;
  for (const protocol::Field& field : put.fields) {
    if (!protocol::IsValidKey(field.key)) {
      return Error(ErrorKind::kInvalid, StrCat("\"", Printable(field.key), "\" in ", Printable(put.secret),
                                               " cannot be a key: 1 to ", kMaxKeyBytes, " bytes, none of them NUL"));
    }
    if (!keys.insert(field.key).second) {
      return Error(ErrorKind::kInvalid,
                   StrCat("key ", Printable(field.key), " of ", Printable(put.secret), " is given twice"));
    }
    if (field.too_large || field.value.size() > value_bytes) {
      return Error(ErrorKind::kTooLarge,
                   StrCat("key ", Printable(field.key), " of ", Printable(put.secret), " has ", field.value.size(),
                          " bytes, more than limits.value (", value_bytes, ")"));
    }
  }
  return Ok();
}

}  // namespace

Status CheckPath(const std::string& path) {
  if (!path.empty() && protocol::IsValidPath(path)) return Ok();
  return Error(ErrorKind::kInvalid, StrCat("\"", Printable(path),
                                           "\" cannot be the path of a secret: components joined by /, none "
                                           "of them empty, . or .., at most ",
                                           kMaxPathBytes, " bytes"));
}

Status CheckPuts(const std::vector<Store::Put>& puts, uint64_t value_bytes) {
  std::set<std::string_view> paths;
  for (const Store::Put& put : puts) {
    LEASEFS_RETURN_IF_ERROR(CheckPath(put.secret));
    if (!paths.insert(put.secret).second) {
      return Error(ErrorKind::kInvalid, StrCat(Printable(put.secret), " is named twice in one change"));
    }
    if (put.fields.empty()) return Error(ErrorKind::kInvalid, StrCat(Printable(put.secret), " is put without a key"));
    LEASEFS_RETURN_IF_ERROR(CheckFields(put, value_bytes));
  }
  return Ok();
}

void SortByKey(Fields& fields) {
  std::sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
}

Fields Merge(Fields base, Fields change) {
  SortByKey(change);
  for (protocol::Field& field : base) {
    const auto at = std::lower_bound(change.begin(), change.end(), field.key,
                                     [](const protocol::Field& one, const std::string& key) { return one.key < key; });
    if (at == change.end() || at->key != field.key) change.insert(at, std::move(field));
  }
  return change;
}

bool SameFields(const Fields& a, const Fields& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const protocol::Field& left, const protocol::Field& right) {
                      return left.key == right.key && ConstantTimeEqual(left.value, right.value);
                    });
}

Status CheckWhole(const std::string& path, const Fields& fields) {
  if (fields.size() > kMaxKeysPerSecret) {
    return Error(ErrorKind::kTooLarge, StrCat(Printable(path), " would have ", fields.size(), " keys: at most ",
                                              kMaxKeysPerSecret, " are possible"));
  }
  size_t bytes = 0;
  for (const protocol::Field& field : fields) bytes += field.key.size() + field.value.size();
  if (bytes > kMaxSecretBytes) {
    return Error(ErrorKind::kTooLarge,
                 StrCat(Printable(path), " would have ", bytes, " bytes of names and values: at most ", kMaxSecretBytes,
                        " are possible"));
  }
  return Ok();
}

std::string JoinKeys(const Fields& fields) {
  std::string keys;
  for (const protocol::Field& field : fields) {
    if (!keys.empty()) keys += '\0';
    keys += field.key;
  }
  return keys;
}

VersionInfo Describe(uint64_t version, const Fields& fields, uint32_t author, const std::string& note, WallTime now) {
  VersionInfo info;
  info.version = version;
  info.created = now;
  info.author = author;
  info.note = note;
  for (const protocol::Field& field : fields) info.keys.emplace_back(field.key, field.value.size());
  return info;
}

}  // namespace leasefs::store
