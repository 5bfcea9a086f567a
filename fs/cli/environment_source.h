// EnvironmentSource: what `leasefs run --env-from PATH` puts into an environment.
//
// PATH is a secret's directory, whose keys become variables of their names, or a file of NAME=VALUE lines, such as the
// form .env (dotenv.h). Blocks on file I/O.
#pragma once

#include <string>
#include <vector>

#include "fs/base/secret_buffer.h"
#include "fs/cli/failure.h"

namespace leasefs::cli {

struct EnvironmentEntry {
  std::string name;
  SecretBuffer text;  // "NAME=VALUE" and a NUL
};

// All of one version of the secret. Fails when a key's name is no identifier or its value has a NUL, since no
// environment can hold it, and when there is no key at all; messages name the key and hold no value.
Outcome<std::vector<EnvironmentEntry>> ReadEnvironmentFrom(const std::string& path);

}  // namespace leasefs::cli
