#include "tests/sim/fs_sim.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "backend/server.h"
#include "fs/base/sim_loop.h"
#include "fs/base/strings.h"
#include "tests/support/map_backend.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kRun = minutes(65);
constexpr Duration kDeadline = seconds(5);
constexpr Duration kLongestDowntime = milliseconds(300);
constexpr Duration kLongestBackoff = seconds(30);
constexpr Duration kLongestDelay = seconds(2);  // of a backend that is slow but answers within the deadline
constexpr Duration kAuditPatience = milliseconds(250);
constexpr int kSecrets = 6;
constexpr int kKeys = 3;
constexpr uid_t kUids[] = {0, 1000, 2000};

// An interval in which something was the case; open-ended until it is closed.
struct Span {
  BootTime from;
  BootTime to = kNever;
  bool Touches(BootTime start, BootTime end) const { return from <= end && to >= start; }
};

bool AnyTouches(const std::vector<Span>& spans, BootTime start, BootTime end) {
  return std::any_of(spans.begin(), spans.end(), [&](const Span& span) { return span.Touches(start, end); });
}

// What a secret was, when it became so, and from when on the mount must show it.
struct State {
  MapBackend::Keys keys;
  BootTime put;
  BootTime applied = kNever;
};

class FsSim {
 public:
  explicit FsSim(uint64_t seed)
      : loop_(seed), backend_(loop_), mount_(loop_, ConfigFor(1)), seed_(seed), start_(loop_.Now()) {
    NewServer();
    mount_.Connect("local", *server_);
    rules_.push_back({1, loop_.Now()});
    for (int i = 0; i < kSecrets; ++i)
      history_[SecretName(i)].push_back({{}, BootTime(Duration(0)), BootTime(Duration(0))});
  }

  std::optional<std::string> Run(FsSimFigures* figures) {
    ScheduleRead();
    ScheduleWrite();
    ScheduleFault();
    BootTime end = start_ + kRun;
    while (!violation_ && loop_.Now() < end && loop_.Step()) {
    }
    stopping_ = true;
    loop_.RunFor(seconds(60));
    if (!violation_) CheckEnd();
    if (figures != nullptr) *figures = figures_;
    return violation_;
  }

 private:
  // Every user has the secrets whose number is a multiple of the user's, in the first set of rules; in the second
  // nobody has any but 2000.
  static Config ConfigFor(int rules) {
    std::vector<AllowRule> allow;
    if (rules == 1) {
      allow.push_back(AllowUser("web/**", 1000));
      allow.push_back(AllowUser("web/s0/*", 2000));
    } else {
      allow.push_back(AllowUser("web/**", 2000));
    }
    return SimConfig({SimTree("web", "web")}, allow);
  }
  static bool Allows(int rules, uid_t uid, const std::string& secret) {
    if (rules == 1) return uid == 1000 || (uid == 2000 && secret == "web/s0");
    return uid == 2000;
  }
  static std::string SecretName(uint64_t i) { return StrCat("web/s", i); }

  uint64_t Below(uint64_t bound) { return loop_.random().Below(bound); }
  Duration Random(Duration most) {
    return Duration(static_cast<int64_t>(Below(static_cast<uint64_t>(most.count()) + 1)));
  }
  void Violate(std::string what) {
    if (!violation_) {
      auto at = std::chrono::duration_cast<milliseconds>(loop_.Now() - start_).count();
      violation_ = StrCat("seed ", seed_, " at ", at, " ms: ", what);
      for (const std::string& event : recent_) *violation_ += StrCat("\n  before it: ", event);
    }
  }
  // What happened last, told with a violation.
  void Note(std::string event) {
    auto at = std::chrono::duration_cast<milliseconds>(loop_.Now() - start_).count();
    recent_.push_back(StrCat(at, " ms: ", event));
    if (recent_.size() > 40) recent_.pop_front();
  }

  void NewServer() { server_ = std::make_unique<BackendServer>(loop_, backend_, ServerOptions{}); }

  // ---- readers ----
  void ScheduleRead() {
    if (stopping_) return;
    bool burst = Below(8) == 0;
    loop_.After(Random(burst ? milliseconds(5) : seconds(4)), [this] {
      Read();
      ScheduleRead();
    });
  }

  void Read() {
    std::string secret = SecretName(Below(kSecrets));
    std::string key = StrCat("k", Below(kKeys));
    Caller caller{kUids[Below(3)], 1, static_cast<pid_t>(100 + next_tid_++ % 5000)};
    bool keep = Below(4) == 0;
    ++figures_.opens;
    mount_.Open(secret + "/" + key, caller, keep, [this, secret, key, caller, keep](const SimRead& read) {
      Judge(secret, key, caller, read);
      if (keep && !read.error) KeepOpen(read);
    });
  }

  // An open descriptor keeps its version, whatever happens meanwhile (S8).
  void KeepOpen(const SimRead& read) {
    loop_.After(Random(minutes(3)), [this, read] {
      if (!mount_.running()) return KeepOpen(read);
      auto again = mount_.ReadAgain(read);
      if (!again.ok()) Violate(StrCat("a descriptor failed: ", again.error().message()));
      if (again.ok() && *again != read.bytes) Violate(StrCat("a descriptor read ", *again, " after ", read.bytes));
      mount_.Close(read);
    });
  }

  // ---- writers ----
  void ScheduleWrite() {
    if (stopping_) return;
    loop_.After(Random(seconds(40)), [this] {
      Write();
      ScheduleWrite();
    });
  }

  void Write() {
    std::string secret = SecretName(Below(kSecrets));
    auto& states = history_[secret];
    MapBackend::Keys keys = states.back().keys;
    bool remove = Below(6) == 0;
    if (remove) {
      keys.clear();
    } else {
      for (int i = 0; i < kKeys; ++i) {
        if (Below(2) == 0) keys[StrCat("k", i)] = StrCat(secret, "/k", i, "@", states.size());
        if (Below(8) == 0) keys.erase(StrCat("k", i));
      }
    }
    if (keys == states.back().keys) return;
    ++figures_.puts;
    states.push_back({keys, loop_.Now()});
    size_t place = states.size() - 1;
    Note(StrCat(secret, " state ", place, " put"));
    backend_.Put(secret, keys);
    server_->WhenApplied(seconds(1), [this, secret, place](bool applied) {
      if (applied) history_[secret][place].applied = loop_.Now();
      Note(StrCat(secret, " state ", place, applied ? " applied" : " not applied in time"));
    });
  }

  // ---- faults ----
  void ScheduleFault() {
    if (stopping_) return;
    loop_.After(Random(minutes(4)), [this] {
      Fault();
      ScheduleFault();
    });
  }

  void Fault() {
    ++figures_.faults;
    uint64_t fault = Below(8);
    Note(StrCat("fault ", fault));
    switch (fault) {
      case 0:
        return CrashFs();
      case 1:
        return CrashBackend();
      case 2:
        return Disturb([this] { backend_.SetDelay(seconds(1) + Random(seconds(12))); },
                       [this] { backend_.SetDelay({}); });
      case 3: {
        constexpr ErrorKind kOutages[] = {ErrorKind::kUnreachable, ErrorKind::kRemote, ErrorKind::kLocked};
        ErrorKind kind = kOutages[Below(3)];
        return Disturb([this, kind] { backend_.SetOutage(kind); }, [this] { backend_.SetOutage(std::nullopt); });
      }
      case 4:
        return loop_.StepWallClock(Random(minutes(10'000)) - minutes(5'000));
      case 5:  // at best while somebody waits
        return ReloadWhileSlow();
      case 6:
        return StallAudit();
      case 7:
        signals_.push_back({loop_.Now(), loop_.Now()});
        for (uint64_t back = 0; back < 20; ++back) mount_.Signal(static_cast<pid_t>(100 + (next_tid_ - back) % 5000));
        return;
    }
  }

  void CrashFs() {
    if (!mount_.running()) return;
    disturbances_.push_back({loop_.Now()});
    size_t span = disturbances_.size() - 1;
    mount_.Crash();
    Note("fs crashes");
    loop_.After(Random(kLongestDowntime), [this, span] {
      mount_.Restart();
      Note("fs is back");
      if (server_ != nullptr) mount_.Connect("local", *server_);
      EndDisturbance(span);
      if (Below(3) == 0) CrashFs();
    });
  }

  void CrashBackend() {
    if (!mount_.running()) return;
    disturbances_.push_back({loop_.Now()});
    size_t span = disturbances_.size() - 1;
    NewServer();  // the old one's connection dies with it
    loop_.After(Random(seconds(3)), [this, span] {
      Note(mount_.running() ? "the backend is back" : "the backend is back, but fs is not");
      if (mount_.running()) mount_.Connect("local", *server_);
      EndDisturbance(span);
    });
  }

  void Disturb(std::function<void()> begin, std::function<void()> end) {
    disturbances_.push_back({loop_.Now()});
    size_t span = disturbances_.size() - 1;
    begin();
    loop_.After(Random(minutes(2)), [this, span, end] {
      Note("the disturbance ends");
      end();
      EndDisturbance(span);
    });
  }
  // Requests that were on their way when it ended may still come to nothing, and a failure is not asked about again
  // before its back-off is over.
  void EndDisturbance(size_t span) { disturbances_[span].to = loop_.Now() + kLongestBackoff + kDeadline; }

  void Reload() {
    if (!mount_.running()) return;
    int next = rules_.back().first == 1 ? 2 : 1;
    rules_.emplace_back(next, loop_.Now());
    if (!mount_.Reload(ConfigFor(next)).ok()) Violate("a valid configuration was refused");
  }

  void ReloadWhileSlow() {
    slow_.push_back({loop_.Now()});
    size_t span = slow_.size() - 1;
    backend_.SetDelay(Random(kLongestDelay));
    loop_.After(Random(seconds(2)), [this, span] {
      Reload();
      backend_.SetDelay({});
      slow_[span].to = loop_.Now() + kLongestDelay;
    });
  }

  void StallAudit() {
    stalls_.push_back({loop_.Now()});
    size_t span = stalls_.size() - 1;
    mount_.StopAuditSink();
    loop_.After(Random(seconds(3)), [this, span] {
      mount_.ResumeAuditSink();
      stalls_[span].to = loop_.Now() + kAuditPatience;
    });
  }

  // ---- the oracle ----
  bool RulesCouldSay(bool allowed, const Caller& caller, const std::string& secret, BootTime start,
                     BootTime end) const {
    for (size_t i = 0; i < rules_.size(); ++i) {
      BootTime until = i + 1 < rules_.size() ? rules_[i + 1].second : kNever;
      if (rules_[i].second <= end && until >= start && Allows(rules_[i].first, caller.uid, secret) == allowed)
        return true;
    }
    return false;
  }

  // Could `matches` be true of the state that was current at some moment of [start, end]?
  template <class Predicate>
  bool SomeState(const std::string& secret, BootTime start, BootTime end, Predicate matches) const {
    const auto& states = history_.at(secret);
    for (size_t i = 0; i < states.size(); ++i) {
      bool superseded = false;
      for (size_t later = i + 1; later < states.size(); ++later)
        superseded = superseded || states[later].applied < start;
      if (states[i].put <= end && !superseded && matches(states[i].keys)) return true;
    }
    return false;
  }

  void Judge(const std::string& secret, const std::string& key, const Caller& caller, const SimRead& read) {
    BootTime start = read.started;
    BootTime end = loop_.Now();
    std::string who = StrCat("uid ", caller.uid, " of ", secret, "/", key);
    auto shows = [&](const MapBackend::Keys& keys) {
      auto it = keys.find(key);
      return it != keys.end() && it->second == read.bytes;
    };
    if (!read.error) {
      ++figures_.served;
      // The rules of the reply count, not those of the request (S24).
      if (!RulesCouldSay(true, caller, secret, end, end)) Violate(StrCat("served against the rules: ", who));
      bool outage = AnyTouches(disturbances_, start - seconds(30), end);
      // During an outage, or when a quarter of the deadline brought no answer, a copy that is known to be old may be
      // served (S17).
      outage = outage || AnyTouches(slow_, start, end);
      auto ever = [&](const State& state) { return shows(state.keys); };
      const auto& states = history_.at(secret);
      if (!SomeState(secret, start, end, shows) && !(outage && std::any_of(states.begin(), states.end(), ever))) {
        Violate(StrCat("wrong or old bytes \"", read.bytes, "\" for ", who));
      }
      known_[secret + "/" + key] = history_.at(secret).size();
      return;
    }
    JudgeFailure(secret, key, caller, *read.error, start, end, who);
  }

  void JudgeFailure(const std::string& secret, const std::string& key, const Caller& caller, const Error& error,
                    BootTime start, BootTime end, const std::string& who) {
    auto absent = [&](const MapBackend::Keys& keys) { return !keys.contains(key); };
    std::string what(ErrorKindName(error.kind()));
    switch (error.kind()) {
      case ErrorKind::kDenied:
        if (!RulesCouldSay(false, caller, secret, start, end)) Violate(StrCat("denied against the rules: ", who));
        return;
      case ErrorKind::kNotFound:
        if (!SomeState(secret, start, end, absent)) Violate(StrCat("not found, but it was there: ", who));
        return;
      case ErrorKind::kUnreachable:
      case ErrorKind::kRemote:
      case ErrorKind::kLocked:
        if (!AnyTouches(disturbances_, start, end)) Violate(StrCat(what, " without an outage: ", who));
        if (RulesCouldSay(true, caller, secret, start, end) && KnownAndUnchanged(secret, key)) {
          Violate(StrCat(what, " though the value was known: ", who));
        }
        return;
      case ErrorKind::kInternal:
        if (!AnyTouches(stalls_, start, end)) Violate(StrCat("the audit refused without a stall: ", who));
        return;
      case ErrorKind::kInterrupted:
        if (!AnyTouches(signals_, start, end)) Violate(StrCat("interrupted without a signal: ", who));
        return;
      default:
        Violate(StrCat("an answer that is never legal, ", what, ": ", who));
    }
  }

  // It was served once and the secret has not changed since: from then on no outage may take it away.
  bool KnownAndUnchanged(const std::string& secret, const std::string& key) const {
    auto it = known_.find(secret + "/" + key);
    return it != known_.end() && it->second == history_.at(secret).size();
  }

  void CheckEnd() {
    if (mount_.pending() != 0) Violate(StrCat(mount_.pending(), " requests were never answered"));
    if (mount_.longest_request() > kDeadline + kLongestDowntime * 4) {
      Violate(
          StrCat("a request took ", std::chrono::duration_cast<milliseconds>(mount_.longest_request()).count(), " ms"));
    }
    uint64_t recorded = mount_.TakeAudit().size();
    if (recorded != mount_.opens_answered()) {
      uint64_t most = mount_.opens_answered();
      if (stalls_.empty() || recorded > most) Violate(StrCat(recorded, " records of ", most, " opens"));
    }
    uint64_t versions = 0;
    for (const auto& [secret, states] : history_) versions += states.size();
    if (backend_.answered_reads() > versions + 2 * figures_.faults) {
      Violate(StrCat(backend_.answered_reads(), " reads of ", versions, " versions"));
    }
    if (figures_.faults < 5) figures_.faults = 0;
  }

  SimLoop loop_;
  MapBackend backend_;
  std::unique_ptr<BackendServer> server_;
  SimMount mount_;
  uint64_t seed_;
  BootTime start_;
  bool stopping_ = false;
  uint64_t next_tid_ = 0;
  std::map<std::string, std::vector<State>> history_;
  std::map<std::string, size_t> known_;  // path -> number of states when it was last served
  std::vector<std::pair<int, BootTime>> rules_;
  std::vector<Span> disturbances_, slow_, stalls_, signals_;
  std::optional<std::string> violation_;
  std::deque<std::string> recent_;
  FsSimFigures figures_;
};

}  // namespace

std::optional<std::string> RunFsSim(uint64_t seed, FsSimFigures* figures) {
  return FsSim(seed).Run(figures);
}

}  // namespace leasefs
