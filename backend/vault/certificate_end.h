// Until when a certificate is valid, from the certificate itself.
#pragma once

#include <optional>
#include <string_view>

#include "fs/base/time.h"

namespace leasefs::vault {

// X.509, PEM (the first in the text).
std::optional<WallTime> EndOfCertificate(std::string_view pem);

// OpenSSH: "ssh-ed25519-cert-v01@openssh.com AAAA… comment" (PROTOCOL.certkeys of OpenSSH). Nothing when it cannot be
// read; WallTime::max() when it has no end.
std::optional<WallTime> EndOfSshCertificate(std::string_view line);

}  // namespace leasefs::vault
