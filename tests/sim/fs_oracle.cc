#include "tests/sim/fs_oracle.h"

#include <algorithm>

#include "fs/base/strings.h"

namespace leasefs {
namespace {

bool AnyTouches(const std::vector<Span>& spans, BootTime start, BootTime end) {
  return std::any_of(spans.begin(), spans.end(),
                     [&](const Span& span) { return span.from <= end && span.to >= start; });
}

}  // namespace

struct FsOracle::Answer {
  const std::string& secret;
  const std::string& key;
  const Caller& caller;
  const SimRead& read;
  BootTime start, end;

  std::string Path() const { return StrCat(secret, "/", key); }
  std::string Says(std::string_view what) const { return StrCat(what, ": uid ", caller.uid, " of ", Path()); }
};

bool FsOracle::Allows(int rules, uid_t uid, const std::string& secret) {
  if (rules == 1) return uid == 1000 || (uid == 2000 && secret == "web/s0");
  return uid == 2000;
}

bool FsOracle::RulesCouldSay(bool allowed, const Answer& answer, BootTime start, BootTime end) const {
  for (size_t i = 0; i < rules.size(); ++i) {
    BootTime until = i + 1 < rules.size() ? rules[i + 1].second : kNever;
    bool in_force = rules[i].second <= end && until >= start;
    if (in_force && Allows(rules[i].first, answer.caller.uid, answer.secret) == allowed) return true;
  }
  return false;
}

// Could `matches` be true of the state that was current at some moment of the answer's time?
template <class Predicate>
bool FsOracle::SomeState(const Answer& answer, Predicate matches) const {
  const auto& states = history.at(answer.secret);
  for (size_t i = 0; i < states.size(); ++i) {
    bool superseded = false;
    for (size_t later = i + 1; later < states.size(); ++later)
      superseded = superseded || states[later].applied < answer.start;
    if (states[i].put <= answer.end && !superseded && matches(states[i].keys)) return true;
  }
  return false;
}

std::optional<std::string> FsOracle::Judge(const std::string& secret, const std::string& key, const Caller& caller,
                                           const SimRead& read, BootTime now) {
  Answer answer{secret, key, caller, read, read.started, now};
  return read.error ? JudgeFailure(answer) : JudgeBytes(answer);
}

std::optional<std::string> FsOracle::JudgeBytes(const Answer& answer) {
  // The rules of the reply count, not those of the request (S24).
  if (!RulesCouldSay(true, answer, answer.end, answer.end)) return answer.Says("served against the rules");
  auto shows = [&](const MapBackend::Keys& keys) {
    auto it = keys.find(answer.key);
    return it != keys.end() && it->second == answer.read.bytes;
  };
  // During an outage, or when a quarter of the deadline brought no answer, a copy that is known to be old may be served
  // (S17).
  const auto& states = history.at(answer.secret);
  bool may_be_old = AnyTouches(disturbances, answer.start - std::chrono::seconds(30), answer.end) ||
                    AnyTouches(slow, answer.start, answer.end);
  bool was_true = std::any_of(states.begin(), states.end(), [&](const auto& state) { return shows(state.keys); });
  if (!SomeState(answer, shows) && !(may_be_old && was_true))
    return answer.Says(StrCat("wrong or old bytes \"", answer.read.bytes, "\""));
  known_[answer.Path()] = states.size();
  return std::nullopt;
}

std::optional<std::string> FsOracle::JudgeFailure(const Answer& answer) const {
  auto touched = [&](const std::vector<Span>& spans) { return AnyTouches(spans, answer.start, answer.end); };
  auto absent = [&](const MapBackend::Keys& keys) { return !keys.contains(answer.key); };
  bool could_be_allowed = RulesCouldSay(true, answer, answer.start, answer.end);
  ErrorKind kind = answer.read.error->kind();
  std::string what(ErrorKindName(kind));
  bool legal = false;
  switch (kind) {
    case ErrorKind::kDenied:
      legal = RulesCouldSay(false, answer, answer.start, answer.end);
      break;
    case ErrorKind::kNotFound:
      legal = SomeState(answer, absent);
      break;
    case ErrorKind::kUnreachable:
    case ErrorKind::kRemote:
    case ErrorKind::kLocked:
      legal = touched(disturbances);
      if (could_be_allowed && KnownAndUnchanged(answer)) return answer.Says(what + " though the value was known");
      break;
    case ErrorKind::kInternal:  // the audit
      legal = touched(stalls);
      break;
    case ErrorKind::kInterrupted:
      legal = touched(signals);
      break;
    default:
      break;
  }
  return legal ? std::nullopt : std::optional(answer.Says(what + " without a cause"));
}

// It was served once and the secret has not changed since: from then on no outage may take it away.
bool FsOracle::KnownAndUnchanged(const Answer& answer) const {
  auto it = known_.find(answer.Path());
  return it != known_.end() && it->second == history.at(answer.secret).size();
}

}  // namespace leasefs
