// Certificates made on the spot: good ones and bad ones. For tests.
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <chrono>
#include <memory>
#include <string>

namespace leasefs::test {

struct CertificateFiles {
  std::string certificate;  // PEM, path
  std::string key;
};

struct CertificateSpec {
  std::string common_name = "localhost";
  std::string alternative_names = "DNS:localhost,IP:127.0.0.1";
  std::chrono::seconds begins_in = std::chrono::hours(-1);
  std::chrono::seconds ends_in = std::chrono::hours(24);
};

// An authority that signs. Its files, and those it issues, lie in a temporary directory that goes with it.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  CertificateFiles Issue(const CertificateSpec& spec);
  std::string certificate_file() const { return directory_ + "/ca.pem"; }
  const std::string& directory() const { return directory_; }

 private:
  std::unique_ptr<X509, void (*)(X509*)> Sign(EVP_PKEY* subject_key, const CertificateSpec& spec, bool authority);

  std::string directory_;
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  std::unique_ptr<X509, void (*)(X509*)> certificate_{nullptr, X509_free};
  long next_serial_ = 1;
};

}  // namespace leasefs::test
