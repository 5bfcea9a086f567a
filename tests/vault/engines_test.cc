// Everything that is no KV: what is minted, what is static, when it ends, and leases.
#include "backend/vault/engines.h"

#include "backend/vault/certificate_end.h"
#include "backend/vault/rotations.h"
#include "tests/vault/vault_fixture.h"

namespace leasefs::vault {
namespace {

using lease::Cause;
using lease::Engine;
using lease::Nature;
using lease::Tree;
using std::chrono::milliseconds;
using testing::Contains;
using testing::StartsWith;

// 2026-11-24 14:12:35, as the server's clock shows it at each answer here.
constexpr const char* kDate = "Tue, 24 Nov 2026 14:12:35 GMT";
constexpr int64_t kNow = 1795529555;

// A certificate for "a.test", valid until 2026-11-24 14:12:55, of an authority of which nothing is left.
constexpr const char* kCertificate =
    R"(-----BEGIN CERTIFICATE-----\nMIIBrTCCAVOgAwIBAgIUWSe7RDjvS080MPCqiVCimtW2q4EwCgYIKoZIzj0EAwIw\n)"
    R"(FDESMBAGA1UEAxMJdGVzdCByb290MB4XDTI2MTEyNDE0MTIwNVoXDTI2MTEyNDE0\nMTI1NVowETEPMA0GA1UEAxMGYS50ZXN0)"
    R"(MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD\nQgAEsY65KWW5AtBTswoN7hCkhVABV/d0er9mUy1rDEJ/DfOWPxlFUWfPuFkHlc3T\n)"
    R"(JbRC1THy5WT5v5NLrSm0aVhiOaOBhTCBgjAOBgNVHQ8BAf8EBAMCA6gwHQYDVR0l\nBBYwFAYIKwYBBQUHAwEGCCsGAQUFBwMC)"
    R"(MB0GA1UdDgQWBBSigUVAV8MIUshDxgsP\nca/3+tkUFTAfBgNVHSMEGDAWgBSz+/F9Ddrsc5S5nLcbKKnnSe/HZTARBgNVHREE\n)"
    R"(CjAIggZhLnRlc3QwCgYIKoZIzj0EAwIDSAAwRQIhAM4NvjcRTIS/EMcg5JnAnzKU\nnnDKlQQKqc2mPgNedDUXAiB9NKx6M0Xi)"
    R"(fRbbBHYzQcJBeZX0LZ2EwfYuiA3DAXcU\nCQ==\n-----END CERTIFICATE-----)";

// An OpenSSH certificate that ends at 1795529616.
constexpr std::string_view kSshCertificate =
    "ssh-ed25519-cert-v01@openssh.com "
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAINPAeQP0jcwhxCwk8F32LNarBbqmIUVtF0wJ0biWq9RbAAAAIHjAwdxsBj/"
    "RHVzgCFYxMMASNvzjj0fo2LP+mHCmOphwWP6YVRjpzwsAAAABAAAATHZhdWx0LXRva2VuLTU1MzZhOGY2NzE2MjBmOTUzY2ZjODYyZTVhNmU4YTA4"
    "YzUwOTE1MDcxYTBkYzhmYmMyZjBmNGFhMjZjNjRhYTEAAAAFAAAAAXUAAAAAawWbNgAAAABrBZuQAAAAAAAAAAAAAAAAAAAAMwAAAAtzc2gtZWQy"
    "NTUxOQAAACC45lwqMCa6zMipjwMvbSfYDJeZUvsy0RnxuniseHhLiwAAAFMAAAALc3NoLWVkMjU1MTkAAABAozDvF9+WtKPtMBqt+c27Ev5FZk6J"
    "imNP/4OdMOmEjwmx1y/LwY4UDXFG2F2JcCWhlC6Z9OePHHDp+EZRYFRLAw==";

class EnginesTest : public VaultFixture {
 protected:
  Tree At(const std::string& mount, const std::string& type, const std::string& rest) {
    Mount(mount + "/" + rest, mount, type);
    return TreeAt(mount + "/" + rest);
  }
  void Answer(const std::string& request, const std::string& members) {
    On(request, 200, Envelope(members), {{.name = "date", .value = kDate}});
  }
  lease::Answer<lease::Renewal> Renew(const Tree& tree, Duration wanted = seconds(60)) {
    return Answered<lease::Renewal>([&](auto done) { source().Renew(tree, "db/creds/app/l", token_, wanted, done); });
  }
  lease::Answer<Done> Revoke() {
    return Answered<Done>([&](auto done) { source().Revoke("", "db/creds/app/l", token_, done); });
  }
};

// ---- what is minted, by which method, with which names ----

TEST_F(EnginesTest, S6_WhatMakesSomethingNewIsKnownAndSoAreItsNames) {
  struct Case {
    const char* type;
    const char* rest;
    Nature nature;
    bool is_write;
    const char* first_key;
  };
  static constexpr Case kCases[] = {
      {"database", "creds/app", Nature::kMinted, false, "username"},
      {"database", "static-creds/app", Nature::kStatic, false, ""},
      {"database", "roles/app", Nature::kStatic, false, ""},
      {"pki", "issue/web", Nature::kMinted, true, "certificate"},
      {"pki", "sign/web", Nature::kMinted, true, "certificate"},
      {"pki", "ca/pem", Nature::kStatic, false, ""},
      {"pki", "cert/ca", Nature::kStatic, false, ""},
      {"ssh", "sign/r", Nature::kMinted, true, "serial_number"},
      {"ssh", "issue/r", Nature::kMinted, true, "private_key"},
      {"ssh", "creds/r", Nature::kMinted, true, "ip"},
      {"ssh", "public_key", Nature::kStatic, false, ""},
      {"totp", "code/a", Nature::kMinted, false, "code"},
      {"totp", "keys/a", Nature::kStatic, false, ""},
      {"transit", "decrypt/k", Nature::kMinted, true, "plaintext"},
      {"transit", "keys/k", Nature::kStatic, false, ""},
      {"rabbitmq", "creds/r", Nature::kMinted, false, "username"},
      {"kubernetes", "creds/r", Nature::kMinted, true, "service_account_name"},
      {"ldap", "creds/r", Nature::kMinted, false, "username"},
      {"ldap", "static-cred/r", Nature::kStatic, false, ""},
      {"ldap", "library/team/check-out", Nature::kMinted, true, "password"},
      {"aws", "creds/r", Nature::kMinted, false, "access_key"},
      {"aws", "sts/r", Nature::kMinted, false, "access_key"},
      {"consul", "creds/r", Nature::kMinted, false, "token"},
      {"cubbyhole", "x", Nature::kStatic, false, ""},
      {"somebody-elses", "any/thing", Nature::kMinted, false, ""},
      {"", "any/thing", Nature::kMinted, false, ""},
  };
  for (const Case& c : kCases) {
    const EngineFacts facts = FactsOf(c.type, c.rest);
    EXPECT_EQ(facts.nature, c.nature) << c.type << " " << c.rest;
    EXPECT_EQ(facts.is_write, c.is_write) << c.type << " " << c.rest;
    EXPECT_EQ(facts.keys.empty() ? "" : facts.keys[0], c.first_key) << c.type << " " << c.rest;
  }
}

TEST_F(EnginesTest, S6_FindingAPlaceAsksWhatIsMountedAndNothingElse) {
  const Tree tree = At("db", "database", "creds/app");
  const auto place = Good(Find(tree));
  EXPECT_EQ(place.nature, Nature::kMinted);
  EXPECT_THAT(place.keys, ElementsAre("username", "password"));
  EXPECT_EQ(Failed(List(tree)).error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(Asked(), ElementsAre("GET sys/internal/ui/mounts/db/creds/app"));
}

TEST_F(EnginesTest, TheTreesKeysCountMore) {
  Tree tree = At("db", "database", "creds/app");
  tree.keys = {"rsa_private_key", "username"};
  EXPECT_THAT(Good(Find(tree)).keys, ElementsAre("rsa_private_key", "username"));
  tree.engine = Engine::kDynamic;
  Again();
  EXPECT_THAT(Good(Find(tree)).keys, ElementsAre("rsa_private_key", "username"));
  EXPECT_THAT(Asked(), IsEmpty());
}

// ---- leased ----

TEST_F(EnginesTest, ADatabaseCredential) {
  const Tree tree = At("db", "database", "creds/app");
  Answer("GET db/creds/app",
         R"("lease_id":"db/creds/app/l","renewable":true,"lease_duration":5,"data":{"password":"p","username":"u"})");
  const auto grant = Good(Get(tree));
  EXPECT_THAT(Texts(grant.fields), ElementsAre("password=p", "username=u"));
  EXPECT_EQ(grant.lease_id, "db/creds/app/l");
  EXPECT_EQ(grant.life, seconds(5));
  EXPECT_TRUE(grant.renewable);
  EXPECT_EQ(grant.ends, kNever);
  EXPECT_EQ(grant.number, 0U);
}

TEST_F(EnginesTest, AnUnknownEngineIsMintedByGetOrAsTheTreeSays) {
  Tree tree = At("own", "somebody-elses", "thing/x");
  Answer("GET own/thing/x?a=plain%20text&b=2&c=%5B1%5D", R"("data":{"k":"v"})");
  Answer("POST own/thing/x", R"("data":{"k":"w"})");
  tree.params = {{"a", "\"plain text\""}, {"b", "2"}, {"c", "[1]"}};
  EXPECT_THAT(Texts(Good(Get(tree)).fields), ElementsAre("k=v"));
  tree.method = "POST";
  EXPECT_THAT(Texts(Good(Get(tree)).fields), ElementsAre("k=w"));
  EXPECT_EQ(Last().body, R"({"a":"plain text","b":2,"c":[1]})");
}

TEST_F(EnginesTest, ADynamicTreeWorksWithoutKnowingWhatIsMounted) {
  Tree tree = TreeAt("db/creds/app");
  tree.engine = Engine::kDynamic;
  On("GET sys/internal/ui/mounts/db/creds/app", 403, Errors("preflight capability check returned 403"));
  Answer("GET db/creds/app", R"("lease_id":"l","renewable":true,"lease_duration":5,"data":{"password":"p"})");
  EXPECT_EQ(Good(Find(tree)).nature, Nature::kMinted);
  EXPECT_EQ(Good(Get(tree)).lease_id, "l");
  EXPECT_EQ(std::ranges::count(Asked(), "GET sys/internal/ui/mounts/db/creds/app"), 1);
}

TEST_F(EnginesTest, AnAnswerWithoutDataIsNotFoundAndALeaseInItInDoubt) {
  const Tree tree = At("db", "database", "creds/app");
  On("GET db/creds/app", 204, "");
  Answer("GET db/creds/app", R"("lease_id":"l","data":null)");
  EXPECT_THAT(Words(Get(tree)), AllOf(StartsWith("refused not_found: "), Not(HasSubstr("in doubt"))));
  EXPECT_THAT(Words(Get(tree)), HasSubstr("(in doubt)"));
}

TEST_F(EnginesTest, AnAnswerThatIsWrappedIsRefused) {
  const Tree tree = At("db", "database", "creds/app");
  On("GET db/creds/app", 200, R"({"request_id":"r","data":null,"wrap_info":{"token":"s.wrap","ttl":60}})");
  EXPECT_THAT(Words(Get(tree)), AllOf(StartsWith("refused remote: "), HasSubstr("wraps"), Not(HasSubstr("s.wrap"))));
}

TEST_F(EnginesTest, ATokenAsASecret) {
  Tree tree = At("auth/token", "token", "create");
  tree.method = "POST";
  Answer("POST auth/token/create",
         R"("data":null,"auth":{"client_token":"s.child","accessor":"a","lease_duration":60})");
  const auto grant = Good(Get(tree));
  EXPECT_THAT(Texts(grant.fields), ElementsAre("client_token=s.child", "accessor=a"));
  EXPECT_EQ(grant.ends - grant.asked_at, seconds(60));
}

// PITFALLS 9 and 10: a credential is minted by one request that is not sent again.
TEST_F(EnginesTest, AMintIsNotSentTwice) {
  const Tree tree = At("db", "database", "creds/app");
  On("GET db/creds/app", 500, Errors("internal error"));
  EXPECT_EQ(Failed(Get(tree)).cause, Cause::kOutage);
  EXPECT_EQ(std::ranges::count(Asked(), "GET db/creds/app"), 1);
}

// ---- static roles ----

TEST_F(EnginesTest, AStaticRoleChangesWithItsRotation) {
  const Tree tree = At("db", "database", "static-creds/app");
  Answer("GET db/static-creds/app",
         R"("lease_id":"","data":{"username":"u","password":"p","ttl":28,"rotation_period":30,)"
         R"("last_vault_rotation":"2026-11-24T14:12:33Z"})");
  const auto grant = Good(Get(tree));
  EXPECT_THAT(Texts(grant.fields), ElementsAre("username=u", "password=p", "rotation_period=30",
                                               "last_vault_rotation=2026-11-24T14:12:33Z"));
  EXPECT_EQ(grant.changes_in, std::optional<Duration>(seconds(29)));
  EXPECT_EQ(grant.life, Duration(0));
  EXPECT_THAT(Names(Good(List(tree))), ElementsAre("username", "password", "rotation_period", "last_vault_rotation"));
}

// PITFALLS 14.
TEST_F(EnginesTest, ATtlOfZeroMeansThatItRotatesNow) {
  const Tree tree = At("db", "database", "static-creds/app");
  Answer("GET db/static-creds/app",
         R"("data":{"password":"p","ttl":0,"last_openbao_rotation":"2026-11-24T14:12:33Z"})");
  const auto grant = Good(Get(tree));
  EXPECT_EQ(grant.changes_in, std::optional<Duration>(seconds(1)));
  EXPECT_THAT(Texts(grant.fields), ElementsAre("password=p", "last_vault_rotation=2026-11-24T14:12:33Z"));
}

TEST_F(EnginesTest, ATtlThatRanAheadOfTheRotationIsNotBelieved) {
  const Tree tree = At("db", "database", "static-creds/app");
  Answer("GET db/static-creds/app", R"("data":{"password":"p","ttl":60,"last_vault_rotation":"2026-11-24T14:12:33Z"})");
  Answer("GET db/static-creds/app",
         R"("data":{"password":"p","ttl":3600,"last_vault_rotation":"2026-11-24T14:12:33Z"})");
  Answer("GET db/static-creds/app",
         R"("data":{"password":"q","ttl":3600,"last_vault_rotation":"2026-11-24T15:12:33Z"})");
  EXPECT_EQ(Good(Get(tree)).changes_in, std::optional<Duration>(seconds(61)));
  EXPECT_EQ(Good(Get(tree)).changes_in, std::optional<Duration>(Rotations::kLookAgain));  // three minutes later
  EXPECT_EQ(Good(Get(tree)).changes_in, std::optional<Duration>(seconds(3601)));
}

// ---- certificates ----

TEST_F(EnginesTest, ACertificateEndsWithItselfAndHasItsChain) {
  Tree tree = At("pki", "pki", "issue/web");
  tree.params = {{"common_name", "\"a.test\""}};
  Answer("POST pki/issue/web",
         R"("lease_id":"","lease_duration":0,"data":{"certificate":"-----BEGIN CERTIFICATE-----\nC\n",)"
         R"("issuing_ca":"-----BEGIN CERTIFICATE-----\nI","ca_chain":["-----BEGIN CERTIFICATE-----\nI",)"
         R"("-----BEGIN CERTIFICATE-----\nR"],"private_key":"-----BEGIN EC PRIVATE KEY-----\nK",)"
         R"("expiration":1795529575,"serial_number":"1"})");
  const auto grant = Good(Get(tree));
  EXPECT_EQ(Last().body, R"({"common_name":"a.test"})");
  EXPECT_EQ(grant.ends - grant.asked_at, seconds(1795529575 - kNow));
  const std::string c = "-----BEGIN CERTIFICATE-----\n";
  EXPECT_THAT(
      Texts(grant.fields),
      AllOf(Contains("chain=" + c + "I\n" + c + "R\n"), Contains("fullchain=" + c + "C\n" + c + "I\n" + c + "R\n"),
            Contains("bundle=-----BEGIN EC PRIVATE KEY-----\nK\n" + c + "C\n" + c + "I\n" + c + "R\n"),
            Contains("certificate=" + c + "C\n")));
}

TEST_F(EnginesTest, WithoutChainTheAuthorityAloneIsTheChainAndWithoutKeyThereIsNoBundle) {
  const Tree tree = At("pki", "pki", "sign/web");
  Answer("POST pki/sign/web", R"("data":{"certificate":"-----BEGIN CERTIFICATE-----\nC","issuing_ca":"-----BEGIN I",)"
                              R"("expiration":"1795529575"})");
  const auto texts = Texts(Good(Get(tree)).fields);
  EXPECT_THAT(texts, AllOf(Contains("chain=-----BEGIN I\n"), Not(Contains(StartsWith("bundle=")))));
}

TEST_F(EnginesTest, OtherFormatsAreShownAsTheyCome) {
  const Tree tree = At("pki", "pki", "issue/web");
  Answer("POST pki/issue/web", R"("data":{"certificate":"MIIB","private_key":"MHcC","expiration":1795529575})");
  Answer("POST pki/issue/web",
         R"("data":{"certificate":"-----BEGIN EC PRIVATE KEY-----\nK\n-----BEGIN CERTIFICATE-----\nC"})");
  EXPECT_THAT(Texts(Good(Get(tree)).fields),
              ElementsAre("certificate=MIIB", "private_key=MHcC", "expiration=1795529575"));
  EXPECT_EQ(Good(Get(tree)).fields.size(), 1U);
}

TEST_F(EnginesTest, WithoutExpirationTheCertificateItselfIsRead) {
  const Tree tree = At("pki", "pki", "issue/web");
  Answer("POST pki/issue/web", StrCat(R"("data":{"certificate":")", kCertificate, "\"}"));
  const auto grant = Good(Get(tree));
  EXPECT_EQ(grant.ends - grant.asked_at, seconds(20));
}

TEST_F(EnginesTest, PemPathsGiveOneKeyNamedByThePath) {
  const std::string pem = "-----BEGIN CERTIFICATE-----\nX\n-----END CERTIFICATE-----\n";
  for (const auto& [rest, type] : std::map<std::string, std::string>{{"ca/pem", "application/pem-certificate-chain"},
                                                                     {"ca_chain", "application/pkix-cert"},
                                                                     {"crl/pem", "application/x-pem-file"}}) {
    const Tree tree = At("pki", "pki", rest);
    On("GET pki/" + rest, 200, pem, {{.name = "content-type", .value = type}});
    const std::string key = rest.substr(rest.rfind('/') + 1);
    EXPECT_THAT(Texts(Good(Get(tree)).fields), ElementsAre(key + "=" + pem));
    EXPECT_THAT(Names(Good(List(tree))), ElementsAre(key));
  }
}

TEST_F(EnginesTest, AWebPageIsNoPem) {
  const Tree tree = At("pki", "pki", "ca/pem");
  On("GET pki/ca/pem", 200, "<html>", {{.name = "content-type", .value = "text/plain"}});
  EXPECT_THAT(Words(Get(tree)), HasSubstr("a web page"));
}

TEST_F(EnginesTest, ACertificateThatIsNotThere) {
  const Tree tree = At("pki", "pki", "cert/11:22/raw/pem");
  On("GET pki/cert/11%3A22/raw/pem", 204, "", {{.name = "content-type", .value = "application/pem-certificate-chain"}});
  EXPECT_EQ(Failed(Get(tree)).error.kind(), ErrorKind::kNotFound);
}

TEST_F(EnginesTest, EndsOfCertificates) {
  EXPECT_EQ(EndOfCertificate("no certificate"), std::nullopt);
  EXPECT_EQ(EndOfCertificate(""), std::nullopt);
  EXPECT_EQ(EndOfSshCertificate(kSshCertificate), std::optional(WallTime(seconds(1795529616))));
  EXPECT_EQ(EndOfSshCertificate(StrCat(kSshCertificate, " comment\n")), std::optional(WallTime(seconds(1795529616))));
  EXPECT_EQ(EndOfSshCertificate("ssh-ed25519-cert-v01@openssh.com AAAA"), std::nullopt);
  EXPECT_EQ(EndOfSshCertificate("ssh-ed25519 AAAA"), std::nullopt);
  EXPECT_EQ(EndOfSshCertificate(""), std::nullopt);
  for (size_t cut = 0; cut < kSshCertificate.size(); ++cut) {
    const auto end = EndOfSshCertificate(kSshCertificate.substr(0, cut));
    EXPECT_TRUE(!end || *end == WallTime(seconds(1795529616))) << cut;
  }
}

TEST_F(EnginesTest, AnSshCertificateEndsWithItself) {
  Tree tree = At("ssh", "ssh", "sign/r");
  tree.params = {{"public_key", "\"ssh-ed25519 AAAA\""}};
  Answer("POST ssh/sign/r", StrCat(R"("data":{"serial_number":"58","signed_key":")", kSshCertificate, "\\n\"}"));
  const auto grant = Good(Get(tree));
  EXPECT_EQ(grant.ends - grant.asked_at, seconds(1795529616 - kNow));
}

TEST_F(EnginesTest, AnSshPublicKeyIsText) {
  const Tree tree = At("ssh", "ssh", "public_key");
  On("GET ssh/public_key", 200, "ssh-ed25519 AAAA\n", {{.name = "content-type", .value = "text/plain"}});
  EXPECT_THAT(Texts(Good(Get(tree)).fields), ElementsAre("public_key=ssh-ed25519 AAAA\n"));
}

// ---- codes ----

TEST_F(EnginesTest, ACodeEndsAsItSaysOrWithItsPeriod) {
  const Tree tree = At("totp", "totp", "code/a");
  Answer("GET totp/code/a",
         R"("data":{"code":"117616","expire_time":1795529580,"generated":1795529555,"period":"30s"})");
  Answer("GET totp/code/a", R"("data":{"code":"117616","period":10})");
  Answer("GET totp/code/a", R"("data":{"code":"117616"})");
  for (const int64_t end : {1795529580, 1795529560, 1795529580}) {
    const auto grant = Good(Get(tree));
    EXPECT_EQ(grant.ends - grant.asked_at, seconds(end - kNow));
  }
}

// ---- leases ----

TEST_F(EnginesTest, ALeaseIsRenewedAndTheAnswerIsTheTruth) {
  On("POST sys/leases/renew", 200,
     R"({"request_id":"r","lease_id":"db/creds/app/l","renewable":true,"lease_duration":7,)"
     R"("data":null,"warnings":["TTL of \"60s\" exceeded"]})");
  const auto renewal = Good(Renew(TreeAt("db/creds/app"), milliseconds(59'500)));
  EXPECT_EQ(renewal.life, seconds(7));
  EXPECT_TRUE(renewal.renewable);
  EXPECT_EQ(Last().body, R"({"lease_id":"db/creds/app/l","increment":60})");
}

TEST_F(EnginesTest, WhyALeaseIsNotRenewed) {
  const std::string request = "POST sys/leases/renew";
  On(request, 400, Errors("lease not found"));
  On(request, 400, Errors("1 error occurred:\\n\\t* lease expired\\n\\n"));
  On(request, 400, Errors("lease is not renewable"));
  On(request, 400, Errors("past the max TTL, cannot renew"));
  On(request, 403, Errors("permission denied"));
  On(request, 500, Errors("failed to renew entry: db/creds/app/l"));
  On(request, 200, Envelope(R"("lease_id":"l","lease_duration":0)"));
  for (const Cause cause : {Cause::kGone, Cause::kGone, Cause::kRefused, Cause::kRefused, Cause::kForbidden,
                            Cause::kOutage, Cause::kRefused}) {
    const auto failure = Failed(Renew(TreeAt("db/creds/app")));
    EXPECT_EQ(failure.cause, cause) << failure.error.message();
    EXPECT_THAT(failure.error.message(), AllOf(StartsWith("a lease of t: "), Not(HasSubstr("db/creds/app/l"))));
  }
}

TEST_F(EnginesTest, ALeaseIsRevoked) {
  const std::string request = "POST sys/leases/revoke";
  for (const int status : {204, 202}) On(request, status, "");
  On(request, 200, Envelope(R"("data":null)"));
  On(request, 400, Errors("invalid lease"));
  On(request, 403, Errors("permission denied"));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(std::holds_alternative<lease::Failure>(Revoke())) << i;
  EXPECT_EQ(Last().body, R"({"lease_id":"db/creds/app/l","sync":false})");
  EXPECT_EQ(Failed(Revoke()).cause, Cause::kGone);
  EXPECT_EQ(
      Words(Revoke()),
      "forbidden denied: a lease: the token's policy does not allow update on sys/leases/revoke, or the token is dead");
}

TEST_F(EnginesTest, WritesOfAnyKindAreSentOnce) {
  for (const char* request : {"POST sys/leases/renew", "POST sys/leases/revoke"}) Lose(request, /*sent=*/true);
  EXPECT_EQ(Failed(Renew(TreeAt("db/creds/app"))).cause, Cause::kOutage);
  EXPECT_EQ(Failed(Revoke()).cause, Cause::kOutage);
  EXPECT_THAT(Asked(), ElementsAre("POST sys/leases/renew", "POST sys/leases/revoke"));
}

}  // namespace
}  // namespace leasefs::vault
