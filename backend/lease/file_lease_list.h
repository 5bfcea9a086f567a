// FileLeaseList: a LeaseList in one file, sealed and chained.
//
//     | magic, salt | size, sealed changes | size, sealed changes | …
//
// What changes is collected for kGather and appended as one piece that is synced to the disk. Each piece is sealed with
// its place and all before it, so that none can be changed, moved, left out or put in without being noticed. That the
// end was cut off cannot be noticed: an older list is still a list, and a piece that a power cut left half written, be
// the rest missing or zeros, is cut off when the file is opened. When most of it is out of date, it is written anew
// beside itself and renamed.
//
// A lease of the last kGather before a power cut is not listed: it runs out. Blocks for the disk.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "backend/lease/lease_list.h"
#include "backend/lease/lifetime.h"
#include "fs/base/aead.h"
#include "fs/base/codec.h"
#include "fs/base/loop.h"
#include "fs/base/unique_fd.h"

namespace leasefs::lease {

class FileLeaseList final : public LeaseList {
 public:
  static constexpr Duration kGather = std::chrono::milliseconds(100);

  // `boot`: names this boot of the machine (/proc/sys/kernel/random/boot_id). Makes the file (0600) if it is not there.
  // The loop outlives this. kInvalid: it is damaged, or sealed with another key; kInternal: cannot be read or written.
  static Result<std::unique_ptr<FileLeaseList>> Open(Loop& loop, std::string path, AeadKey key, std::string boot);
  ~FileLeaseList() override;  // writes what is not written yet

  void Set(const std::string& secret, std::vector<ListedLease> leases) override;
  std::vector<ListedLease> Left() const override;
  void Drop(const std::string& lease_id) override;
  std::string problem() const override { return problem_; }

 private:
  struct Entry {
    ListedLease lease;
    std::string secret;
    std::string boot;
  };

  FileLeaseList(Loop& loop, std::string path, AeadKey key, std::string boot);
  Status Load();
  Status Start();  // a new file in the place of what is there
  Status ReadPieces(const SecretBuffer& file);
  bool Apply(std::span<const std::byte> changes);
  void Change(const std::string& id, const Entry* entry);
  void FlushAfter(Duration wait);
  void Flush();
  Status Append(int fd, const SecretBuffer& changes);
  SecretBuffer Everything() const;

  Loop& loop_;
  const std::string path_;
  const AeadKey key_;
  const std::string boot_;
  UniqueFd file_;
  std::map<std::string, Entry> entries_;  // by lease id
  Writer changes_;
  uint64_t pieces_ = 0;
  Digest chain_{};           // of all pieces so far, and the salt
  uint64_t size_ = 0;        // of the file
  uint64_t whole_size_ = 0;  // of the file when it was written anew
  Loop::TimerId timer_ = Loop::kNoTimer;
  std::string problem_;
  Lifetime lifetime_;
};

}  // namespace leasefs::lease
