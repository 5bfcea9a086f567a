// GateAnswers: what backends answer. The backend decides what is current, this decides when it appears.
//
// Every BackendSink call is the loop's, without locks; it changes the tables under the gate's lock and completes those
// who waited after that.
//
// gate_publish.cc: keys · gate_derived.cc: files that are made of secrets
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/secrets/gate_core.h"

namespace leasefs {

// The sink first, so that it outlives the links that call it.
class GateAnswers : protected BackendSink, protected GateCore {
 protected:
  using GateCore::GateCore;

  void OnWelcome(const std::string& backend, const protocol::Welcome& frame) override;
  void OnEntries(const std::string& backend, protocol::Entries frame) override;
  void OnEntryChanged(const std::string& backend, const protocol::EntryChanged& frame) override;
  void OnPublished(const std::string& backend, protocol::Published frame) override;
  void OnUnchanged(const std::string& backend, const protocol::Unchanged& frame) override;
  void OnChanged(const std::string& backend, const protocol::Changed& frame) override;
  void OnFailed(const std::string& backend, const protocol::Failed& frame) override;
  void OnHealth(const std::string& backend, const protocol::Health& frame) override;
  void OnReport(const std::string& backend, protocol::Report frame) override;
  bool OnRecord(const std::string& backend, const protocol::Record& frame) override;
  void OnDisconnected(const std::string& backend, const std::string& why) override;

  Status PublishLocked(uint32_t directory, const protocol::Published& frame) REQUIRES(mutex_);
  Result<uint32_t> StageFieldLocked(uint32_t directory, const protocol::Field& field, uint64_t publication,
                                    std::vector<uint32_t>& staged) REQUIRES(mutex_);
  void SetFreshnessLocked(uint32_t directory, const protocol::Freshness& freshness) REQUIRES(mutex_);
  void ApplyListingLocked(uint32_t directory, const std::vector<protocol::Entry>& entries) REQUIRES(mutex_);
  // The backend does not let its names be listed, so that those that are there are not known.
  bool MayNotBeListedLocked(uint32_t directory) const REQUIRES(mutex_);
  // It was asked for by its name, in a directory that may not be listed, and is there.
  void NoteFoundLocked(uint32_t directory) REQUIRES(mutex_);
  // A line for the log, if nothing of the kind was said of late.
  std::optional<std::string> WordsLocked(Link& link, const protocol::Failed& frame) const REQUIRES(mutex_);
  Result<uint32_t> AddNodeLocked(uint32_t parent, std::string_view name, NodeKind kind) REQUIRES(mutex_);
  uint32_t KeyNodeLocked(uint32_t directory, const std::string& key) REQUIRES(mutex_);
  // Files that are made of secrets (S7): gate_derived.cc.
  bool IsTakenLocked(uint32_t directory, const std::string& name) const REQUIRES(mutex_);  // no key can have the name
  void ShowFormsLocked(uint32_t directory) REQUIRES(mutex_);  // they are there where keys are
  void PlaceDerivedLocked(const TreeMap::Change& places, const std::vector<FileOptions>& files) REQUIRES(mutex_);
  // Makes a file of what its secrets hold, which is all, and publishes it if its bytes are other ones (S8). `evict`:
  // may let go of others' values to have room.
  Status MakeLocked(uint32_t node, bool evict) REQUIRES(mutex_);
  Status PublishFileLocked(uint32_t node, const SecretBuffer& bytes, bool evict) REQUIRES(mutex_);
  void MakeDependentsLocked(uint32_t directory) REQUIRES(mutex_);

  void ForgetOutagesLocked(const std::string& backend) REQUIRES(mutex_);
  void ForgetEverythingLocked(const std::string& backend) REQUIRES(mutex_);
};

}  // namespace leasefs
