// AdminServer: serves a store's own socket, so that values which are put never pass through fs.
//
// SECURITY: who may connect is PeerServer's business; what each verb needs beyond that is in one table
// (admin_verbs.cc). An act that changes the store or reveals a value is recorded by the audit before it is done, and
// refused when that is not possible. Used on the loop's thread only. The loop, the backend and the server to fs outlive
// it.
#pragma once

#include <sys/types.h>

#include <memory>

#include "backend/server.h"
#include "backend/store/store_backend.h"
#include "fs/base/loop.h"
#include "fs/base/peer_server.h"
#include "fs/base/result.h"
#include "fs/base/unique_fd.h"

namespace leasefs {

struct AdminOptions {
  gid_t group = 0;                                   // whose members may observe and operate, beside root
  bool audit_required = true;                        // false: acts pass while fs is not there to record them
  Duration peer_timeout = std::chrono::seconds(30);  // for a whole request to come, and for a waiting reply to move
};

class AdminServer {
 public:
  // `listener` is a listening AF_UNIX stream socket.
  static Result<std::unique_ptr<AdminServer>> Create(FdLoop& loop, UniqueFd listener, StoreBackend& backend,
                                                     BackendServer& fs, AdminOptions options);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  void SetAuditRequired(bool required);
  PeerServer::Figures figures() const;

 private:
  struct Impl;
  explicit AdminServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace leasefs
