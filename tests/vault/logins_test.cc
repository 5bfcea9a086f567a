// Logins, by each method, and tokens.
#include "tests/vault/vault_fixture.h"

namespace leasefs::vault {
namespace {

using lease::Cause;
using testing::Contains;
using testing::Key;
using testing::StartsWith;

constexpr const char* kAuth =
    R"("auth":{"client_token":"s.new","accessor":"acc","policies":["default"],"metadata":null,"lease_duration":10,)"
    R"("renewable":true,"token_type":"service","orphan":true,"mfa_requirement":null,"num_uses":0})";

class LoginsTest : public VaultFixture {
 protected:
  void Use(Identity identity) { settings_.identities["web"] = std::move(identity); }
  lease::Answer<lease::TokenState> Check() {
    return Answered<lease::TokenState>([&](auto done) { source().CheckToken("", token_, done); });
  }
  lease::Answer<lease::Renewal> Renew() {
    return Answered<lease::Renewal>([&](auto done) { source().RenewToken("", token_, done); });
  }
  lease::Answer<Done> Revoke() {
    return Answered<Done>([&](auto done) { source().RevokeToken("", token_, done); });
  }
  // Logs in as "web", which must work, by one request, without a token.
  void ExpectLogin(const std::string& path, const std::string& body) {
    On("POST " + path, 200, Envelope(std::string(R"("data":null,)") + kAuth));
    const auto token = Good(Login("web"));
    EXPECT_EQ(token.value.ExposeText(), "s.new");
    EXPECT_EQ(token.life, seconds(10));
    EXPECT_TRUE(token.renewable);
    EXPECT_TRUE(token.can_hold_leases);
    EXPECT_EQ(token.uses, 0U);
    EXPECT_LT(token.granted_at, loop_.Now());
    EXPECT_THAT(Asked(), ElementsAre("POST " + path));
    EXPECT_EQ(Last().body, body);
    EXPECT_THAT(Last().headers, Not(Contains(Key("X-Vault-Token"))));
  }
};

// ---- token ----

TEST_F(LoginsTest, ATokenFileIsLookedAt) {
  On("GET auth/token/lookup-self", 200,
     Envelope(
         R"("data":{"id":"s.token","ttl":3599,"renewable":true,"num_uses":0,"expire_time":"2026-11-24T14:00:00Z"})"));
  const auto token = Good(Login());
  EXPECT_EQ(token.value.ExposeText(), "s.token");  // without its line end
  EXPECT_EQ(token.life, seconds(3599));
  EXPECT_TRUE(token.renewable);
  EXPECT_TRUE(token.lent) << "it is not ours to revoke";
  EXPECT_EQ(Last().headers.at("X-Vault-Token"), "s.token");
}

TEST_F(LoginsTest, ARootTokenNeverEndsAndOneInItsLastSecondDoes) {
  On("GET auth/token/lookup-self", 200, Envelope(R"("data":{"ttl":0,"expire_time":null,"num_uses":0})"));
  On("GET auth/token/lookup-self", 200, Envelope(R"("data":{"ttl":0,"expire_time":"2026-11-24T14:00:00Z"})"));
  EXPECT_EQ(Good(Login()).life, Duration(0));
  EXPECT_EQ(Good(Login()).life, seconds(1));
}

// PITFALLS 30: the machine refuses it, so it must be told.
TEST_F(LoginsTest, ANumberOfUsesIsTold) {
  On("GET auth/token/lookup-self", 200, Envelope(R"("data":{"ttl":60,"num_uses":5})"));
  EXPECT_EQ(Good(Login()).uses, 5U);
}

TEST_F(LoginsTest, ATokenFileThatCannotBeUsed) {
  for (const auto& [content, says] : std::map<std::string, std::string>{{"", "is empty"},
                                                                        {"\n", "is empty"},
                                                                        {"two words\n", "more than one credential"},
                                                                        {"a\nb\n", "more than one credential"},
                                                                        {"s.\x01", "more than one credential"}}) {
    files_.contents["token"] = content;
    EXPECT_THAT(Words(Login()),
                AllOf(StartsWith("refused login_refused: the login (token): the file token"), HasSubstr(says)));
  }
  files_.contents.clear();
  EXPECT_THAT(Words(Login()), AllOf(StartsWith("refused login_refused: "), HasSubstr("No such file")));
  files_.unreachable = true;
  EXPECT_THAT(Words(Login()), StartsWith("outage unreachable: "));
  EXPECT_THAT(Asked(), IsEmpty());
}

TEST_F(LoginsTest, ADeadTokenInTheFile) {
  On("GET auth/token/lookup-self", 403, Errors("permission denied"));
  On("GET sys/internal/ui/mounts", 403, Errors("permission denied"));
  EXPECT_THAT(Words(Login()), AllOf(StartsWith("refused login_refused: "), HasSubstr("put a new one there")));
}

TEST_F(LoginsTest, ATokenThatMayNotLookAtItselfIsTakenAsItIs) {
  On("GET auth/token/lookup-self", 403, Errors("1 error occurred:\\n\\t* permission denied\\n\\n"));
  On("GET sys/internal/ui/mounts", 200, Envelope(R"("data":{"auth":{},"secret":{}})"));
  const auto token = Good(Login());
  EXPECT_EQ(token.value.ExposeText(), "s.token");
  EXPECT_EQ(token.life, Duration(0));
  EXPECT_FALSE(token.renewable);
}

TEST_F(LoginsTest, AChangedFileIsTold) {
  std::vector<std::string> changed;
  Use({.method = LoginMethod::kAppRole, .role = "r", .file = "secret-id"});
  source().OnCredentialChanged([&](const std::string& identity) { changed.push_back(identity); });
  files_.Change("secret-id", "other");
  files_.Change("token", "other");
  EXPECT_THAT(changed, ElementsAre("web", ""));
  source_.reset();
  files_.Change("token", "and again");
  EXPECT_EQ(changed.size(), 2U);
}

// PITFALLS 32.
TEST_F(LoginsTest, AChangedClientCertificateIsAChangedCredential) {
  std::vector<std::string> changed;
  settings_.client_certificate_file = "client.pem";
  Use({.method = LoginMethod::kCert});
  source().OnCredentialChanged([&](const std::string& identity) { changed.push_back(identity); });
  files_.Change("client.pem", "PEM");
  EXPECT_THAT(changed, ElementsAre("web"));
  EXPECT_TRUE(source().BindsTokens("web"));
  EXPECT_FALSE(source().BindsTokens(""));
}

// ---- each method ----

TEST_F(LoginsTest, AppRole) {
  Use({.method = LoginMethod::kAppRole, .role = "role-id", .file = "secret-id"});
  files_.contents["secret-id"] = "the-secret-id\r\n";
  ExpectLogin("auth/approle/login", R"({"role_id":"role-id","secret_id":"the-secret-id"})");
}

TEST_F(LoginsTest, AppRoleWithoutSecretId) {
  Use({.method = LoginMethod::kAppRole, .mount = "team/roles", .role = "role-id"});
  ExpectLogin("auth/team/roles/login", R"({"role_id":"role-id"})");
}

TEST_F(LoginsTest, Cert) {
  Use({.method = LoginMethod::kCert, .role = "web"});
  ExpectLogin("auth/cert/login", R"({"name":"web"})");
}

TEST_F(LoginsTest, CertWithoutRole) {
  Use({.method = LoginMethod::kCert});
  ExpectLogin("auth/cert/login", "{}");
}

TEST_F(LoginsTest, Kubernetes) {
  Use({.method = LoginMethod::kKubernetes, .role = "pod", .file = "jwt"});
  files_.contents["jwt"] = "a.b.c";
  ExpectLogin("auth/kubernetes/login", R"({"role":"pod","jwt":"a.b.c"})");
  files_.contents["jwt"] = "d.e.f";  // it rotates
  Good(Login("web"));
  EXPECT_EQ(Last().body, R"({"role":"pod","jwt":"d.e.f"})");
}

TEST_F(LoginsTest, JwtWithoutRole) {
  Use({.method = LoginMethod::kJwt, .file = "jwt"});
  files_.contents["jwt"] = "a.b.c";
  ExpectLogin("auth/jwt/login", R"({"jwt":"a.b.c"})");
}

TEST_F(LoginsTest, Userpass) {
  Use({.method = LoginMethod::kUserpass, .role = "bob b", .file = "password"});
  files_.contents["password"] = "p\"ä ss\n";
  ExpectLogin("auth/userpass/login/bob%20b", R"({"password":"p\"ä ss"})");
}

TEST_F(LoginsTest, ANamespaceIsThatOfLoginsAndOfWhatTheyRead) {
  settings_.name_space = "team/a";
  Use({.method = LoginMethod::kCert});
  On("POST auth/cert/login", 200, Envelope(kAuth));
  Good(Login("web"));
  EXPECT_EQ(Last().headers.at("X-Vault-Namespace"), "team/a");
  lease::Tree tree = TreeAt("kv/web");
  tree.identity = "web";
  Mount("kv/web", "kv", "kv");
  On("GET kv/web", 200, Envelope(R"("data":{"a":"b"})"));
  Good(Get(tree));
  EXPECT_EQ(Last().headers.at("X-Vault-Namespace"), "team/a");
}

TEST_F(LoginsTest, AnUnknownIdentityAndAMountThatIsNoPath) {
  EXPECT_THAT(Words(Login("nobody")), AllOf(StartsWith("refused login_refused: "), HasSubstr("\"nobody\"")));
  Use({.method = LoginMethod::kCert, .mount = "../x"});
  Again();
  EXPECT_THAT(Words(Login("web")), AllOf(StartsWith("refused login_refused: "), HasSubstr("mount or user")));
  EXPECT_THAT(Asked(), IsEmpty());
}

// ---- refusals ----

TEST_F(LoginsTest, EachRefusalSaysWhatToDoAndQuotesNothing) {
  Use({.method = LoginMethod::kAppRole, .role = "role-id", .file = "secret-id"});
  files_.contents["secret-id"] = "x";
  for (const auto& [status, says] : std::map<int, std::string>{{400, "is the credential right"},
                                                               {403, "locked"},
                                                               {404, "no such login method"},
                                                               {405, "no such login method"}}) {
    Again();
    On("POST auth/approle/login", status, Errors("invalid role or secret ID quoted"));
    EXPECT_THAT(
        Words(Login("web")),
        AllOf(StartsWith("refused login_refused: the login of the identity \"web\" (approle at auth/approle): "),
              HasSubstr(says), Not(HasSubstr("quoted"))));
  }
}

TEST_F(LoginsTest, AnOutageIsNoRefusalAndALoginIsSentOnce) {
  Use({.method = LoginMethod::kCert});
  On("POST auth/cert/login", 500, Errors("quoted"));
  EXPECT_THAT(Words(Login("web")), AllOf(StartsWith("outage remote: "), Not(HasSubstr("quoted"))));
  EXPECT_EQ(Asked().size(), 1U);
  Again();
  Lose("POST auth/cert/login", /*sent=*/true);
  EXPECT_THAT(Words(Login("web")), AllOf(StartsWith("outage unreachable: "), HasSubstr("(in doubt)")));
  EXPECT_EQ(Asked().size(), 1U);
}

TEST_F(LoginsTest, ASecondFactorIsRefused) {
  Use({.method = LoginMethod::kCert});
  On("POST auth/cert/login", 200,
     Envelope(R"("auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"x","mfa_constraints":{}}})"));
  EXPECT_THAT(Words(Login("web")), AllOf(StartsWith("refused login_refused: "), HasSubstr("second factor")));
}

TEST_F(LoginsTest, AnAnswerWithoutAToken) {
  Use({.method = LoginMethod::kCert});
  for (const char* auth : {R"("auth":null)", R"("auth":{"client_token":""})", R"("auth":{"client_token":"a b"})",
                           R"("auth":{"client_token":17})"}) {
    Again();
    On("POST auth/cert/login", 200, Envelope(auth));
    EXPECT_THAT(Words(Login("web")), AllOf(StartsWith("outage remote: "), HasSubstr("(in doubt)"))) << auth;
  }
}

TEST_F(LoginsTest, ABatchTokenIsNotRenewable) {
  Use({.method = LoginMethod::kCert});
  On("POST auth/cert/login", 200,
     Envelope(R"("auth":{"client_token":"b.AAAA","accessor":"","lease_duration":60,)"
              R"("renewable":false,"token_type":"batch"})"));
  const auto token = Good(Login("web"));
  EXPECT_FALSE(token.renewable);
  EXPECT_EQ(token.life, seconds(60));
}

// ---- a wrapped secret-id ----

class WrappedTest : public LoginsTest {
 protected:
  WrappedTest() {
    Use({.method = LoginMethod::kAppRole,
         .role = "r",
         .file = "wrapped",
         .wrapped = "auth/approle/role/web/secret-id"});
    files_.contents["wrapped"] = "s.wrapping\n";
  }
  void Wrapped(const std::string& path = "auth/approle/role/web/secret-id") {
    On("POST sys/wrapping/lookup", 200,
       Envelope(R"("data":{"creation_path":")" + path +
                R"(","creation_ttl":60,"creation_time":"2026-11-24T14:00:00Z"})"));
    On("POST sys/wrapping/unwrap", 200, Envelope(R"("data":{"secret_id":"the-secret-id","secret_id_accessor":"a"})"));
    On("POST sys/wrapping/unwrap", 400, Errors("wrapping token is not valid or does not exist"));
    On("POST auth/approle/login", 200, Envelope(kAuth));
  }
};

TEST_F(WrappedTest, IsLookedAtThenUnwrappedOnceForAllLogins) {
  Wrapped();
  Good(Login("web"));
  ASSERT_THAT(Asked(), ElementsAre("POST sys/wrapping/lookup", "POST sys/wrapping/unwrap", "POST auth/approle/login"));
  EXPECT_EQ(record_.attempts[0].body, R"({"token":"s.wrapping"})");
  EXPECT_THAT(record_.attempts[0].headers, Not(Contains(Key("X-Vault-Token"))));
  EXPECT_EQ(record_.attempts[1].body, "");
  EXPECT_EQ(record_.attempts[1].headers.at("X-Vault-Token"), "s.wrapping");
  EXPECT_EQ(record_.attempts[2].body, R"({"role_id":"r","secret_id":"the-secret-id"})");
  Good(Login("web"));
  EXPECT_EQ(Asked().size(), 4U);
  EXPECT_EQ(Asked().back(), "POST auth/approle/login");
}

TEST_F(WrappedTest, ASuccessorLogsInWithWhatWasUnwrappedAndTheFileMayBeGone) {
  Wrapped();
  Good(Login("web"));
  Again();
  files_.contents.erase("wrapped");
  On("POST auth/approle/login", 200, Envelope(kAuth));
  Good(Login("web"));
  ASSERT_THAT(Asked(), ElementsAre("POST auth/approle/login"));
  EXPECT_EQ(Last().body, R"({"role_id":"r","secret_id":"the-secret-id"})");
}

TEST_F(WrappedTest, ANewWrapIsUnwrappedBySuccessorsToo) {
  Wrapped();
  Good(Login("web"));
  Again();
  files_.contents["wrapped"] = "s.second\n";
  Wrapped();
  Good(Login("web"));
  EXPECT_EQ(record_.attempts.at(1).headers.at("X-Vault-Token"), "s.second");
}

TEST_F(WrappedTest, WhatWasUnwrappedForAnIdentityThatIsGoneIsForgotten) {
  Wrapped();
  Good(Login("web"));
  settings_.identities["web"].wrapped.clear();
  Again();
  (void)source();
  size_t left = 0;
  records_.ForEach([&](const std::string&) { ++left; });
  EXPECT_EQ(left, 0U);
}

TEST_F(WrappedTest, AForgedWrapIsNotUsed) {
  Wrapped("sys/wrapping/wrap");
  EXPECT_THAT(Words(Login("web")), AllOf(StartsWith("refused login_refused: "), HasSubstr("made by sys/wrapping/wrap"),
                                         HasSubstr("Find out who put it there")));
  EXPECT_THAT(Asked(), ElementsAre("POST sys/wrapping/lookup"));
}

TEST_F(WrappedTest, AUsedWrapIsPerhapsATheft) {
  On("POST sys/wrapping/lookup", 400, Errors("wrapping token is not valid or does not exist"));
  EXPECT_THAT(Words(Login("web")), AllOf(StartsWith("refused login_refused: "), HasSubstr("somebody else")));
  EXPECT_THAT(Asked(), ElementsAre("POST sys/wrapping/lookup"));
}

TEST_F(WrappedTest, ANewFileIsUnwrappedAgain) {
  Wrapped();
  Good(Login("web"));
  files_.Change("wrapped", "s.second");
  EXPECT_EQ(Failed(Login("web")).error.kind(), ErrorKind::kLoginRefused);  // the script unwraps once
  EXPECT_EQ(Last().headers.at("X-Vault-Token"), "s.second");
}

TEST_F(WrappedTest, SomethingElseInTheWrap) {
  Wrapped();
  Again();
  On("POST sys/wrapping/lookup", 200, Envelope(R"("data":{"creation_path":"/auth/approle/role/web/secret-id/"})"));
  On("POST sys/wrapping/unwrap", 200, Envelope(R"("data":{"foo":"bar"})"));
  EXPECT_THAT(Words(Login("web")), AllOf(StartsWith("refused login_refused: "), HasSubstr("did not hold a secret-id")));
}

// ---- tokens ----

TEST_F(LoginsTest, ATokenIsRenewed) {
  On("POST auth/token/renew-self", 200, Envelope(kAuth));
  const auto renewal = Good(Renew());
  EXPECT_EQ(renewal.life, seconds(10));
  EXPECT_TRUE(renewal.renewable);
  EXPECT_EQ(Last().headers.at("X-Vault-Token"), "s.token");
}

// PITFALLS 2: not permitted means not renewable.
TEST_F(LoginsTest, ATokenThatCannotBeRenewedIsGone) {
  On("POST auth/token/renew-self", 400, Errors("batch tokens cannot be renewed"));
  On("POST auth/token/renew-self", 403, Errors("permission denied"));
  On("POST auth/token/renew-self", 503, Errors("Vault is sealed"));
  EXPECT_EQ(Failed(Renew()).cause, Cause::kGone);
  EXPECT_EQ(Failed(Renew()).cause, Cause::kGone);
  EXPECT_EQ(Failed(Renew()).cause, Cause::kOutage);
}

// PITFALLS 15.
TEST_F(LoginsTest, ADeadTokenIsToldFromOneThatMayNotAsk) {
  On("GET auth/token/lookup-self", 403, Errors("permission denied"));
  On("GET sys/internal/ui/mounts", 200, Envelope(R"("data":{"auth":{},"secret":{}})"));
  On("GET sys/internal/ui/mounts", 403, Errors("permission denied"));
  On("GET sys/internal/ui/mounts", 500, Errors(""));
  EXPECT_EQ(Failed(Check()).cause, Cause::kForbidden);
  EXPECT_EQ(Failed(Check()).cause, Cause::kGone);
  EXPECT_EQ(Failed(Check()).cause, Cause::kOutage);
}

// A reload may take an identity away while its token lives.
TEST_F(LoginsTest, ATokenOfAnIdentityThatIsGone) {
  On("GET auth/token/lookup-self", 403, Errors("permission denied"));
  On("GET sys/internal/ui/mounts", 403, Errors("permission denied"));
  EXPECT_EQ(Failed(Answered<lease::TokenState>([&](auto done) { source().CheckToken("gone", token_, done); })).cause,
            Cause::kGone);
}

TEST_F(LoginsTest, ALivingToken) {
  On("GET auth/token/lookup-self", 200,
     Envelope(R"("data":{"ttl":7,"renewable":true,"expire_time":"2026-11-24T14:00:00Z"})"));
  EXPECT_EQ(Good(Check()).life, seconds(7));
}

TEST_F(LoginsTest, ATokenIsRevoked) {
  settings_.identities[""] = {.method = LoginMethod::kCert};
  On("POST auth/token/revoke-self", 204, "");
  On("POST auth/token/revoke-self", 200, Envelope(R"("data":null)"));
  On("POST auth/token/revoke-self", 403, Errors("permission denied"));
  EXPECT_FALSE(std::holds_alternative<lease::Failure>(Revoke()));
  EXPECT_FALSE(std::holds_alternative<lease::Failure>(Revoke()));
  EXPECT_EQ(Words(Revoke()),
            "forbidden denied: the login (cert at auth/cert): the token's policy does not allow update on "
            "auth/token/revoke-self, or the token is dead");
}

}  // namespace
}  // namespace leasefs::vault
