// Any bytes as a server's JSON and as its Retry-After: read within bounds, or refused with words that are safe to show
// and quote nothing.
#include <cstdint>
#include <string>

#include "backend/http/json_text.h"
#include "backend/http/retry_after.h"
#include "fs/base/strings.h"
#include "tests/fuzz/require.h"

namespace leasefs::http {
namespace {

// What was read and written again reads as the same, byte for byte.
void CheckJson(std::string_view text) {
  JsonText first;
  const Status read =
      ReadJson(SecretBuffer::CopyOf(text), first, {.max_bytes = 1 << 16, .max_depth = 20, .max_values = 5000});
  if (!read.ok()) {
    Require(read.error().kind() == ErrorKind::kRemote || read.error().kind() == ErrorKind::kTooLarge);
    return RequireShowable(read.error());
  }
  Require(first.complete() && text.size() <= (1 << 16));
  const SecretBuffer compact = first.Take();
  Require(IsValidUtf8(compact.ExposeText()));
  JsonText second;
  Require(ReadJson(SecretBuffer::CopyOf(compact.Expose()), second).ok());
  Require(second.Take().ExposeText() == compact.ExposeText());
}

}  // namespace
}  // namespace leasefs::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs::http;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckJson(text);
  const auto wait = ParseRetryAfter(text, "", {}, std::chrono::seconds(60));
  leasefs::Require(!wait || (*wait >= std::chrono::seconds(0) && *wait <= std::chrono::seconds(60)));
  return 0;
}
