// StoreBackend: the embedded store as a Backend, also while there is none: locked, missing, in use by another process
// or damaged. Then everything fails with words that say what to do, and Health tells the same; what fs knows already
// goes on (S17).
//
// Changes go through it, so that fs hears of each. Used on the loop's thread only; blocks on local file I/O.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/store/store.h"
#include "fs/base/loop.h"

namespace leasefs {

class StoreBackend : public Backend {
 public:
  struct Options {
    std::string name;  // of the backend, for words
    std::string path;
    StoreSettings settings;
  };

  // Locked until TryOpen.
  StoreBackend(Loop& loop, Options options);
  ~StoreBackend() override;
  StoreBackend(const StoreBackend&) = delete;
  StoreBackend& operator=(const StoreBackend&) = delete;

  // kLocked: `key` does not open it. Where there is no file yet, or another process has it open, the key is kept and
  // tried again every second; unless it is a passphrase, which must be given again. kInvalid: it is open.
  Status TryOpen(const StoreKey& key);
  // There is no key; `why` says what to do: "the key file /x cannot be read: …".
  void StayLocked(const std::string& why);

  void SetLimits(uint32_t keep_versions, uint64_t value_bytes);  // as in Store; also when it is not open yet

  bool is_open() const { return store_ != nullptr; }
  Store* store() { return store_.get(); }  // null while not open
  const Error& why_closed() const { return why_closed_; }
  std::string StateText() const;  // "open", "locked: …", "missing: …", "in use: …", "damaged: …"
  const std::string& path() const { return options_.path; }

  // As in Store; and fs is told. Only while open.
  Result<std::vector<uint64_t>> Apply(std::vector<Store::Put> puts, uint32_t author, const std::string& note);
  Status Remove(const std::string& secret, const std::vector<std::string>& keys, uint32_t author);
  Result<uint64_t> Rollback(const std::string& secret, uint64_t version, uint32_t author);

  void SetEvents(Events events) override;
  void List(const std::string& directory, protocol::Purpose purpose, ListReply done) override;
  void Read(const std::string& secret, ReadReply done) override;
  bool PushesChanges() const override { return true; }
  uint64_t Generation() const override { return store_ ? store_->generation() : 0; }
  Result<std::vector<std::string>> ChangedSince(uint64_t generation) const override;

 private:
  enum class State : uint8_t { kOpen, kLocked, kMissing, kInUse, kDamaged };
  struct Names {  // that a secret gives the mount
    std::string secret;
    bool known = false;  // there is something at or below its path
    std::set<std::string> keys;
  };
  Names NamesOf(const std::string& secret) const;
  void TellChange(const Names& before);
  static std::string_view NameOf(State state);
  Error MakeError(State state, ErrorKind kind, const std::string& reason) const;
  void Close(State state, ErrorKind kind, std::string reason);
  void TellHealth();
  void RetryLater(const StoreKey& key);

  Loop& loop_;
  Options options_;
  std::unique_ptr<Store> store_;
  State state_ = State::kLocked;
  std::string reason_;  // that it is not open
  Error why_closed_;    // the same in a sentence
  Events events_;
  std::optional<StoreKey> waiting_key_;  // to be tried again
  Loop::TimerId retry_timer_ = Loop::kNoTimer;
};

}  // namespace leasefs
