// WaitQueue: who waits for which answer of a backend. Readers of one secret share one question (single flight).
//
// Bookkeeping only: it calls nobody. Not thread-safe: guarded by the gate's lock. What is taken out is completed by the
// taker, after the lock is released.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fs/base/result.h"
#include "fs/base/time.h"

namespace leasefs {

// What is asked about a directory: the bytes of the secret at its path, or the names below it.
enum class Question : uint8_t { kValue, kNames };

struct Waiter {
  uint64_t unique = 0;
  uint32_t uid = 0;
  uint32_t directory = 0;
  Question question = Question::kValue;
  BootTime deadline{};
  // Runs the operation again; with the failure, if the answer was one.
  std::function<void(std::optional<Error>)> resume;
};

class WaitQueue {
 public:
  struct Asked {
    uint32_t directory;
    Question question;
    bool refresh;
    bool for_open;
  };

  // A uid may wait for so many *secrets* at once, by however many readers (S25: EBUSY).
  bool WouldExceed(uint32_t uid, uint32_t directory, uint32_t max_secrets) const;
  void Add(Waiter waiter);
  // A question for which nobody waits.
  void Ask(uint32_t directory, Question question) { (void)flights_[{directory, question}]; }
  // Takes such a question back, unless it is on its way or somebody waits for its answer by now.
  void Unask(uint32_t directory, Question question);
  // Ask the source itself, whatever is believed fresh.
  void SetRefresh(uint32_t directory) { flights_[{directory, Question::kValue}].refresh = true; }

  // The names are asked for by somebody who may open what is below them; says nothing once they are asked for.
  void SetForOpen(uint32_t directory);
  // Such a question is on its way: the value may come with its answer.
  bool IsAskedForOpen(uint32_t directory) const;

  std::vector<Waiter> TakeAll(uint32_t directory, Question question);
  std::optional<Waiter> Take(uint64_t unique);
  std::vector<Waiter> TakeExpired(BootTime now);

  BootTime NextDeadline() const { return deadlines_.empty() ? kNever : deadlines_.begin()->first; }
  // Questions that nobody was asked yet. The caller asks, and says so by MarkAsked.
  std::vector<Asked> Unasked() const;
  bool IsAsked(uint32_t directory, Question question) const { return flights_.contains({directory, question}); }
  void MarkAsked(uint32_t directory, Question question);
  // The backend that was asked is gone: the questions must be asked again.
  void ForgetAsked(const std::function<bool(uint32_t directory)>& matches);

  size_t waiting() const { return waiters_.size(); }

 private:
  using Key = std::pair<uint32_t, Question>;
  struct Flight {
    std::set<uint64_t> waiters;
    bool asked = false;
    bool refresh = false;
    bool for_open = false;
  };
  Waiter Remove(std::unordered_map<uint64_t, Waiter>::iterator it);

  std::map<Key, Flight> flights_;
  std::unordered_map<uint64_t, Waiter> waiters_;  // by unique
  std::set<std::pair<BootTime, uint64_t>> deadlines_;
  std::unordered_map<uint32_t, std::map<uint32_t, uint32_t>> per_uid_;  // uid -> directory -> waiters
};

}  // namespace leasefs
