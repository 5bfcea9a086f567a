#include "backend/http/options.h"

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

constexpr size_t kMaxAddresses = 16;

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using PrivateKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio MemoryBio(const SecretBuffer& text) {
  return {BIO_new_mem_buf(text.Expose().data(), static_cast<int>(text.size())), &BIO_free};
}

Certificate FirstCertificate(const SecretBuffer& pem) {
  const Bio bio = MemoryBio(pem);
  return {bio == nullptr ? nullptr : PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free};
}

// Encrypted keys are refused: nobody is there to be asked for the passphrase.
int NoPassphrase(char* /*out*/, int /*size*/, int /*writing*/, void* /*context*/) {
  return -1;
}

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
  if (tls.pem != nullptr) LEASEFS_RETURN_IF_ERROR(CheckPem(*tls.pem));
  if (!tls.server_name.empty()) {
    const auto name = ParseAddress(StrCat("https://", tls.server_name), PlainHttp::kRefused);
    if (!name.ok() || name->port != 443 || name->IsIpv6()) return Wrong("server_name is a host name alone");
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

Status CheckPem(const TlsPem& pem) {
  if (!pem.authorities.empty() && FirstCertificate(pem.authorities) == nullptr) {
    return Wrong("the file of authorities holds no PEM certificate");
  }
  if (pem.client_certificate.empty() != pem.client_key.empty()) {
    return Wrong("a client certificate needs its key, and a key its certificate: give both or none");
  }
  if (pem.client_certificate.empty()) return Ok();
  const Certificate certificate = FirstCertificate(pem.client_certificate);
  if (certificate == nullptr) return Wrong("the file of the client certificate holds no PEM certificate");
  const Bio bio = MemoryBio(pem.client_key);
  const PrivateKey key(bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, &NoPassphrase, nullptr),
                       &EVP_PKEY_free);
  if (key == nullptr) return Wrong("the file of the client key holds no PEM key that is not encrypted");
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return Wrong("the client key does not belong to the client certificate");
  }
  return Ok();
}

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
