#include "tests/support/test_certificates.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace leasefs::test {
namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

std::string MakeDirectory() {
  std::string directory = (std::filesystem::temp_directory_path() / "leasefs-certificates-XXXXXX").string();
  Require(mkdtemp(directory.data()) != nullptr);
  return directory;
}

template <class Write>
void WriteFile(const std::string& path, const Write& write) {
  FILE* file = fopen(path.c_str(), "we");
  Require(file != nullptr && write(file) == 1 && fclose(file) == 0);
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name)
    : directory_(MakeDirectory()), key_(EVP_EC_gen("P-256"), EVP_PKEY_free) {
  certificate_ = Sign(key_.get(), {.common_name = name, .alternative_names = ""}, /*authority=*/true);
  WriteFile(certificate_file(), [&](FILE* file) { return PEM_write_X509(file, certificate_.get()); });
}

TestAuthority::~TestAuthority() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::unique_ptr<X509, void (*)(X509*)> TestAuthority::Sign(EVP_PKEY* subject_key, const CertificateSpec& spec,
                                                           bool authority) {
  std::unique_ptr<X509, void (*)(X509*)> signed_one(X509_new(), X509_free);
  X509* certificate = signed_one.get();
  X509* issuer = authority ? certificate : certificate_.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), next_serial_++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), spec.begins_in.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate), spec.ends_in.count());
  X509_set_pubkey(certificate, subject_key);
  const auto* name = reinterpret_cast<const unsigned char*>(spec.common_name.c_str());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, name, -1, -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  AddExtension(certificate, issuer, NID_basic_constraints, authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!spec.alternative_names.empty()) AddExtension(certificate, issuer, NID_subject_alt_name, spec.alternative_names);
  Require(X509_sign(certificate, key_.get(), EVP_sha256()) > 0);
  return signed_one;
}

CertificateFiles TestAuthority::Issue(const CertificateSpec& spec) {
  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::string base = directory_ + "/" + std::to_string(next_serial_);
  const auto certificate = Sign(key.get(), spec, /*authority=*/false);
  CertificateFiles files = {.certificate = base + ".pem", .key = base + ".key"};
  WriteFile(files.certificate, [&](FILE* file) { return PEM_write_X509(file, certificate.get()); });
  WriteFile(files.key,
            [&](FILE* file) { return PEM_write_PrivateKey(file, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  return files;
}

}  // namespace leasefs::test
