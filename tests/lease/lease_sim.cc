#include "tests/lease/lease_sim.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/lease/map_records.h"
#include "tests/lease/sim_fs.h"
#include "tests/lease/suspendable_loop.h"

namespace leasefs::lease {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

class LeaseSim {
 public:
  LeaseSim(uint64_t seed, LeaseSimFigures& figures)
      : world_(seed),
        machine_loop_(world_.loop),
        server_(world_, machine_loop_),
        fs_(world_, server_, figures),
        figures_(figures),
        bursts_(seed % 2 == 0) {
    server_.may_revoke = [this](const SimLease& lease) {
      const Tree& tree = *std::find_if(options_.trees.begin(), options_.trees.end(),
                                       [&](const Tree& candidate) { return candidate.name == lease.secret; });
      bool given_back = tree.scope != Scope::kShared || tree.idle > Duration::zero();
      return given_back && !fs_.Holds(lease.value);
    };
  }

  std::optional<std::string> Run() {
    MakeWorld();
    StartMachine();
    for (const std::string& secret : secrets_) OpenLater(secret);
    for (auto& [source, value] : world_.values) ChangeLater(source);
    NextFaultLater();
    BootTime end = world_.loop.Now() + world_.Between(hours(1), minutes(80));
    RunUntil(end);
    quiet_ = true;
    while ((active_ > 0 || !machine_) && !world_.violation) RunUntil(world_.loop.Now() + minutes(1));
    RunUntil(world_.loop.Now() + minutes(13));
    for (const std::string& secret : secrets_) fs_.Open(secret);
    RunUntil(world_.loop.Now() + seconds(15));
    over_ = true;
    if (!world_.violation) fs_.CheckAllServed();
    if (!world_.violation && machine_->Report().orphans != server_.orphans) {
      world_.Violate(StrCat(machine_->Report().orphans, " orphans are reported, and there are ", server_.orphans));
    }
    if (!world_.violation) CheckStop();
    figures_.questions += server_.questions;
    figures_.mints += server_.mints;
    figures_.logins += server_.logins;
    figures_.renewals += server_.renewals;
    return world_.violation;
  }

 private:
  Tree& AddTree(const std::string& name, Engine engine) {
    Tree tree;
    tree.name = name;
    tree.source = StrCat("source/", name);
    tree.engine = engine;
    tree.ttl = seconds(60);
    tree.max_stale = minutes(15);
    tree.mint_interval = seconds(10);
    options_.trees.push_back(tree);
    return options_.trees.back();
  }

  // Whole seconds, as servers count.
  Duration Seconds(Duration low, Duration high) { return std::chrono::floor<seconds>(world_.Between(low, high)); }

  void AddRole(const std::string& name, SimRole role, int min_ttl_percent) {
    Tree& tree = AddTree(name, Engine::kDynamic);
    if (min_ttl_percent > 0) tree.min_ttl = std::chrono::floor<seconds>(role.life / 100 * min_ttl_percent);
    world_.roles[tree.source] = role;
    secrets_.push_back(name);
  }

  void MakeWorld() {
    options_.trees.reserve(16);
    Duration life = Seconds(seconds(20), minutes(5));
    AddRole("short", {life, life * static_cast<int64_t>(2 + world_.chance.Below(5))},
            static_cast<int>(world_.chance.Below(3)) * 15);
    AddRole("fixed", {.life = Seconds(minutes(1), minutes(30)), .max_life = hours(1), .renewable = false},
            static_cast<int>(world_.chance.Below(2)) * 10);
    options_.trees.back().identity = "batch";
    AddRole("long", {hours(1), hours(24)}, 0);
    AddRole("certificate", {.life = Seconds(minutes(5), hours(1)), .renewable = false, .certificate = true}, 0);
    AddRole("computed", {.renewable = false, .computed = true}, 0);
    AddRole("idle", {Seconds(minutes(2), minutes(20)), hours(2)}, 0);
    options_.trees.back().idle = minutes(5);
    AddRole("scoped", {Seconds(minutes(2), minutes(20)), hours(1)}, 0);
    options_.trees.back().scope = Scope::kOpen;
    secrets_.back() = "scoped/1";
    secrets_.emplace_back("scoped/2");
    for (const char* name : {"kv", "kv-too", "rotating"}) {
      Tree& tree = AddTree(name, Engine::kKv2);
      secrets_.emplace_back(name);
      SimValue& value = world_.values[tree.source];
      value.text = StrCat(name, "-", ++texts_);
      if (tree.name != "rotating") continue;
      value.period = Seconds(minutes(1), minutes(5));
      value.next_change = world_.loop.Now() + value.period;
    }
    world_.token_life[""] = Seconds(minutes(5), hours(1));
    world_.token_max[""] =
        world_.Chance(50) ? Duration::zero() : world_.token_life[""] * static_cast<int64_t>(2 + world_.chance.Below(4));
    world_.token_life["batch"] = world_.token_max["batch"] = Seconds(minutes(10), minutes(40));
    world_.binds_tokens = world_.Chance(30);
    options_.identities = {{"batch", ""}};
    TellOptions();
  }

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
    machine_ = std::make_unique<LeaseMachine>(machine_loop_, server_, records_, options_);
    fs_.Connect(machine_.get());
    machine_->TellAgain();
  }

  void RunUntil(BootTime end) {
    while (!world_.violation && world_.loop.Now() < end) {
      BootTime before = world_.loop.Now();
      world_.loop.RunUntil(std::min(end, before + seconds(10)));
    }
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
  // A switch that is on for a while.
  void While(Duration low, Duration high, const std::function<void(bool)>& set) {
    Begin();
    set(true);
    world_.loop.After(world_.Between(low, high), [this, set] {
      set(false);
      End();
    });
  }

  // One after the other; or, in every other world, three at once and then a long calm, in which nothing may be missed.
  void NextFaultLater() {
    Duration wait = world_.Between(seconds(20), minutes(9));
    if (bursts_)
      wait = ++faults_ % 3 == 0 ? world_.Between(minutes(15), minutes(25)) : world_.Between(seconds(1), minutes(1));
    world_.loop.After(wait, [this] {
      if (quiet_) return;
      ++figures_.faults;
      Fault();
      NextFaultLater();
    });
  }

  void Fault() {
    auto net = [this](Net kind) { return [this, kind](bool on) { world_.net = on ? kind : Net::kUp; }; };
    auto flag = [](bool& which) { return [&which](bool on) { which = on; }; };
    uint64_t which = world_.chance.Below(17);
    world_.Trace(StrCat("FAULT ", which));
    switch (which) {
      case 0:
        return While(seconds(1), minutes(8), net(Net::kUnreachable));
      case 1:
        return While(seconds(1), minutes(8), net(Net::kSealed));
      case 2:
      case 3:
        return While(seconds(10), minutes(5), net(Net::kLossy));
      case 4:
        return While(seconds(10), minutes(5), [this](bool on) { world_.latency = milliseconds(on ? 700 : 2); });
      case 5:
        return RevokeLeases();
      case 6:
        return RevokeTokens();
      case 7:
        return While(seconds(30), minutes(5),
                     [this, source = options_.trees[world_.chance.Below(options_.trees.size())].source](bool on) {
                       world_.denied[source] = on;
                     });
      case 8:
        return While(seconds(30), minutes(8), flag(world_.renew_denied));
      case 9:
        return While(seconds(30), minutes(20), flag(world_.lookup_denied));
      case 10:
        return While(seconds(30), minutes(20), flag(world_.renew_self_denied));
      case 11:
      case 12:
        return KillOrWaitForMint();
      case 13:
        return Suspend();
      case 14:
        return Reload();
      case 15:
        return While(seconds(30), minutes(8), flag(world_.login_refused));
      case 16:
        if (world_.Chance(50)) return While(seconds(30), minutes(8), flag(world_.revoke_denied));
        world_.loop.StepWallClock(world_.Between(-hours(24) * 365, hours(24) * 365));  // S20: nothing comes of it
        Moment();
        return server_.CredentialChanged("");
    }
  }

  void RevokeLeases() {
    Moment();
    for (auto& [text, lease] : world_.leases)
      if (!lease.token.empty() && world_.LeaseAlive(lease) && world_.Chance(30)) lease.revoked = true;
  }

  void RevokeTokens() {
    Moment();
    for (auto& [id, token] : world_.tokens)
      if (world_.TokenAlive(id) && world_.Chance(60)) token.revoked = true;
  }

  // At any moment; or at the worst, while an answer with a credential in it is on its way.
  void KillOrWaitForMint() {
    if (world_.Chance(50)) return Kill();
    server_.on_mint_sent = [this] {
      world_.loop.After(world_.Between(milliseconds(0), 2 * world_.latency), [this] { Kill(); });
    };
  }

  void Kill() {
    if (quiet_ || !machine_ || machine_loop_.suspended()) return;
    ++figures_.kills;
    Begin();
    fs_.Connect(nullptr);
    machine_.reset();
    server_.MachineKilled();
    world_.loop.After(world_.Chance(50) ? milliseconds(1) : world_.Between(milliseconds(1), minutes(2)), [this] {
      StartMachine();
      End();
    });
  }

  void Suspend() {
    if (machine_loop_.suspended()) return;
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
    BootTime asked = world_.loop.Now();
    server_.stopping = true;
    machine_->Stop(true, minutes(1), [&] { stopped = true; });
    world_.loop.RunFor(seconds(30));
    if (!stopped) world_.Violate("the stop did not end");
    for (const auto& [text, lease] : world_.leases) {
      if (lease.told.granted == BootTime{} || lease.token.empty()) continue;
      bool known = asked < std::min(lease.told.end, world_.tokens.at(lease.token).told.end);
      if (known && world_.LeaseAlive(lease)) world_.Violate(StrCat("a lease of ", lease.secret, " outlives the stop"));
    }
  }

  SimWorld world_;
  SuspendableLoop machine_loop_;
  SimServer server_;
  SimFs fs_;
  LeaseSimFigures& figures_;
  MapRecords records_;
  MachineOptions options_;
  std::unique_ptr<LeaseMachine> machine_;
  std::vector<std::string> secrets_;
  const bool bursts_;
  uint64_t faults_ = 0;
  bool quiet_ = false;  // no more faults
  bool over_ = false;   // and no more readers
  int active_ = 0;
  uint64_t texts_ = 0;
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
