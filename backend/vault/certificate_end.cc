#include "backend/vault/certificate_end.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace leasefs::vault {
namespace {

constexpr size_t kMaxSshBytes = 64 << 10;

// Key types and how many fields of the public key stand between nonce and serial.
struct SshKey {
  std::string_view type;
  int fields;
};
constexpr SshKey kSshKeys[] = {
    {"ssh-rsa-cert-v01@openssh.com", 2},
    {"rsa-sha2-256-cert-v01@openssh.com", 2},
    {"rsa-sha2-512-cert-v01@openssh.com", 2},
    {"ssh-dss-cert-v01@openssh.com", 4},
    {"ecdsa-sha2-nistp256-cert-v01@openssh.com", 2},
    {"ecdsa-sha2-nistp384-cert-v01@openssh.com", 2},
    {"ecdsa-sha2-nistp521-cert-v01@openssh.com", 2},
    {"ssh-ed25519-cert-v01@openssh.com", 1},
    {"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com", 3},
    {"sk-ssh-ed25519-cert-v01@openssh.com", 2},
};

// SSH's encoding (RFC 4251, section 5), big-endian.
class SshReader {
 public:
  explicit SshReader(std::string_view bytes) : rest_(bytes) {}

  uint64_t Number(size_t size) {
    if (rest_.size() < size) return Fail();
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(rest_[i]);
    rest_.remove_prefix(size);
    return value;
  }
  std::string_view String() {
    const uint64_t size = Number(4);
    if (!ok_ || size > rest_.size()) {
      Fail();
      return "";
    }
    const std::string_view value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return value;
  }
  bool ok() const { return ok_; }

 private:
  uint64_t Fail() {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

// Base64 with its padding. Empty: it is none.
std::string FromBase64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > kMaxSshBytes) return "";
  std::string out(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (size < 0) return "";
  out.resize(static_cast<size_t>(size));  // zeros of the padding stay behind what we read
  return out;
}

}  // namespace

std::optional<WallTime> EndOfCertificate(std::string_view pem) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                      &BIO_free);
  if (bio == nullptr) return std::nullopt;
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                                &X509_free);
  std::tm time{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &time) != 1) return std::nullopt;
  // RFC 5280, section 4.1.2.5: 99991231235959Z is "no end"; the host's clock counts from 1678 to 2262.
  const std::chrono::year year(std::clamp(time.tm_year + 1900, 1970, 2261));
  const std::chrono::year_month_day day(year, std::chrono::month(static_cast<unsigned>(time.tm_mon) + 1),
                                        std::chrono::day(static_cast<unsigned>(time.tm_mday)));
  if (!day.ok()) return std::nullopt;
  return WallTime(std::chrono::sys_days(day)) + std::chrono::hours(time.tm_hour) + std::chrono::minutes(time.tm_min) +
         std::chrono::seconds(time.tm_sec);
}

std::optional<WallTime> EndOfSshCertificate(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  const std::string_view type = line.substr(0, space);
  const auto* key = std::ranges::find(kSshKeys, type, &SshKey::type);
  if (key == std::end(kSshKeys)) return std::nullopt;
  std::string_view encoded = line.substr(space + 1);
  encoded = encoded.substr(0, encoded.find_first_of(" \r\n"));
  const std::string bytes = FromBase64(encoded);
  SshReader reader(bytes);
  if (reader.String() != type) return std::nullopt;
  for (int i = 0; i < 1 + key->fields; ++i) reader.String();  // the nonce and the public key
  reader.Number(8);                                           // serial
  reader.Number(4);                                           // for users or hosts
  reader.String();                                            // its name
  reader.String();                                            // principals
  reader.Number(8);                                           // valid after
  const uint64_t valid_before = reader.Number(8);
  if (!reader.ok()) return std::nullopt;
  constexpr uint64_t kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / 1'000'000'000;
  if (valid_before >= kMax) return WallTime::max();
  return WallTime(std::chrono::seconds(valid_before));
}

}  // namespace leasefs::vault
