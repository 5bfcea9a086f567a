// What the keeper holds while its children come and go, and how a child is started from it.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>

#include "fs/base/loop.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/unique_fd.h"
#include "fs/config/config_reader.h"
#include "fs/config/options.h"
#include "fs/keeper/child_process.h"
#include "fs/keeper/mount.h"

namespace leasefs {

struct SurvivingMemorySizes {  // bytes; what the code that maps them says
  size_t slots = 0;
  size_t state = 0;
  size_t audit = 0;
  size_t leases = 0;  // of each backend that leases
};

struct Holdings {
  // Takes the lock first, mounts last. On an error nothing is left behind. kInvalid: the configuration does not fit
  // this host.
  static Result<Holdings> Acquire(const Config& config, const AccountDatabase& accounts, SurvivingMemorySizes sizes,
                                  Random& random);
  // After the connection was lost: a new mount, with new memories, since what they held was said to the old connection.
  Status MountAnew(const Config& config, SurvivingMemorySizes sizes, Random& random);
  // Removes the sockets and unmounts.
  void GiveBack();

  UniqueFd lock;
  RuleUser fs_user;
  RuleUser backend_user;
  RuleGroup group;
  UniqueFd control_listener;
  std::map<std::string, UniqueFd> store_listeners;  // by backend
  UniqueFd audit_file;                              // none without a file sink
  UniqueFd slots_memory, state_memory, audit_memory;
  SecretBuffer state_key;  // seals secret bytes in surviving memory; never leaves but by pipe
  std::map<std::string, UniqueFd> lease_memories;  // by backend; these outlive the mount
  SecretBuffer lease_key;                          // seals them; each backend has a key that follows from it
  UniqueFd procfs;
  std::unique_ptr<FuseMount> mount;
  std::string run_directory;
};

// `executable` with the role's arguments and exactly its descriptors (ChildDescriptor).
Result<ChildSpec> FsSpec(const Holdings& holdings, const Config& config, uint64_t generation,
                         const std::string& executable, UniqueFd keeper_socket);
// A key that cannot be had is no error: the store starts locked and says why. No descriptor: a passphrase.
Result<ChildSpec> StoreSpec(const Holdings& holdings, const Config& config, const BackendOptions& backend,
                            const std::string& executable, UniqueFd keeper_socket, Result<UniqueFd> key);
Result<ChildSpec> VaultSpec(const Holdings& holdings, const Config& config, const BackendOptions& backend,
                            const std::string& executable, UniqueFd keeper_socket);

}  // namespace leasefs
