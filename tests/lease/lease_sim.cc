#include "tests/lease/lease_sim.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/lease/map_records.h"
#include "tests/lease/sim_fs.h"
#include "tests/lease/sim_lease_list.h"
#include "tests/lease/sim_settings.h"
#include "tests/lease/suspendable_loop.h"

namespace leasefs::lease {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr uint64_t kLeastFaults = 5, kMostAtOnce = 100000;  // of a seed; events in one moment

class LeaseSim {
 public:
  LeaseSim(uint64_t seed, LeaseSimFigures& figures)
      : world_(seed),
        machine_loop_(world_.loop),
        server_(world_, machine_loop_),
        fs_(world_, server_, figures),
        figures_(figures),
        list_(machine_loop_),
        bursts_(seed % 2 == 0) {
    server_.may_revoke = [this](const SimLease& lease) {
      const Tree& tree = *std::find_if(options_.trees.begin(), options_.trees.end(),
                                       [&](const Tree& candidate) { return candidate.name == lease.secret; });
      bool given_back = tree.scope != Scope::kShared || tree.idle > Duration::zero();
      return !fs_.WasGiven(lease.value) || (given_back && !fs_.Holds(lease.value));
    };
    list_.on_drop = [this](const std::string& id) {
      const SimLease& lease = world_.leases.at(world_.lease_ids.at(id));
      if (world_.LeaseAlive(lease) && !lease.may_not_be_revoked)
        world_.Violate(StrCat("a lease of ", lease.secret, " is forgotten, and the server honours it"));
    };
  }

  std::optional<std::string> Run() {
    std::tie(options_, secrets_) = MakeSettings(world_);
    TellOptions();
    StartMachine();
    for (const std::string& secret : secrets_) OpenLater(secret);
    for (auto& [source, value] : world_.values) ChangeLater(source);
    NextFaultLater();
    BootTime end = world_.loop.Now() + world_.Between(hours(1), minutes(80));
    RunUntil(end);
    while (world_.faults < kLeastFaults && !world_.violation) RunUntil(world_.loop.Now() + minutes(1));
    quiet_ = true;
    while ((active_ > 0 || !machine_) && !world_.violation) RunUntil(world_.loop.Now() + minutes(1));
    RunUntil(world_.loop.Now() + minutes(13));
    for (const std::string& secret : secrets_) fs_.Open(secret);
    RunUntil(world_.loop.Now() + seconds(15));
    over_ = true;
    if (!world_.violation) fs_.CheckAllServed();
    if (!world_.violation && machine_->Report().orphans != server_.orphans)
      world_.Violate(StrCat(machine_->Report().orphans, " orphans are reported, and there are ", server_.orphans));
    if (!world_.violation && !list_.Left().empty()) world_.Violate("what a power cut left is still there");
    if (!world_.violation) CheckStop();
    figures_.fewest_faults = std::min(figures_.fewest_faults, world_.faults);
    figures_.faults += world_.faults;
    figures_.questions += server_.questions;
    figures_.mints += server_.mints;
    figures_.logins += server_.logins;
    figures_.renewals += server_.renewals;
    return world_.violation;
  }

 private:
  void TellOptions() {
    server_.reserve.clear();
    for (const Tree& tree : options_.trees) {
      fs_.SetTree(tree);
      server_.min_ttl[tree.name] = tree.min_ttl;
      server_.mint_interval[tree.name] = tree.mint_interval;
      Duration& reserve = server_.reserve[tree.identity];
      reserve = std::max(reserve, tree.min_ttl);
    }
  }

  void StartMachine() {
    machine_ = std::make_unique<LeaseMachine>(machine_loop_, server_, records_, options_, &list_);
    started_at_ = world_.loop.Now();
    fs_.Connect(machine_.get());
    machine_->TellAgain();
  }

  void RunUntil(BootTime end) {
    while (!world_.violation && world_.loop.Now() < end) {
      RunSlice(std::min(end, world_.loop.Now() + seconds(10)));
      CheckListed();
    }
  }
  // No loop without a wait: not of timers either.
  void RunSlice(BootTime end) {
    auto over = std::make_shared<bool>(false);
    world_.loop.At(end, [over] { *over = true; });
    BootTime before = world_.loop.Now();
    for (uint64_t at_once = 0; !*over && at_once < kMostAtOnce && world_.loop.Step(); ++at_once)
      if (std::exchange(before, world_.loop.Now()) != world_.loop.Now()) at_once = 0;
    if (!*over) world_.Violate("a busy loop of timers");
  }

  void OpenLater(const std::string& secret) {
    bool pause = world_.Chance(2);
    Duration wait = pause ? world_.Between(minutes(5), minutes(20)) : world_.Between(milliseconds(10), seconds(24));
    if (quiet_) wait = world_.Between(seconds(1), seconds(10));
    world_.loop.After(wait, [this, secret, pause] {
      if (over_) return;
      if (!machine_loop_.suspended()) {
        if (pause) fs_.Forget(secret);
        fs_.Open(secret);
      }
      if (world_.Chance(1) && !machine_loop_.suspended()) fs_.Forget(secret);
      OpenLater(secret);
    });
  }

  void ChangeLater(const std::string& source) {
    SimValue& value = world_.values[source];
    BootTime when = value.period > Duration::zero() ? value.next_change + world_.Between(milliseconds(0), seconds(4))
                                                    : world_.loop.Now() + world_.Between(seconds(20), minutes(6));
    world_.loop.At(when, [this, source] {
      SimValue& changing = world_.values[source];
      bool rotates = changing.period > Duration::zero();
      if (rotates) changing.next_change += changing.period;
      bool equal = !rotates && world_.Chance(15);
      if (!equal) {
        if (changing.there) changing.replaced[changing.text] = world_.loop.Now();
        changing.text = StrCat("text-", ++texts_);
      }
      ++changing.number;
      if (!rotates && !equal && world_.Chance(20)) {  // destroyed, or made anew
        changing.there = !changing.there || quiet_;
        changing.number = 1;
        changing.there_since = world_.loop.Now();
      }
      ChangeLater(source);
    });
  }

  // ---- faults ----
  void Begin() {
    ++active_;
    world_.last_trouble = kNever;
  }
  void End() {
    if (--active_ == 0) world_.last_trouble = world_.loop.Now();
  }
  void Moment() {
    Begin();
    End();
  }
  // A switch that is on for a while: a fault when somebody notices.
  void While(Duration low, Duration high, Trouble trouble, const std::function<void(bool)>& set) {
    Begin();
    set(true);
    world_.unnoticed.insert(trouble);
    world_.loop.After(world_.Between(low, high), [this, set] {
      set(false);
      End();
    });
  }

  // One after the other; or, in every other world, three at once and then a long calm, in which nothing may be missed.
  void NextFaultLater() {
    Duration wait = world_.Between(seconds(20), minutes(9));
    if (bursts_)
      wait = ++in_bursts_ % 3 == 0 ? world_.Between(minutes(15), minutes(25)) : world_.Between(seconds(1), minutes(1));
    world_.loop.After(wait, [this] {
      if (quiet_) return;
      Fault();
      NextFaultLater();
    });
  }

  void Fault() {
    auto net = [this](Net kind) { return [this, kind](bool on) { world_.net = on ? kind : Net::kUp; }; };
    auto flag = [](bool& which) { return [&which](bool on) { which = on; }; };
    uint64_t which = world_.chance.Below(21);
    world_.Trace(StrCat("FAULT ", which));
    switch (which) {
      case 0:
        return While(seconds(1), minutes(8), Trouble::kNet, net(Net::kUnreachable));
      case 1:
        return While(seconds(1), minutes(8), Trouble::kNet, net(Net::kSealed));
      case 2:
      case 3:
        return While(seconds(10), minutes(5), Trouble::kNet, net(Net::kLossy));
      case 4:
        return While(seconds(10), minutes(5), Trouble::kSlow,
                     [this](bool on) { world_.latency = milliseconds(on ? 700 : 2); });
      case 5:
        return RevokeLeases();
      case 6:
        return RevokeTokens();
      case 7:
        return While(seconds(30), minutes(5), Trouble::kDenied,
                     [this, source = options_.trees[world_.chance.Below(options_.trees.size())].source](bool on) {
                       world_.denied[source] = on;
                     });
      case 8:
        return While(seconds(30), minutes(8), Trouble::kRenewDenied, flag(world_.renew_denied));
      case 9:
        return While(seconds(30), minutes(20), Trouble::kLookupDenied, flag(world_.lookup_denied));
      case 10:
        return While(seconds(30), minutes(20), Trouble::kRenewSelfDenied, flag(world_.renew_self_denied));
      case 11:
      case 12:
        return KillOrWaitForMint();
      case 13:
        return Suspend();
      case 14:
        return Reload();
      case 15:
        return While(seconds(30), minutes(8), Trouble::kLoginRefused, flag(world_.login_refused));
      case 16:
        return While(seconds(30), minutes(8), Trouble::kRevokeDenied, flag(world_.revoke_denied));
      case 17:
        return While(seconds(30), minutes(8), Trouble::kLoginRefused, flag(world_.logins_limited));
      case 18:
        return While(seconds(10), minutes(5), Trouble::kNet, net(Net::kGarbled));
      case 19:
        if (world_.Chance(50)) return StepWallClock();
        Moment();
        return server_.CredentialChanged("");
      case 20:
        return PowerCut();
    }
  }

  // S20: nothing comes of it.
  void StepWallClock() {
    Moment();
    if (!list_.empty()) ++world_.faults;
    world_.loop.StepWallClock(world_.Between(-hours(24) * 365, hours(24) * 365));
  }

  void RevokeLeases() {
    Moment();
    bool any = false;
    for (auto& [text, lease] : world_.leases)
      if (!lease.token.empty() && world_.LeaseAlive(lease) && world_.Chance(30)) any = lease.revoked = true;
    if (any) ++world_.faults;
  }

  void RevokeTokens() {
    Moment();
    bool any = false;
    for (auto& [id, token] : world_.tokens)
      if (world_.TokenAlive(id) && world_.Chance(60)) any = token.revoked = true;
    if (any) ++world_.faults;
  }

  // At any moment; or at the worst, while an answer with a credential in it is on its way, or has just come.
  void KillOrWaitForMint() {
    if (world_.Chance(50)) return Kill();
    server_.on_mint_sent = [this] {
      Duration most = 2 * world_.latency + SimLeaseList::kGather / 2;
      world_.loop.After(world_.Between(milliseconds(0), most), [this] { Kill(); });
    };
  }

  void Kill() {
    if (quiet_ || !machine_ || machine_loop_.suspended()) return;
    ++figures_.kills;
    Fall();
    RiseAfter(world_.Chance(50) ? milliseconds(1) : world_.Between(milliseconds(1), minutes(2)));
  }

  // What survives a process goes too; only the list is left. The clock may have been set when the machine is up again.
  void PowerCut() {
    if (quiet_ || !machine_ || machine_loop_.suspended()) return;
    ++figures_.power_cuts;
    CheckListed();
    Fall();
    server_.PowerCut();
    fs_.PowerCut();
    records_ = MapRecords();
    list_.PowerCut();
    if (world_.Chance(30)) StepWallClock();
    RiseAfter(world_.Between(seconds(10), minutes(5)));
  }

  void Fall() {
    ++world_.faults;
    Begin();
    fs_.Connect(nullptr);
    machine_.reset();
    server_.MachineKilled();
    list_.Killed();
  }
  void RiseAfter(Duration wait) {
    world_.loop.After(wait, [this] {
      StartMachine();
      End();
    });
  }

  // What the machine knows of is on the disk, but for what is younger than a piece of the list.
  void CheckListed() {
    constexpr Duration kGathered = 2 * SimLeaseList::kGather;
    if (!machine_ || machine_loop_.suspended() || world_.loop.Now() - started_at_ < kGathered) return;
    for (const auto& [id, text] : world_.lease_ids) {
      const SimLease& lease = world_.leases.at(text);
      if (lease.before_power_cut || world_.loop.Now() - lease.told_at < kGathered) continue;
      if (server_.IsKnown(lease) && world_.LeaseAlive(lease) && !list_.IsOnDisk(id))
        world_.Violate(StrCat("a lease of ", lease.secret, " is not listed"));
    }
  }

  void Suspend() {
    if (machine_loop_.suspended()) return;
    ++world_.faults;
    Begin();
    machine_loop_.Suspend();
    Duration by = world_.Between(seconds(1), minutes(40));
    world_.loop.After(by, [this, by] {
      fs_.Suspended(by);
      machine_loop_.Resume();
      End();
    });
  }

  void Reload() {
    if (!machine_ || machine_loop_.suspended()) return;
    ++world_.faults;
    Moment();
    Tree& tree = options_.trees[world_.chance.Below(2)];
    Duration life = world_.roles[tree.source].life;
    switch (world_.chance.Below(3)) {
      case 0:
        tree.min_ttl = std::chrono::floor<seconds>(life / 100 * static_cast<int64_t>(world_.chance.Below(35)));
        break;
      case 1:
        tree.mint_interval = seconds(1 + world_.chance.Below(20));
        break;
      case 2:
        tree.params["ttl"] = StrCat(world_.chance.Below(1000));
        break;
    }
    TellOptions();
    machine_->SetOptions(options_);
  }

  // All that the machine knows of is revoked, and it says when. What ended for it, since the answer to a renewal was
  // lost, nobody revokes.
  void CheckStop() {
    bool stopped = false;
    std::vector<const SimLease*> known;
    for (const auto& [text, lease] : world_.leases)
      if (server_.IsKnown(lease)) known.push_back(&lease);
    server_.stopping = true;
    machine_->Stop(true, minutes(1), [&] { stopped = true; });
    RunSlice(world_.loop.Now() + seconds(30));
    if (!stopped) world_.Violate("the stop did not end");
    for (const SimLease* lease : known)
      if (world_.LeaseAlive(*lease)) world_.Violate(StrCat("a lease of ", lease->secret, " outlives the stop"));
  }

  SimWorld world_;
  SuspendableLoop machine_loop_;
  SimServer server_;
  SimFs fs_;
  LeaseSimFigures& figures_;
  MapRecords records_;
  SimLeaseList list_;
  MachineOptions options_;
  std::unique_ptr<LeaseMachine> machine_;
  std::vector<std::string> secrets_;
  BootTime started_at_{};
  const bool bursts_;
  uint64_t in_bursts_ = 0;
  bool quiet_ = false;  // no more faults
  bool over_ = false;   // and no more readers
  int active_ = 0;
  uint64_t texts_ = 1;
};

}  // namespace

std::optional<std::string> RunLeaseSim(uint64_t seed, LeaseSimFigures* figures) {
  LeaseSimFigures unused;
  auto sim = std::make_unique<LeaseSim>(seed, figures == nullptr ? unused : *figures);
  std::optional<std::string> violation = sim->Run();
  if (violation) return StrCat("seed ", seed, ": ", *violation);
  return std::nullopt;
}

}  // namespace leasefs::lease
