// SurvivingRecords in a map, with a limit on their number of bytes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/lease/surviving_records.h"

namespace leasefs::lease {

class MapRecords : public SurvivingRecords {
 public:
  size_t room = SIZE_MAX;

  Status Put(const std::string& name, const SecretBuffer& content) override {
    if (content.size() > room) return Error(ErrorKind::kNoMemory, "no room");
    records_[name] = SecretBuffer::CopyOf(content.Expose());
    return Ok();
  }
  void Erase(const std::string& name) override { records_.erase(name); }
  Result<SecretBuffer> Get(const std::string& name) const override {
    auto found = records_.find(name);
    if (found == records_.end()) return Error(ErrorKind::kNotFound, "no such record");
    return SecretBuffer::CopyOf(found->second.Expose());
  }
  void ForEach(const std::function<void(const std::string& name)>& visit) const override {
    std::vector<std::string> names;
    for (const auto& [name, content] : records_) names.push_back(name);
    for (const std::string& name : names) visit(name);
  }

 private:
  std::map<std::string, SecretBuffer> records_;
};

}  // namespace leasefs::lease
