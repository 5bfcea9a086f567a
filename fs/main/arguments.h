// leasefsd's command line. What is for a person is --config, --check-config, --version and --help; the rest is between
// the keeper and its children.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fs/base/result.h"

namespace leasefs {

enum class Role : uint8_t { kKeeper, kCheckConfig, kCheckLogin, kDetach, kFs, kStore, kVault, kHelp, kVersion };

struct Arguments {
  Role role = Role::kKeeper;
  std::string config;  // --config, else LEASEFS_CONFIG, else kDefaultConfig
  // Of a child:
  std::string name;         // --name: the backend's
  std::string key_problem;  // --key-problem: why the store has no key
  uid_t uid = 0;            // --uid, --gid: whom to become
  gid_t gid = 0;
  gid_t peer_group = 0;       // --peer-group: who may use its socket, beside root
  uint64_t generation = 0;    // --generation: of the configuration
  bool require_lock = false;  // --require-lock
  bool json = false;          // --json, of --check-login
};

inline constexpr char kDefaultConfig[] = "/etc/leasefs/leasefs.toml";

// `words`: without argv[0]. kInvalid in words for a person.
Result<Arguments> ParseArguments(const std::vector<std::string>& words);
std::string HelpText();

}  // namespace leasefs
