#include "backend/http/options.h"

#include <openssl/x509_vfy.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

constexpr size_t kMaxAddresses = 16;

Error Wrong(std::string_view what) {
  return {ErrorKind::kInvalid, std::string(what)};
}

Status CheckReadable(std::string_view option, const std::string& path) {
  if (path.empty() || access(path.c_str(), R_OK) == 0) return Ok();
  return ErrnoError(StrCat(option, " ", path), errno, ErrorKind::kInvalid);
}

Status CheckTls(const TlsOptions& tls) {
  if (!tls.ca_file.empty() && !tls.ca_directory.empty()) return Wrong("give either ca_file or ca_directory, not both");
  if (tls.client_certificate_file.empty() != tls.client_key_file.empty()) {
    return Wrong("a client certificate needs its key, and a key its certificate: give both files or none");
  }
  LEASEFS_RETURN_IF_ERROR(CheckReadable("ca_file", tls.ca_file));
  LEASEFS_RETURN_IF_ERROR(CheckReadable("ca_directory", tls.ca_directory));
  LEASEFS_RETURN_IF_ERROR(CheckReadable("client certificate", tls.client_certificate_file));
  LEASEFS_RETURN_IF_ERROR(CheckReadable("client key", tls.client_key_file));
  if (!tls.server_name.empty()) {
    const auto name = ParseAddress(StrCat("https://", tls.server_name), PlainHttp::kRefused);
    if (!name.ok() || name->port != 443 || name->IsIpv6()) return Wrong("tls_server_name is a host name alone");
  }
  if (tls.ca_file.empty()) return Ok();
  struct FreeStore {
    void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  };
  const std::unique_ptr<X509_STORE, FreeStore> store(X509_STORE_new());
  if (store == nullptr || X509_STORE_load_file(store.get(), tls.ca_file.c_str()) != 1) {
    return Wrong(StrCat("ca_file ", tls.ca_file, ": there is no PEM certificate in it"));
  }
  return Ok();
}

}  // namespace

Status CheckOptions(const Options& options) {
  const std::vector<Address>& addresses = options.client.addresses;
  if (addresses.empty() || addresses.size() > kMaxAddresses) {
    return Wrong(StrCat("a server has 1 to ", kMaxAddresses, " addresses"));
  }
  for (auto address = addresses.begin(); address != addresses.end(); ++address) {
    if (std::find(addresses.begin(), address, *address) != address) {
      return Wrong(StrCat("the address ", address->Text(), " is there twice"));
    }
  }
  if (options.client.max_in_flight == 0) return Wrong("no request could ever be sent: max_in_flight is 0");
  return CheckTls(options.transport.tls);
}

}  // namespace leasefs::http
