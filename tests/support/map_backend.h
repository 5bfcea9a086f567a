// MapBackend: a Backend in memory that pushes its changes, as the store does, with outages on demand. Loop's thread
// only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "fs/base/loop.h"

namespace leasefs {

class MapBackend : public Backend {
 public:
  using Keys = std::map<std::string, std::string>;  // key -> value; test data, no secrets

  explicit MapBackend(Loop& loop) : loop_(loop) {}

  // Makes it the current version at once and tells whoever listens. Empty: the secret is removed.
  void Put(const std::string& secret, const Keys& keys);
  uint64_t VersionOf(const std::string& secret) const;
  const Keys& KeysOf(const std::string& secret) const { return secrets_.at(secret).keys; }

  // Answers come this much later; an `outage` answers everything with that error.
  void SetDelay(Duration delay) { delay_ = delay; }
  void SetOutage(std::optional<ErrorKind> outage) { outage_ = outage; }
  // A backend that tells nothing by itself; to be called before a server is made.
  void TellNothing() { pushes_ = false; }
  uint64_t reads() const { return reads_; }
  uint64_t answered_reads() const { return answered_reads_; }  // with a version
  uint64_t lists() const { return lists_; }

  // Values of keys of this name are JSON text from now on.
  void SetJson(const std::string& key) { json_keys_.insert(key); }

  void TellHealth(protocol::HealthState state) { events_.on_health(state, ""); }

  void SetEvents(Events events) override { events_ = std::move(events); }
  void List(const std::string& directory, protocol::Purpose purpose, ListReply done) override;
  void Read(const std::string& secret, ReadReply done) override;
  bool PushesChanges() const override { return pushes_; }
  uint64_t Generation() const override { return generation_; }
  Result<std::vector<std::string>> ChangedSince(uint64_t generation) const override;

 private:
  struct Secret {
    uint64_t version = 0;
    Keys keys;
    uint64_t changed = 0;  // generation
  };
  Result<Listing> ListNow(const std::string& directory) const;
  Result<SecretVersion> ReadNow(const std::string& secret);
  std::set<std::pair<std::string, int>> NamesBelow(const std::string& directory) const;

  Loop& loop_;
  Events events_;
  std::map<std::string, Secret> secrets_;  // removed ones stay, without keys, so that versions go on
  uint64_t generation_ = 0;
  std::set<std::string> json_keys_;
  bool pushes_ = true;
  Duration delay_{};
  std::optional<ErrorKind> outage_;
  uint64_t reads_ = 0;
  uint64_t answered_reads_ = 0;
  uint64_t lists_ = 0;
};

}  // namespace leasefs
