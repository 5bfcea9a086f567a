#include "backend/http/redirect.h"

#include <algorithm>

#include "backend/http/path_escape.h"
#include "fs/base/strings.h"

namespace leasefs::http {

Result<RedirectTarget> FollowRedirect(const Response& response, const std::vector<Address>& configured, size_t from,
                                      std::string_view path) {
  const auto refused = [&](std::string_view what) {
    return Error(ErrorKind::kRemote, StrCat(configured[from].HostAndPort(), " answered ", response.status, ": ", what));
  };
  if (response.status != 307 && response.status != 308) {
    return refused("of the redirects only 307 and 308 are followed; is this the address of the server itself?");
  }
  const std::string_view location = response.Header("location");
  if (location.empty()) return refused("a redirect that does not say where to");
  if (location.starts_with("http://")) return refused("a redirect to plain http, which would show the token");
  RedirectTarget target{.address = from, .path = std::string(location)};
  if (!location.starts_with('/') || location.starts_with("//")) {
    const size_t scheme_end = location.find("://");
    const size_t path_at =
        scheme_end == std::string_view::npos ? std::string_view::npos : location.find('/', scheme_end + 3);
    const auto address = ParseAddress(location.substr(0, path_at), PlainHttp::kRefused);
    if (!address.ok()) {
      return refused(StrCat("a redirect to \"", Printable(location, 120),
                            "\", which cannot be followed: ", address.error().message()));
    }
    const auto known = std::ranges::find(configured, address.value());
    if (known == configured.end()) {
      return refused(
          StrCat("a redirect to ", address->HostAndPort(),
                 ", which is not among the configured addresses: add it there if it belongs to the cluster"));
    }
    target.address = static_cast<size_t>(known - configured.begin());
    target.path = path_at == std::string_view::npos ? "/" : location.substr(path_at);
  }
  if (!configured[target.address].tls) return refused("a redirect to plain http, which would show the token");
  if (!CheckEscapedPath(target.path).ok()) return refused("a redirect to a path that is not well formed");
  if (target.address == from && target.path == path) return refused("a redirect to itself");
  return target;
}

}  // namespace leasefs::http
