// Backend: a place secrets come from. One small interface; single flight, freshness, the negative cache and the
// protocol with fs are written once, above it (backend/server.h). A new backend writes only its own protocol.
//
// Used on the loop's thread only. Every callback comes exactly once, from the loop or before the call returns.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "backend/protocol.h"
#include "backend/protocol_report.h"
#include "fs/base/result.h"
#include "fs/base/time.h"

namespace leasefs {

struct SecretVersion {
  uint64_t version = 0;  // rises with every change of the secret; never 0
  std::vector<protocol::Field> fields;
  BootTime lease_end = kNever;
  // As the backend itself decides it. None: it follows from the server's ttl and max_stale, or, with a backend that
  // pushes changes, the version is fresh until it says otherwise.
  std::optional<protocol::Freshness> freshness;
  bool minted = false;  // as in Listing
};

struct Listing {
  std::vector<protocol::Entry> entries;
  bool minted = false;            // to read the secret here makes something new: only an open may cause it (S6)
  BootTime fresh_until = kNever;  // then it is to be asked for again; of a backend that pushes changes it stays so
  bool value_at_hand = false;     // a Read in the same turn of the loop asks nobody
};

class Backend {
 public:
  using ListReply = std::function<void(Result<Listing>)>;
  using ReadReply = std::function<void(Result<SecretVersion>)>;

  // What the backend says by itself. Set once, before use. A backend that pushes changes calls on_changed and on_entry
  // in the same turn of the loop in which Generation() rises.
  struct Events {
    std::function<void(const std::string& secret)> on_changed;  // a new version, or gone
    std::function<void(const std::string& directory, const protocol::Entry& entry, bool present)> on_entry;
    std::function<void(protocol::HealthState, const std::string& message)> on_health;
    std::function<void()> on_everything_changed;  // unlocked, restored: nothing told before holds
    // A minted secret has this version now, which replaces the one before (make before break, S14).
    std::function<void(const std::string& secret, SecretVersion version)> on_published;
    // The current version may be used for longer, or for less long, than was said.
    std::function<void(const std::string& secret, uint64_t version, protocol::Freshness freshness)> on_extended;
    // What `status` and `stat` should show, as it is now. May be called at every change: fs is told once a second.
    std::function<void(protocol::Report report)> on_report;
  };

  virtual ~Backend() = default;
  virtual void SetEvents(Events events) = 0;  // may call on_health

  // Names below a directory ("" is the root): subfolders, and the keys of the secret at this path. kNotFound: neither.
  // With kOpen a backend may read the value for it, if that takes no longer.
  virtual void List(const std::string& directory, protocol::Purpose purpose, ListReply done) = 0;
  virtual void Read(const std::string& secret, ReadReply done) = 0;
  // fs holds no value of this secret any more: nobody opened it for a while. The next Read means that it is in use.
  virtual void Forget(const std::string& /*secret*/) {}
  // fs is there anew and may have missed what was told: on_published for every minted secret that has a version.
  virtual void TellAgain() {}

  // True: every change is told by on_changed, so that a version that was read stays fresh without asking again.
  virtual bool PushesChanges() const = 0;
  // Counts changes; survives a restart of the process. 0 when the backend cannot know.
  virtual uint64_t Generation() const = 0;
  // Secrets that changed after `generation`. kNotFound: too long ago to know.
  virtual Result<std::vector<std::string>> ChangedSince(uint64_t generation) const = 0;
};

}  // namespace leasefs
