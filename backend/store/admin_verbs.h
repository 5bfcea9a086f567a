// The verbs of a store's socket as a table: what each is called, what it needs, and what it does to an open store.
#pragma once

#include <functional>
#include <string_view>

#include "backend/store/admin_wire.h"
#include "backend/store/store_backend.h"
#include "fs/base/peer_server.h"

namespace leasefs::store_admin {

enum class Right : uint8_t {
  kObserve,  // root and the group: look at names and numbers
  kOperate,  // root and the group: change what is shown
  kReveal,   // root only: values leave by the socket, or keys change
};

struct VerbSpec {
  Verb verb;
  std::string_view name;  // in the audit, at most protocol::kMaxVerbBytes
  Right right;
  bool recorded;     // by the audit, before it is done
  bool needs_store;  // an open one
  bool changes;      // what fs shows: the reply waits for it
  // What is wrong with the request as such; nothing was done yet.
  Status (*check)(const AdminRequest& request);
  // Does it. Null for kBackup and kFinishRekey, which take many turns of the loop.
  Result<AdminReply> (*act)(StoreBackend& backend, AdminRequest& request, uint32_t author);
};

const VerbSpec& SpecOf(Verb verb);

// What the audit says it was about: the path, or what all paths of an import have in common.
std::string PathForAudit(const AdminRequest& request);

}  // namespace leasefs::store_admin
