// Any text as a configuration: refused with words that name a place, or accepted. What is accepted can be handed to
// fs, and its rules decide every case as the naive evaluator does.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "fs/base/strings.h"
#include "fs/config/config_codec.h"
#include "fs/config/config_reader.h"
#include "fs/policy/policy.h"
#include "tests/config/fake_accounts.h"
#include "tests/policy/naive_evaluator.h"

namespace leasefs {
namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

void CheckMessage(const std::string& message) {
  Require(!message.empty() && message.size() < 200'000 && IsValidUtf8(message), "the message is bounded text");
  for (const std::string& line : Split(message, '\n')) {
    Require(line.starts_with("fuzz:") || line.starts_with("and "), "every line names its place");
    Require(Printable(line, line.size()) == line, "every line is printable");
  }
}

void CheckHandedOver(const Config& config) {
  SecretBuffer bytes = EncodeForFs(config);
  Result<Config> decoded = DecodeForFs(bytes.Expose());
  Require(decoded.ok(), "what the reader accepts can be handed to fs");
  Require(ConstantTimeEqual(EncodeForFs(*decoded), bytes), "and arrives as it was");
  for (const BackendOptions& backend : config.backends) {
    Require(DecodeForStore(EncodeForStore(backend, config.limits, config.audit).Expose()).ok(), "and to a store");
  }
}

// The evaluator is exponential in the number of stars.
bool IsEasy(const Config& config) {
  return config.rules.size() <= 64 && std::all_of(config.rules.begin(), config.rules.end(), [](const AllowRule& rule) {
           return std::count(rule.path.begin(), rule.path.end(), '*') <= 8 && rule.path.size() <= 200;
         });
}

std::vector<std::string> SomePaths(const Config& config) {
  std::vector<std::string> paths = {"web/key", "a", "a/b/c", "web/.env"};
  for (const AllowRule& rule : config.rules) {
    std::string path = rule.path;
    std::replace(path.begin(), path.end(), '*', 'x');
    paths.push_back(path);
    paths.push_back(path + "/y");
  }
  for (const TreeOptions& tree : config.trees) {
    if (tree.path.size() <= 200) paths.push_back(tree.path + "/secret/key");
  }
  paths.resize(std::min(paths.size(), size_t{40}));
  return paths;
}

void CheckDecision(const Policy& policy, const std::string& path, const Caller& caller,
                   const std::vector<gid_t>& groups) {
  using Outcome = Decision::Outcome;
  RuleSetId id = policy.RulesFor(path);
  Decision informed = policy.Decide(id, caller, &groups);
  int expected = naive::FirstAllowing(policy.rules(), path, caller, groups);
  Require(informed.outcome == (expected >= 0 ? Outcome::kAllow : Outcome::kDeny), "the outcome is the evaluator's");
  Require(informed.rule == expected, "and the rule");
  Decision early = policy.Decide(id, caller, nullptr);
  Require(early.outcome == Outcome::kNeedGroups || early.outcome == informed.outcome, "without groups it is not wrong");
  mode_t mode = policy.OwnershipFor(id).mode;
  Require(mode == 0400 || mode == 0440 || mode == 0444, "the mode is one of three");
}

void CheckDecisions(const Config& config) {
  if (!IsEasy(config)) return;
  Policy policy(config.rules, 1);
  for (const std::string& path : SomePaths(config)) {
    for (const Caller& caller : {Caller{33, 33, 5}, Caller{0, 0, 0}, Caller{0, 0, 5}, Caller{1000, 110, 5}}) {
      CheckDecision(policy, path, caller, {});
      CheckDecision(policy, path, caller, {33, 110});
    }
  }
}

}  // namespace
}  // namespace leasefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs;  // NOLINT(google-build-using-namespace)
  std::string text(reinterpret_cast<const char*>(data), size);
  Result<Config> config = ParseConfig(text, "fuzz", FakeAccounts());
  if (!config.ok()) {
    CheckMessage(config.error().message());
    return 0;
  }
  CheckHandedOver(*config);
  CheckDecisions(*config);
  return 0;
}
