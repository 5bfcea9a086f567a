// Backend: a place secrets come from. One small interface; single flight, freshness, the negative cache and the
// protocol with fs are written once, above it (backend/server.h). A new backend writes only its own protocol.
//
// Used on the loop's thread only. Every callback comes exactly once, from the loop or before the call returns.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "backend/protocol.h"
#include "fs/base/result.h"
#include "fs/base/time.h"

namespace leasefs {

struct SecretVersion {
  uint64_t version = 0;                   // rises with every change of the secret; never 0
  std::vector<protocol::Field> fields;
  BootTime lease_end = kNever;
};

class Backend {
 public:
  using ListReply = std::function<void(Result<std::vector<protocol::Entry>>)>;
  using ReadReply = std::function<void(Result<SecretVersion>)>;

  // What the backend says by itself. Set once, before use. A backend that pushes changes calls on_changed and on_entry
  // in the same turn of the loop in which Generation() rises.
  struct Events {
    std::function<void(const std::string& secret)> on_changed;       // a new version, or gone
    std::function<void(const std::string& directory, const protocol::Entry& entry, bool present)> on_entry;
    std::function<void(protocol::HealthState, const std::string& message)> on_health;
    std::function<void()> on_everything_changed;                     // unlocked, restored: nothing told before holds
  };

  virtual ~Backend() = default;
  virtual void SetEvents(Events events) = 0;  // may call on_health

  // Names below a directory ("" is the root): subfolders, and the keys of the secret at this path. kNotFound: neither.
  virtual void List(const std::string& directory, ListReply done) = 0;
  virtual void Read(const std::string& secret, ReadReply done) = 0;

  // True: every change is told by on_changed, so that a version that was read stays fresh without asking again.
  virtual bool PushesChanges() const = 0;
  // Counts changes; survives a restart of the process. 0 when the backend cannot know.
  virtual uint64_t Generation() const = 0;
  // Secrets that changed after `generation`. kNotFound: too long ago to know.
  virtual Result<std::vector<std::string>> ChangedSince(uint64_t generation) const = 0;
};

}  // namespace leasefs
