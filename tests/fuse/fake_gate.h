// FakeGate: a small tree that is always there, with a switch that makes requests wait. Thread-safe.
//
//   /        (0, 1)
//   /key     (1, 3)  the bytes `kKeyBytes`; (1, 2) is superseded: read through it is foreign
//   /folder  (2, 1)  holds kManyEntries files
#pragma once

#include <fcntl.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fs/secrets/gate.h"

namespace leasefs {

inline constexpr NodeId kKeyNode{1, 3};
inline constexpr NodeId kOldKeyNode{1, 2};
inline constexpr NodeId kFolderNode{2, 1};
inline constexpr std::string_view kKeyBytes = "correct horse battery staple";
inline constexpr uint32_t kManyEntries = 500;

class FakeGate : public Gate {
 public:
  enum class Mode { kAnswer, kWait };

  void Lookup(const Request& request, NodeId parent, std::string_view name, Reply<Attributes> done) override;
  void GetAttributes(const Request& request, NodeId id, uint64_t handle, Reply<Attributes> done) override;
  void Open(const Request& request, NodeId id, int flags, Reply<Opened> done) override;
  void Abandon(uint64_t handle) override;
  Result<Slice> Read(uint64_t handle, NodeId id, uint64_t offset, size_t size) override;
  void Release(uint64_t handle) override;
  void OpenDirectory(const Request& request, NodeId id, Reply<Done> done) override;
  Status ReadDirectory(const Request& request, NodeId id, uint64_t cookie,
                       const std::function<bool(const DirectoryEntry&)>& visit) override;
  void Access(const Request& request, NodeId id, int mask, Reply<Done> done) override;
  Result<std::string> GetExtendedAttribute(const Request& request, NodeId id, std::string_view name) override;
  std::vector<std::string> ListExtendedAttributes(NodeId id) override;
  void Interrupt(uint64_t unique) override;
  Counts Count() const override { return {7, 10000}; }
  bool UsesPosixErrors(NodeId) const override { return posix_errors; }

  // Answers one that waits as if it had not had to. False: it does not wait.
  bool Complete(uint64_t unique);
  size_t waiting() const;
  bool Waits(uint64_t unique) const;
  std::set<uint64_t> handles() const;
  std::vector<Request> requests() const;  // as they came, `parking` cleared
  std::vector<uint64_t> abandoned() const;

  void FailWith(std::optional<ErrorKind> kind) { fail_with_ = kind ? static_cast<int>(*kind) : kNoFailure; }

  std::atomic<Mode> mode{Mode::kAnswer};
  std::atomic<bool> posix_errors{false};
  // Runs first in every operation that has a request, without a lock. Set before the session starts.
  std::function<void(const Request&)> before;

 private:
  using Resume = std::function<void(std::optional<Error>)>;
  // True: it waits, or was refused and is answered already.
  template <class T>
  bool MustWait(const Request& request, const Reply<T>& done, std::function<void()> again);
  void Note(const Request& request);
  Result<Attributes> Describe(NodeId id) const;
  Result<Opened> Decide(const Request& request, NodeId id, int flags);

  static constexpr int kNoFailure = -1;
  std::optional<ErrorKind> failure() const {
    int kind = fail_with_;
    return kind == kNoFailure ? std::nullopt : std::optional(static_cast<ErrorKind>(kind));
  }

  std::atomic<int> fail_with_{kNoFailure};  // every operation that can fail
  mutable std::mutex mutex_;
  std::map<uint64_t, Resume> waiting_;
  std::set<uint64_t> handles_;
  std::vector<Request> requests_;
  std::vector<uint64_t> abandoned_;
};

}  // namespace leasefs
