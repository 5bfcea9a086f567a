// The verbs of fs's control socket, as a table: a verb that is not in it does not exist, and every row names the right
// it needs.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fs/base/loop.h"
#include "fs/base/peer_server.h"
#include "fs/base/result.h"
#include "fs/control/control_target.h"
#include "fs/control/wire.h"

namespace leasefs::control {

struct VerbCall {
  ControlTarget& target;
  const Loop& loop;
  const std::vector<std::string>& arguments;  // as many as the row allows; valid during the call
  Answer<std::string> done;                   // the JSON
};

struct VerbRow {
  std::string_view name;
  Right right;
  size_t least_arguments, most_arguments;
  std::string_view usage;  // of the arguments, for the error
  void (*run)(const VerbCall& call);
};

std::span<const VerbRow> Verbs();

// SECURITY: what a peer that was let in may do. Members of the group observe and operate; values are for root only.
bool MayUse(Right right, const PeerCredentials& peer);

// Looks up, checks right and shape, runs. Errors say what would be right.
void RunVerb(ControlTarget& target, const Loop& loop, const PeerCredentials& peer, const ControlRequest& request,
             Answer<std::string> done, std::span<const VerbRow> verbs = Verbs());

}  // namespace leasefs::control
