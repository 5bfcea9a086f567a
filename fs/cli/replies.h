// What several verbs say about a store's reply.
#pragma once

#include "backend/store/admin_wire.h"
#include "fs/cli/places.h"
#include "fs/cli/verb.h"

namespace leasefs::cli {

// "local:web/tls  version 3", and a warning when the mount does not show it yet.
void ShowNewVersion(Context& context, const Place& place, const store_admin::AdminReply& reply);
// A warning when no tree of the daemon shows one of `secrets`; nothing when it cannot be asked.
void WarnIfShownNowhere(Context& context, const std::string& backend, const std::vector<std::string>& secrets);
void WarnIfNotApplied(Context& context, const store_admin::AdminReply& reply);
// A version's number as a word of the command line: 1 and up.
Outcome<uint64_t> ParseVersion(const std::string& text);

}  // namespace leasefs::cli
