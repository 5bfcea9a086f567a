// What happened in a simulated hour, and which answers were legal then.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fs/caller/caller.h"
#include "tests/support/map_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {

// An interval in which something was the case; open-ended until it is closed.
struct Span {
  BootTime from;
  BootTime to = kNever;
};

// What a secret was, when it became so, and from when on the mount must show it.
struct SecretState {
  MapBackend::Keys keys;
  BootTime put;
  BootTime applied = kNever;
};

class FsOracle {
 public:
  // Every user has the secrets that the user's rule names, in the first set of rules; in the second nobody has any but
  // 2000.
  static bool Allows(int rules, uid_t uid, const std::string& secret);

  // What is wrong with an answer that came at `now`, in words; nothing when it was legal.
  std::optional<std::string> Judge(const std::string& secret, const std::string& key, const Caller& caller,
                                   const SimRead& read, BootTime now);

  std::map<std::string, std::vector<SecretState>> history;
  std::vector<std::pair<int, BootTime>> rules;  // set of rules, and since when it is in force
  std::vector<Span> disturbances;               // nothing need be answered, and what is known may be old
  std::vector<Span> slow;                       // the backend answers late, but within the deadline
  std::vector<Span> stalls;                     // the audit may refuse
  std::vector<Span> signals;                    // callers were signalled

 private:
  struct Answer;
  std::optional<std::string> JudgeBytes(const Answer& answer);
  std::optional<std::string> JudgeFailure(const Answer& answer) const;
  bool RulesCouldSay(bool allowed, const Answer& answer, BootTime start, BootTime end) const;
  template <class Predicate>
  bool SomeState(const Answer& answer, Predicate matches) const;
  bool KnownAndUnchanged(const Answer& answer) const;

  std::map<std::string, size_t> known_;  // path -> number of states when it was last served
};

}  // namespace leasefs
