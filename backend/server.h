// BackendServer: the backend's side of the protocol with fs, over any Backend.
//
// Single flight: however many frames ask for a secret, the backend is asked once. It remembers which directories were
// listed and which secrets are wanted, and pushes what changes; wanted secrets of a backend that pushes nothing are
// read again at their ttl. One connection at a time; a new one replaces the old (fs was restarted). A peer that
// violates the protocol is disconnected. Holds no values. Used on the loop's thread only. The loop and the backend
// outlive it.
//
//   server.cc           the connection, acts to be recorded, what fs has applied
//   server_answers.cc   List, Want and Refresh: single flight, freshness, failures
//   server_changes.cc   what the backend says by itself, and what fs missed while it was away
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "fs/base/limits.h"
#include "fs/base/loop.h"
#include "fs/base/stream.h"

namespace leasefs {

struct ServerOptions {
  Duration ttl = std::chrono::seconds(60);        // S17, for backends that push nothing; ±10 %
  Duration max_stale = std::chrono::minutes(15);
  uint64_t value_bytes = kMaxValueBytes;          // limits.value; larger values are marked too_large
};

class BackendServer {
 public:
  BackendServer(Loop& loop, Backend& backend, ServerOptions options);
  ~BackendServer();
  BackendServer(const BackendServer&) = delete;
  BackendServer& operator=(const BackendServer&) = delete;

  void Connect(std::unique_ptr<Stream> stream);
  void SetOptions(ServerOptions options);
  bool connected() const;  // and fs has said Hello

  // Calls `done` once fs has applied everything that was pushed before this call, or after `timeout` (false); at once
  // when nothing is outstanding, or with false when fs is not connected. If fs is replaced meanwhile, its successor's
  // word counts.
  void WhenApplied(Duration timeout, std::function<void(bool)> done);
  // Has the audit record an act on the store, before it is answered. False: not recorded, so the act must be refused.
  // The id is given here. While fs is being replaced the act waits for its successor; it may then be recorded twice,
  // never not at all.
  void RecordAct(protocol::Record act, Duration timeout, std::function<void(bool)> done);
  // fs said Stop.
  void OnStop(std::function<void(bool revoke)> callback);

  struct Figures {
    uint64_t reads = 0;   // asked of the backend
    uint64_t wants = 0;   // asked by fs
    uint64_t held = 0;    // secrets that fs holds (wanted, answered with a version, and not idle)
  };
  Figures figures() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace leasefs
