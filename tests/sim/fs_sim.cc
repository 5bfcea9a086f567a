#include "tests/sim/fs_sim.h"

#include <deque>
#include <memory>
#include <vector>

#include "backend/server.h"
#include "fs/base/sim_loop.h"
#include "fs/base/strings.h"
#include "tests/sim/fs_oracle.h"
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

class FsSim {
 public:
  explicit FsSim(uint64_t seed)
      : loop_(seed), backend_(loop_), mount_(loop_, ConfigFor(1)), seed_(seed), start_(loop_.Now()) {
    NewServer();
    mount_.Connect("local", *server_);
    oracle_.rules.push_back({1, loop_.Now()});
    for (int i = 0; i < kSecrets; ++i)
      oracle_.history[SecretName(i)].push_back({{}, BootTime(Duration(0)), BootTime(Duration(0))});
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
  // As FsOracle::Allows says it.
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
    auto& states = oracle_.history[secret];
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
      if (applied) oracle_.history[secret][place].applied = loop_.Now();
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
        oracle_.signals.push_back({loop_.Now(), loop_.Now()});
        for (uint64_t back = 0; back < 20; ++back) mount_.Signal(static_cast<pid_t>(100 + (next_tid_ - back) % 5000));
        return;
    }
  }

  void CrashFs() {
    if (!mount_.running()) return;
    oracle_.disturbances.push_back({loop_.Now()});
    size_t span = oracle_.disturbances.size() - 1;
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
    oracle_.disturbances.push_back({loop_.Now()});
    size_t span = oracle_.disturbances.size() - 1;
    NewServer();  // the old one's connection dies with it
    loop_.After(Random(seconds(3)), [this, span] {
      Note(mount_.running() ? "the backend is back" : "the backend is back, but fs is not");
      if (mount_.running()) mount_.Connect("local", *server_);
      EndDisturbance(span);
    });
  }

  void Disturb(std::function<void()> begin, std::function<void()> end) {
    oracle_.disturbances.push_back({loop_.Now()});
    size_t span = oracle_.disturbances.size() - 1;
    begin();
    loop_.After(Random(minutes(2)), [this, span, end] {
      Note("the disturbance ends");
      end();
      EndDisturbance(span);
    });
  }
  // Requests that were on their way when it ended may still come to nothing, and a failure is not asked about again
  // before its back-off is over.
  void EndDisturbance(size_t span) { oracle_.disturbances[span].to = loop_.Now() + kLongestBackoff + kDeadline; }

  void Reload() {
    if (!mount_.running()) return;
    int next = oracle_.rules.back().first == 1 ? 2 : 1;
    oracle_.rules.emplace_back(next, loop_.Now());
    if (!mount_.Reload(ConfigFor(next)).ok()) Violate("a valid configuration was refused");
  }

  void ReloadWhileSlow() {
    oracle_.slow.push_back({loop_.Now()});
    size_t span = oracle_.slow.size() - 1;
    backend_.SetDelay(Random(kLongestDelay));
    loop_.After(Random(seconds(2)), [this, span] {
      Reload();
      backend_.SetDelay({});
      oracle_.slow[span].to = loop_.Now() + kLongestDelay;
    });
  }

  void StallAudit() {
    oracle_.stalls.push_back({loop_.Now()});
    size_t span = oracle_.stalls.size() - 1;
    mount_.StopAuditSink();
    loop_.After(Random(seconds(3)), [this, span] {
      mount_.ResumeAuditSink();
      oracle_.stalls[span].to = loop_.Now() + kAuditPatience;
    });
  }

  // ---- the oracle ----
  void Judge(const std::string& secret, const std::string& key, const Caller& caller, const SimRead& read) {
    if (!read.error) ++figures_.served;
    auto wrong = oracle_.Judge(secret, key, caller, read, loop_.Now());
    if (wrong) Violate(*wrong);
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
      if (oracle_.stalls.empty() || recorded > most) Violate(StrCat(recorded, " records of ", most, " opens"));
    }
    uint64_t versions = 0;
    for (const auto& [secret, states] : oracle_.history) versions += states.size();
    if (backend_.answered_reads() > versions + 2 * figures_.faults) {
      Violate(StrCat(backend_.answered_reads(), " reads of ", versions, " versions"));
    }
    if (loop_.Now() - start_ < std::chrono::hours(1) || figures_.faults < 5) {
      Violate(StrCat("too short to mean anything: ", figures_.faults, " faults"));
    }
  }

  SimLoop loop_;
  MapBackend backend_;
  std::unique_ptr<BackendServer> server_;
  SimMount mount_;
  uint64_t seed_;
  BootTime start_;
  bool stopping_ = false;
  uint64_t next_tid_ = 0;
  FsOracle oracle_;
  std::optional<std::string> violation_;
  std::deque<std::string> recent_;
  FsSimFigures figures_;
};

}  // namespace

std::optional<std::string> RunFsSim(uint64_t seed, FsSimFigures* figures) {
  return FsSim(seed).Run(figures);
}

}  // namespace leasefs
