// BackendServer: the backend's side of the protocol with fs, over any Backend.
//
// Single flight: however many frames ask for a secret, the backend is asked once. It remembers which directories were listed and
// which secrets are wanted, and pushes what changes. One connection at a time; a new one replaces the old (fs was restarted).
// Used on the loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "fs/base/loop.h"
#include "fs/base/stream.h"

namespace leasefs {

struct ServerOptions {
  Duration ttl = std::chrono::seconds(60);        // S17, for backends that push nothing; ±10 %
  Duration max_stale = std::chrono::minutes(15);
  uint64_t value_bytes = 0;                       // limits.value; larger values are marked too_large
};

class BackendServer {
 public:
  BackendServer(Loop& loop, Backend& backend, ServerOptions options);
  ~BackendServer();
  BackendServer(const BackendServer&) = delete;
  BackendServer& operator=(const BackendServer&) = delete;

  void Connect(std::unique_ptr<Stream> stream);
  void SetOptions(ServerOptions options);
  bool connected() const;

  // Calls `done` once fs has applied everything that was pushed before this call, or after `timeout` (false).
  void WhenApplied(Duration timeout, std::function<void(bool)> done);
  // Has the audit record an act on the store, before it is answered. False: not recorded, so the act must be refused.
  void RecordAct(protocol::Record act, Duration timeout, std::function<void(bool)> done);
  // fs said Stop.
  void OnStop(std::function<void(bool revoke)> callback);

  struct Figures {
    uint64_t reads = 0;   // asked of the backend
    uint64_t wants = 0;   // asked by fs
    uint64_t held = 0;    // secrets that fs holds
  };
  Figures figures() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace leasefs
