// SurvivingRecords: named records of a backend process in a memfd that the keeper holds and never maps, so that they
// outlive the process (fs/ARCHITECTURE.md, "What survives").
//
// Contents are sealed under a key that comes from the keeper: names, lengths and times can be seen in that memory,
// nothing else. A process killed at any instruction leaves each record as it was before a Put or Erase, or as it is
// after it.
//
// Used on the loop's thread only.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "fs/base/random.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"

namespace leasefs::lease {

class SurvivingRecords {
 public:
  virtual ~SurvivingRecords() = default;

  // kNoMemory: there is no room, and nothing has changed.
  virtual Status Put(const std::string& name, const SecretBuffer& content) = 0;
  virtual void Erase(const std::string& name) = 0;  // of what is not there: nothing
  // kNotFound; kRemote "does not authenticate".
  virtual Result<SecretBuffer> Get(const std::string& name) const = 0;
  virtual void ForEach(const std::function<void(const std::string& name)>& visit) const = 0;
};

}  // namespace leasefs::lease
