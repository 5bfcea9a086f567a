// What the session counts, for status. Any thread; single figures are exact, their sum may be a moment apart.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "fs/fuse/session.h"

namespace leasefs {

class SessionMetrics {
 public:
  void Count(Operation operation, bool error) {
    Pair& pair = operations_[static_cast<size_t>(operation)];
    pair.count.fetch_add(1, std::memory_order_relaxed);
    if (error) pair.errors.fetch_add(1, std::memory_order_relaxed);
  }
  void CountReplayed() { replayed_.fetch_add(1, std::memory_order_relaxed); }
  void CountGivenUp() { given_up_.fetch_add(1, std::memory_order_relaxed); }
  void CountMalformed() { malformed_.fetch_add(1, std::memory_order_relaxed); }

  void CopyTo(FuseSession::Counters* out) const {
    for (size_t i = 0; i < kOperationCount; ++i) {
      out->operations[i] = {operations_[i].count.load(std::memory_order_relaxed),
                            operations_[i].errors.load(std::memory_order_relaxed)};
    }
    out->replayed = replayed_.load(std::memory_order_relaxed);
    out->given_up = given_up_.load(std::memory_order_relaxed);
    out->malformed = malformed_.load(std::memory_order_relaxed);
  }

 private:
  struct Pair {
    std::atomic<uint64_t> count{0};
    std::atomic<uint64_t> errors{0};
  };
  std::array<Pair, kOperationCount> operations_;
  std::atomic<uint64_t> replayed_{0};
  std::atomic<uint64_t> given_up_{0};
  std::atomic<uint64_t> malformed_{0};
};

}  // namespace leasefs
