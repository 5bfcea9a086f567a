#include "backend/http/message.h"

#include <algorithm>
#include <cstdlib>

#include "backend/http/path_escape.h"
#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

bool IsTokenCharacter(char c) {
  const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || c == '-' || c == '_';
}

}  // namespace

std::string_view MethodName(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kPatch:
      return "PATCH";
    case Method::kDelete:
      return "DELETE";
  }
  std::abort();
}

std::string_view Response::Header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &ResponseHeader::name);
  return found == headers.end() ? std::string_view() : std::string_view(found->value);
}

Status CheckRequest(const Request& request) {
  LEASEFS_RETURN_IF_ERROR(CheckEscapedPath(request.path));
  if (request.method == Method::kGet && !request.body.empty()) {
    return Error(ErrorKind::kInvalid, "a GET request with a body");
  }
  for (const RequestHeader& header : request.headers) {
    if (header.name.empty() || !std::ranges::all_of(header.name, IsTokenCharacter)) {
      return Error(ErrorKind::kInvalid, StrCat("no header can have the name \"", Printable(header.name, 40), "\""));
    }
    // SECURITY: a line break in a token would begin another header.
    const std::string_view value = header.value.ExposeText();
    const bool printable = std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; });
    if (value.empty() || !printable || value.front() == ' ' || value.back() == ' ') {
      return Error(ErrorKind::kInvalid,
                   StrCat("the value of the header ", header.name,
                          " is empty, has spaces around it or bytes that are not printable ASCII"));
    }
  }
  return Ok();
}

}  // namespace leasefs::http
