// Any bytes as a path to escape, as a path that a redirect names and as an address: what is sent means what was asked
// for, and the rest is refused with words that are safe to show.
#include <cstdint>
#include <string>

#include "backend/http/path_escape.h"
#include "fs/base/address.h"
#include "tests/fuzz/require.h"

namespace leasefs::http {
namespace {

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
    RequireShowable(path.error());
  }
  Require(Unescape(EscapeQuery(text)) == text);
  if (const Status checked = CheckEscapedPath(text); !checked.ok()) return RequireShowable(checked.error());
  Require(text.starts_with('/') && text.find_first_of(" \t\r\n#\"\\") == text.npos);
  const std::string path = Unescape(text.substr(0, text.find('?'))) + "/";
  Require(path.find("/../") == path.npos && path.find("/./") == path.npos && path.find('\0') == path.npos);
}

void CheckAddress(std::string_view text) {
  const auto address = ParseAddress(text, PlainHttp::kToLoopback);
  if (!address.ok()) return RequireShowable(address.error());
  Require(*ParseAddress(address->Text(), PlainHttp::kToLoopback) == *address);
  Require(address->Text().find_first_of(" @?#\r\n") == std::string::npos);
}

}  // namespace
}  // namespace leasefs::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs::http;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckPaths(text);
  CheckAddress(text);
  return 0;
}
