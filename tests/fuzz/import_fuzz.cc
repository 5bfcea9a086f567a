// Any bytes as a .env and as a JSON object to import: read within bounds, or refused with words that name the place and
// are safe to show.
#include <cstdint>

#include "fs/base/limits.h"
#include "fs/base/strings.h"
#include "fs/cli/dotenv.h"
#include "fs/cli/json_import.h"
#include "tests/fuzz/require.h"

namespace leasefs::cli {
namespace {

void CheckError(const Error& error) {
  Require(error.kind() == ErrorKind::kInvalid && error.message().starts_with("fuzz:"));
  RequireShowable(error);
}

void CheckFields(const std::vector<protocol::Field>& fields, size_t input) {
  Require(fields.size() <= kMaxKeysPerSecret);
  size_t bytes = 0;
  for (const protocol::Field& field : fields) {
    Require(protocol::IsValidKey(field.key) && !field.too_large);
    bytes += field.value.size();
  }
  Require(bytes <= input);
}

}  // namespace
}  // namespace leasefs::cli

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs;       // NOLINT(google-build-using-namespace)
  using namespace leasefs::cli;  // NOLINT(google-build-using-namespace)
  const SecretBuffer text = SecretBuffer::CopyOf(std::span(reinterpret_cast<const std::byte*>(data), size));
  if (const auto fields = ParseDotenv("fuzz", text); fields.ok()) {
    CheckFields(fields.value(), size);
  } else {
    CheckError(fields.error());
  }
  if (const auto secrets = ParseJsonSecrets("fuzz", text); secrets.ok()) {
    for (const JsonSecret& secret : secrets.value()) {
      Require(protocol::IsValidPath(secret.path));
      CheckFields(secret.fields, size);
    }
  } else {
    CheckError(secrets.error());
  }
  return 0;
}
