// The two ways in which an operation of the gate ends a step. Included by the gate's own sources only.
#pragma once

#include <utility>

#include "fs/secrets/secret_gate.h"

namespace leasefs {

template <class T>
SecretGate::Step SecretGate::WaitStepLocked(Attempt& attempt, uint32_t directory, Question question, bool has_stale,
                                            Result<T>& result, std::function<void(Attempt)> resume) {
  Status waiting = WaitLocked(attempt, directory, question, has_stale, std::move(resume));
  if (waiting.ok()) return Step::kWaiting;
  result = std::move(waiting).error();
  return Step::kFinished;
}

template <class T, class Run>
void SecretGate::RunSteps(Attempt& attempt, const Reply<T>& done, Run run) {
  Result<T> result = T{};
  for (;;) {
    Step step;
    {
      MutexLock lock(mutex_);
      step = run(result);
    }
    if (step == Step::kWaiting) return;
    if (step == Step::kFinished) break;
    step == Step::kNeedProcess ? LoadProcess(attempt) : LoadGroups(attempt);
  }
  done(std::move(result));
}

}  // namespace leasefs
