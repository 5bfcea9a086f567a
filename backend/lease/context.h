// What all parts of one LeaseMachine share.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "backend/backend.h"
#include "backend/lease/lease.h"
#include "backend/lease/lease_list.h"
#include "backend/lease/source.h"
#include "backend/lease/surviving_records.h"
#include "fs/base/loop.h"

namespace leasefs::lease {

class Session;

struct Context {
  Loop& loop;
  Source& source;
  SurvivingRecords& records;
  LeaseList* list = nullptr;  // null: none is kept
  Backend::Events events = {};
  std::function<Session*(const std::string& identity)> session_of = {};  // null: there is none
  Counters counters = {};
  bool stopping = false;                  // nothing is minted and nobody logs in any more
  bool leaving = false;                   // nothing is minted: a successor answers those who ask
  std::set<std::string> unrecorded = {};  // names of records that there was no room for: a crash loses them

  BootTime Now() const { return loop.Now(); }
  bool MayMint() const { return !stopping && !leaving; }
  bool Record(const std::string& name, const SecretBuffer& content);  // false: no room
  void Forget(const std::string& name);
  bool RecordCounters() { return Record("counters", Encode(counters)); }
};

inline bool Context::Record(const std::string& name, const SecretBuffer& content) {
  bool done = records.Put(name, content).ok();
  if (done) unrecorded.erase(name);
  if (done) return true;
  unrecorded.insert(name);
  records.Erase(name);  // what is out of date must not be taken for true
  return false;
}

inline void Context::Forget(const std::string& name) {
  unrecorded.erase(name);
  records.Erase(name);
}

}  // namespace leasefs::lease
