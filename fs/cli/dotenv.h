// The dotenv reader: what docker, compose and the dotenv libraries agree on, and an error where they do not.
//
//   # a comment
//   NAME=plain text            up to the end of the line or " #"; spaces at both ends are dropped
//   export NAME='as it is'     nothing has a meaning, may span lines
//   NAME="with \n \r \t \\ \" \$ and \`"   may span lines
//
// Variables are never expanded: "$NAME", "${" and "$(" outside single quotes are errors, since some readers would put
// something else there. So are a name that comes twice and, in double quotes, a backslash before anything else.
#pragma once

#include <string>
#include <vector>

#include "backend/protocol.h"
#include "fs/base/result.h"

namespace leasefs::cli {

// Errors are kInvalid, "FILE:LINE:COLUMN: …", without a byte of any value. Values are copied from buffer to buffer.
Result<std::vector<protocol::Field>> ParseDotenv(const std::string& file, const SecretBuffer& text);

}  // namespace leasefs::cli
