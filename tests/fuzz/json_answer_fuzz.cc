// Any bytes as a server's JSON, as a path to escape, as a path that a redirect names and as an address: read within
// bounds, or refused with words that are safe to show and quote nothing.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "backend/http/address.h"
#include "backend/http/json_text.h"
#include "backend/http/path_escape.h"
#include "backend/http/retry_after.h"
#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckError(const Error& error) {
  Require(error.message().size() < 400 && Printable(error.message(), 400) == error.message());
}

// What was read and written again reads as the same, byte for byte.
void CheckJson(std::string_view text) {
  JsonText first;
  const Status read =
      ReadJson(SecretBuffer::CopyOf(text), first, {.max_bytes = 1 << 16, .max_depth = 20, .max_values = 5000});
  if (!read.ok()) {
    Require(read.error().kind() == ErrorKind::kRemote || read.error().kind() == ErrorKind::kTooLarge);
    return CheckError(read.error());
  }
  Require(first.complete() && text.size() <= (1 << 16));
  const SecretBuffer compact = first.Take();
  Require(IsValidUtf8(compact.ExposeText()));
  JsonText second;
  Require(ReadJson(SecretBuffer::CopyOf(compact.Expose()), second).ok());
  Require(second.Take().ExposeText() == compact.ExposeText());
}

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
    i += 2;
  }
  return out;
}

void CheckPaths(std::string_view text) {
  if (const auto path = EscapePath(text); path.ok()) {
    Require(path->size() > 4000 || CheckEscapedPath("/" + *path).ok());
    Require(Unescape(*path) == text);
  } else {
    CheckError(path.error());
  }
  Require(Unescape(EscapeQuery(text)) == text);
  if (const Status checked = CheckEscapedPath(text); !checked.ok()) return CheckError(checked.error());
  Require(text.starts_with('/') && text.find_first_of(" \t\r\n#\"\\") == text.npos);
  const std::string path = Unescape(text.substr(0, text.find('?'))) + "/";
  Require(path.find("/../") == path.npos && path.find("/./") == path.npos && path.find('\0') == path.npos);
}

void CheckAddress(std::string_view text) {
  const auto address = ParseAddress(text, PlainHttp::kToLoopback);
  if (!address.ok()) return CheckError(address.error());
  Require(*ParseAddress(address->Text(), PlainHttp::kToLoopback) == *address);
  Require(address->Text().find_first_of(" @?#\r\n") == std::string::npos);
}

}  // namespace
}  // namespace leasefs::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs::http;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckJson(text);
  CheckPaths(text);
  CheckAddress(text);
  const auto wait = ParseRetryAfter(text, "", {}, std::chrono::seconds(60));
  Require(!wait || (*wait >= std::chrono::seconds(0) && *wait <= std::chrono::seconds(60)));
  return 0;
}
