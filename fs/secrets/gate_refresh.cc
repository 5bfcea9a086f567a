// What ends waiting from outside, and what asks without being asked: an interrupt, an operator's refresh.
#include "fs/secrets/secret_gate.h"

namespace leasefs {

void SecretGate::Interrupt(uint64_t unique) {
  std::optional<Waiter> waiter;
  {
    MutexLock lock(mutex_);
    waiter = waits_.Take(unique);
  }
  if (waiter) waiter->resume(Error(ErrorKind::kInterrupted, "the caller was signalled"));
}

void SecretGate::Refresh(const std::string& path, Reply<RefreshCounts> done) {
  auto left = std::make_shared<uint64_t>(0);
  auto counts = std::make_shared<RefreshCounts>();
  auto first_error = std::make_shared<std::optional<Error>>();
  auto finished = [left, counts, first_error, done = std::move(done)](const std::optional<Error>& failure) {
    if (failure && !*first_error) *first_error = failure;
    if (--*left > 0) return;
    if (*first_error) {
      done(**first_error);
    } else {
      done(*counts);
    }
  };
  {
    MutexLock lock(mutex_);
    uint32_t node = nodes_.Walk(kRootNode, path);
    if (node == kNoNode) {
      *first_error = Error(ErrorKind::kNotFound, "there is no such path on the mount");
    } else {
      std::vector<uint32_t> stack{nodes_.IsDirectory(node) ? std::vector<uint32_t>{node} : SecretsOfLocked(node)};
      while (!stack.empty()) {
        uint32_t directory = stack.back();
        stack.pop_back();
        for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
          if (nodes_.IsDirectory(child) && nodes_[child].present != 0) stack.push_back(child);
        }
        if (SecretVersionLocked(directory) == 0) continue;  // never read: the next open asks anyway
        if (nodes_[directory].minted != 0) {
          ++counts->minted;
          continue;
        }
        ++counts->asked, ++*left;
        Waiter waiter;
        waiter.unique = next_internal_++;
        waiter.uid = static_cast<uint32_t>(-1);
        waiter.directory = directory;
        waiter.deadline = loop_.Now() + std::chrono::duration_cast<Duration>(limits_.deadline);
        waiter.resume = finished;
        waits_.Add(std::move(waiter));
        waits_.SetRefresh(directory);
      }
      RequestPumpLocked();
    }
  }
  if (*left == 0) {
    ++*left;
    finished(std::nullopt);
  }
}

}  // namespace leasefs
