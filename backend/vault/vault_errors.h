// What an answer that is none means: the table of status codes, turned into a lease::Failure with words that say what
// is wrong and what to do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "backend/http/message.h"
#include "backend/lease/source.h"
#include "backend/vault/vault_answer.h"

namespace leasefs::vault {

enum class Asked : uint8_t {
  kMount,    // what is mounted at a path
  kRead,     // of something static
  kSubkeys,  // KV v2: the names of a secret's keys
  kList,     // of names
  kMint,
  kLogin,
  kWrapping,  // what a wrapping token holds
  kTokenLookup,
  kTokenRenewal,
  kTokenRevocation,
  kLeaseRenewal,
  kLeaseRevocation,
};

struct Subject {
  Asked asked = Asked::kRead;
  std::string place;  // for the message: "database/creds/app", "the login of the identity \"web\" (approle)"
  std::string path;   // that a policy must grant: "secret/data/web"; "": as the place

  // Asking twice makes two of something. Such requests are sent once, and an answer that cannot be read is in doubt.
  bool Mints() const { return asked == Asked::kMint || asked == Asked::kLogin || asked == Asked::kWrapping; }
};

// No answer came, or none that HTTP knows.
lease::Failure FailureOfTransport(const Subject& subject, const Error& error, bool in_doubt);
// An answer came, but what it says is not what such a server says: a web page, a load balancer's error, half a JSON.
// `why` is "" or a reader's message.
lease::Failure FailureOfStranger(const Subject& subject, const http::Response& response, std::string_view why);
// An error that the server itself tells. `answer` is its body; its `errors` may be empty.
lease::Failure FailureOfStatus(const Subject& subject, const http::Response& response, const VaultAnswer& answer);

// The answer came, and does not hold what it must.
lease::Failure WrongAnswer(const Subject& subject, std::string_view what);
// kRefused: an answer about this place.
lease::Failure Refused(const Subject& subject, ErrorKind kind, std::string_view what);

// Statuses of a server that cannot serve at all, or not this: another address may.
bool IsToBeAvoided(int status);

// A server's error text for a person, on one line; "" when it could hold more than words. SECURITY: servers quote what
// they were sent and what their plugins say; so nothing that could be a token, a password or an URL with one passes.
std::string Quotable(std::string_view text);

}  // namespace leasefs::vault
