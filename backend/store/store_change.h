// What a put must look like, and what a secret's values become by it. No I/O.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "backend/protocol.h"
#include "backend/store/store.h"
#include "backend/store/store_rows.h"
#include "fs/base/result.h"

namespace leasefs::store {

using Fields = std::vector<protocol::Field>;

Status CheckPath(const std::string& path);
// Each put by itself, and that no secret is named twice. `value_bytes`: the limit for one value.
Status CheckPuts(const std::vector<Store::Put>& puts, uint64_t value_bytes);

// `base` with the values of `change` put over it, sorted by key.
Fields Merge(Fields base, Fields change);
void SortByKey(Fields& fields);
bool SameFields(const Fields& a, const Fields& b);
// kTooLarge: too many keys, or names and values together over kMaxSecretBytes, so that a version always fits into a
// frame.
Status CheckWhole(const std::string& path, const Fields& fields);

std::string JoinKeys(const Fields& fields);  // as in SecretHead::keys
VersionInfo Describe(uint64_t version, const Fields& fields, uint32_t author, const std::string& note, WallTime now);

}  // namespace leasefs::store
