#include "tests/lease/sim_settings.h"

#include <chrono>
#include <utility>

namespace leasefs::lease {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class Maker {
 public:
  explicit Maker(SimWorld& world) : world_(world) {}

  std::pair<MachineOptions, std::vector<std::string>> Make() {
    Duration life = Seconds(seconds(20), minutes(5));
    AddRole("short", {life, life * static_cast<int64_t>(2 + world_.chance.Below(5))},
            static_cast<int>(world_.chance.Below(3)) * 15);
    AddRole("fixed", {.life = Seconds(minutes(1), minutes(30)), .max_life = hours(1), .renewable = false},
            static_cast<int>(world_.chance.Below(2)) * 10)
        .identity = "batch";
    AddRole("long", {hours(1), hours(24)}, 0);
    AddRole("certificate", {.life = Seconds(minutes(5), hours(1)), .renewable = false, .certificate = true}, 0);
    AddRole("computed", {.renewable = false, .computed = true}, 0);
    AddRole("endless", {.renewable = false, .endless = true}, 0).ttl = minutes(5);
    AddRole("idle", {Seconds(minutes(2), minutes(20)), hours(2)}, 0).idle = minutes(5);
    AddRole("scoped", {Seconds(minutes(2), minutes(20)), hours(1)}, 0).scope = Scope::kOpen;
    secrets_.back() = "scoped/1";
    secrets_.emplace_back("scoped/2");
    for (const char* name : {"kv", "kv-too", "rotating"}) AddValue(name);
    world_.token_life[""] = Seconds(minutes(5), hours(1));
    world_.token_max[""] =
        world_.Chance(50) ? Duration::zero() : world_.token_life[""] * static_cast<int64_t>(2 + world_.chance.Below(4));
    world_.token_life["batch"] = world_.token_max["batch"] = Seconds(minutes(10), minutes(40));
    world_.binds_tokens = world_.Chance(30);
    options_.identities = {{"batch", ""}};
    return {std::move(options_), std::move(secrets_)};
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
    secrets_.push_back(name);
    return options_.trees.back();
  }

  Tree& AddRole(const std::string& name, const SimRole& role, int min_ttl_percent) {
    Tree& tree = AddTree(name, Engine::kDynamic);
    if (min_ttl_percent > 0) tree.min_ttl = std::chrono::floor<seconds>(role.life / 100 * min_ttl_percent);
    world_.roles[tree.source] = role;
    return tree;
  }

  void AddValue(const std::string& name) {
    SimValue& value = world_.values[AddTree(name, Engine::kKv2).source];
    value.text = StrCat(name, "-1");
    if (name != "rotating") return;
    value.period = Seconds(minutes(1), minutes(5));
    value.next_change = world_.loop.Now() + value.period;
  }

  // Whole seconds, as servers count.
  Duration Seconds(Duration low, Duration high) { return std::chrono::floor<seconds>(world_.Between(low, high)); }

  SimWorld& world_;
  MachineOptions options_;
  std::vector<std::string> secrets_;
};

}  // namespace

std::pair<MachineOptions, std::vector<std::string>> MakeSettings(SimWorld& world) {
  return Maker(world).Make();
}

}  // namespace leasefs::lease
