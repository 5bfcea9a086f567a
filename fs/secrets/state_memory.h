// StateMemory: typed access to the surviving memory. Owns nothing; the mapping is the caller's and outlives it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "fs/base/result.h"
#include "fs/secrets/state_layout.h"

namespace leasefs {

// Virtual size of the memory for a mount that can show `names` files and directories. Sparse: what is not used costs
// nothing.
size_t StateMemoryBytes(uint32_t names);

class StateMemory {
 public:
  // `memory` is StateMemoryBytes(names) long, shared, page-aligned, zero at first use. kInvalid: it was written by
  // another layout or for another number of names.
  static Result<StateMemory> Attach(std::span<std::byte> memory, uint32_t names);

  StateHeader& header() const { return *header_; }
  std::span<NodeRecord> nodes() const { return nodes_; }
  std::span<char> names() const { return names_; }
  std::span<VersionRecord> versions() const { return versions_; }
  std::span<HandleRecord> handles() const { return handles_; }
  std::span<ReopenMark> marks() const { return marks_; }
  std::span<std::atomic<uint64_t>> released() const { return released_; }
  std::span<InstanceRecord> instances() const { return instances_; }
  std::span<std::byte> blobs() const { return blobs_; }

 private:
  StateMemory() = default;
  StateHeader* header_ = nullptr;
  std::span<NodeRecord> nodes_;
  std::span<char> names_;
  std::span<VersionRecord> versions_;
  std::span<HandleRecord> handles_;
  std::span<ReopenMark> marks_;
  std::span<std::atomic<uint64_t>> released_;
  std::span<InstanceRecord> instances_;
  std::span<std::byte> blobs_;
};

}  // namespace leasefs
