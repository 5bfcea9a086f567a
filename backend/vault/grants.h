// What an engine answered, as a lease::Grant: which keys there are, and when it ends.
#pragma once

#include <string>

#include "backend/lease/source.h"
#include "backend/vault/engines.h"
#include "backend/vault/vault_client.h"

namespace leasefs::vault {

// `raw_key`: the name of the key of an answer that is text.
lease::Answer<lease::Grant> GrantOf(const Subject& subject, AnswerKind kind, const std::string& raw_key,
                                    VaultReply reply);

}  // namespace leasefs::vault
