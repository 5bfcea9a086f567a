// Each login method against a real OpenBao.
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "tests/support/tls_server.h"
#include "tests/vault/real_fixture.h"

namespace leasefs::vault {
namespace {

using lease::Cause;
using std::chrono::seconds;
using testing::HasSubstr;

std::string JsonOf(const std::string& text) {
  std::string json = "\"";
  for (const char c : text) json += c == '\n' ? "\\n" : c == '"' ? "\\\"" : std::string(1, c);
  return json + "\"";
}

std::string Base64Url(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  text.resize(static_cast<size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                                  reinterpret_cast<const unsigned char*>(bytes.data()),
                                                  static_cast<int>(bytes.size()))));
  for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
  while (text.ends_with('=')) text.pop_back();
  return text;
}

// Who signs JWTs: an identity provider, in a few lines.
class Signer {
 public:
  std::string PublicKey() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, key_.get());
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string pem(data, static_cast<size_t>(size));
    BIO_free(bio);
    return pem;
  }
  std::string Sign(const std::string& claims) const {
    const std::string text = Base64Url(R"({"alg":"RS256","typ":"JWT"})") + "." + Base64Url(claims);
    std::string signature(512, '\0');
    size_t size = signature.size();
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    const bool signed_it = EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
                           EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                                          reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
    EVP_MD_CTX_free(context);
    EXPECT_TRUE(signed_it);
    return text + "." + Base64Url(std::string_view(signature).substr(0, size));
  }

 private:
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_{EVP_RSA_gen(2048), EVP_PKEY_free};
};

class RealLoginTest : public RealFixture {
 protected:
  void SetUp() override {
    RealFixture::SetUp();
    Put("sys/policies/acl/app", R"({"policy":"path \"secret/*\" {capabilities=[\"read\",\"list\"]}"})");
  }
  // The token works, is renewed, looked at and revoked.
  void ExpectGood(const std::string& identity, const lease::Token& token, seconds life, bool renewable = true) {
    EXPECT_FALSE(token.value.empty());
    EXPECT_EQ(token.life, life);
    EXPECT_EQ(token.renewable, renewable);
    const auto state =
        Good(Answered<lease::TokenState>([&](auto done) { source().CheckToken(identity, token.value, done); }));
    EXPECT_GT(state.life, Duration(0));
    EXPECT_LE(state.life, life);
    auto renewal = Answered<lease::Renewal>([&](auto done) { source().RenewToken(identity, token.value, done); });
    if (renewable) {
      EXPECT_EQ(Good(std::move(renewal)).life, life);
    } else {
      EXPECT_EQ(Failed(std::move(renewal)).cause, Cause::kGone);
    }
  }
  void ExpectRevocable(const std::string& identity, const lease::Token& token) {
    Good(Answered<Done>([&](auto done) { source().RevokeToken(identity, token.value, done); }));
    EXPECT_EQ(
        Failed(Answered<lease::TokenState>([&](auto done) { source().CheckToken(identity, token.value, done); })).cause,
        Cause::kGone);
  }
  void Use(Identity identity) {
    settings_.identities["web"] = std::move(identity);
    source_.reset();
  }
};

TEST_F(RealLoginTest, ATokenFile) {
  const std::string made = Put("auth/token/create", R"({"policies":["app"],"ttl":"8s","no_parent":true})");
  files_.contents["token"] = Pick(made, "client_token") + "\n";
  Use({.method = LoginMethod::kToken, .file = "token"});
  auto token = Good(Login("web"));
  EXPECT_GE(token.life, seconds(7));
  token.life = seconds(8);
  ExpectGood("web", token, seconds(8));
  Put("auth/token/revoke", StrCat(R"({"token":")", token.value.ExposeText(), "\"}"));
  EXPECT_EQ(Failed(Login("web")).error.kind(), ErrorKind::kLoginRefused);
}

TEST_F(RealLoginTest, ATokenThatMayNotLookAtItselfNorRenew) {
  const std::string made =
      Put("auth/token/create", R"({"policies":["app"],"ttl":"60s","no_parent":true,"no_default_policy":true})");
  files_.contents["token"] = Pick(made, "client_token");
  Use({.method = LoginMethod::kToken, .file = "token"});
  const auto token = Good(Login("web"));
  EXPECT_EQ(token.life, Duration(0));
  EXPECT_EQ(
      Failed(Answered<lease::TokenState>([&](auto done) { source().CheckToken("web", token.value, done); })).cause,
      Cause::kForbidden);
  EXPECT_EQ(Failed(Answered<lease::Renewal>([&](auto done) { source().RenewToken("web", token.value, done); })).cause,
            Cause::kGone);
}

TEST_F(RealLoginTest, ALimitedNumberOfUsesIsTold) {
  const std::string made = Put("auth/token/create", R"({"ttl":"60s","num_uses":5})");
  files_.contents["token"] = Pick(made, "client_token");
  Use({.method = LoginMethod::kToken, .file = "token"});
  EXPECT_GT(Good(Login("web")).uses, 0U);
}

class RealAppRoleTest : public RealLoginTest {
 protected:
  void SetUp() override {
    RealLoginTest::SetUp();
    Admin(http::Method::kPost, "sys/auth/approle", R"({"type":"approle"})",
          0);  // there already, from the second test on
    Put("auth/approle/role/app", R"({"token_policies":["app"],"token_ttl":"10s","token_max_ttl":"40s"})");
    role_ = Pick(Admin(http::Method::kGet, "auth/approle/role/app/role-id"), "role_id");
  }
  std::string role_;
};

TEST_F(RealAppRoleTest, RoleAndSecretId) {
  files_.contents["secret-id"] = Pick(Put("auth/approle/role/app/secret-id", "{}"), "secret_id");
  Use({.method = LoginMethod::kAppRole, .role = role_, .file = "secret-id"});
  const auto token = Good(Login("web"));
  ExpectGood("web", token, seconds(10));
  ExpectRevocable("web", token);
  files_.contents["secret-id"] = "wrong";
  const auto failure = Failed(Login("web"));
  EXPECT_EQ(failure.cause, Cause::kRefused);
  EXPECT_EQ(failure.error.kind(), ErrorKind::kLoginRefused);
}

TEST_F(RealAppRoleTest, BatchTokens) {
  Put("auth/approle/role/batch",
      R"({"token_policies":["app"],"token_ttl":"30s","token_type":"batch","bind_secret_id":false,)"
      R"("token_bound_cidrs":["127.0.0.1/32"]})");
  Use({.method = LoginMethod::kAppRole,
       .role = Pick(Admin(http::Method::kGet, "auth/approle/role/batch/role-id"), "role_id")});
  ExpectGood("web", Good(Login("web")), seconds(30), /*renewable=*/false);
}

TEST_F(RealAppRoleTest, AWrappedSecretId) {
  const auto wrap = [&](const std::string& path) {
    std::vector<http::RequestHeader> headers;
    headers.push_back({"X-Vault-Wrap-TTL", SecretBuffer::CopyOf("60s")});
    return Pick(Admin(http::Method::kPost, path, "{}", 200, std::move(headers)), "token");
  };
  files_.contents["wrapped"] = wrap("auth/approle/role/app/secret-id");
  Use({.method = LoginMethod::kAppRole,
       .role = role_,
       .file = "wrapped",
       .wrapped = "auth/approle/role/app/secret-id"});
  ExpectGood("web", Good(Login("web")), seconds(10));
  Good(Login("web"));
  source_.reset();
  Good(Login("web"));  // a successor has what was unwrapped
  source_.reset();
  records_ = lease::MapRecords();  // who comes without that finds it used
  EXPECT_THAT(Failed(Login("web")).error.message(), HasSubstr("somebody else has unwrapped it"));
  files_.contents["wrapped"] = wrap("sys/wrapping/wrap");
  EXPECT_THAT(Failed(Login("web")).error.message(), HasSubstr("was made by sys/wrapping/wrap"));
}

TEST_F(RealLoginTest, UserAndPassword) {
  Put("sys/auth/userpass", R"({"type":"userpass"})");
  Put("auth/userpass/users/bob", R"({"password":"p \"ss","token_policies":["app"],"token_ttl":"10s"})");
  files_.contents["password"] = "p \"ss\n";
  Use({.method = LoginMethod::kUserpass, .role = "bob", .file = "password"});
  ExpectGood("web", Good(Login("web")), seconds(10));
  files_.contents["password"] = "wrong";
  EXPECT_EQ(Failed(Login("web")).error.kind(), ErrorKind::kLoginRefused);
}

TEST_F(RealLoginTest, AClientCertificateFromMemory) {
  test::TestAuthority authority("clients");
  const auto ours = authority.Issue({.common_name = "leasefs", .alternative_names = "DNS:leasefs.test"});
  Put("sys/auth/cert", R"({"type":"cert"})");
  Put("auth/cert/certs/web", StrCat(R"({"token_policies":["app"],"token_ttl":"10s","certificate":)",
                                    JsonOf(ReadFile(authority.certificate_file())), "}"));
  UsePem(ReadFile(ours.certificate), ReadFile(ours.key));
  Use({.method = LoginMethod::kCert, .role = "web"});
  ExpectGood("web", Good(Login("web")), seconds(10));
  // Without one; and a renewed one, over the same client.
  UsePem("", "");
  EXPECT_EQ(Failed(Login("web")).error.kind(), ErrorKind::kLoginRefused);
  const auto renewed = authority.Issue({.common_name = "leasefs", .alternative_names = "DNS:leasefs.test"});
  auto pem = std::make_shared<http::TlsPem>();
  pem->authorities = SecretBuffer::CopyOf(ReadFile(bao_->ca_file()));
  pem->client_certificate = SecretBuffer::CopyOf(ReadFile(renewed.certificate));
  pem->client_key = SecretBuffer::CopyOf(ReadFile(renewed.key));
  ASSERT_TRUE(client_->UsePem(pem).ok());
  EXPECT_EQ(Good(Login("web")).life, seconds(10));
}

TEST_F(RealLoginTest, AJwt) {
  const Signer signer;
  Put("sys/auth/jwt", R"({"type":"jwt"})");
  Put("auth/jwt/config", StrCat(R"({"jwt_validation_pubkeys":[)", JsonOf(signer.PublicKey()), "]}"));
  Put("auth/jwt/role/app",
      R"({"role_type":"jwt","bound_audiences":["leasefs"],"user_claim":"sub","token_policies":["app"],)"
      R"("token_ttl":"10s"})");
  const auto now = std::chrono::duration_cast<seconds>(loop_->WallNow().time_since_epoch()).count();
  const std::string claims = StrCat(R"({"sub":"web","aud":"leasefs","iat":)", now, R"(,"exp":)", now + 600, "}");
  files_.contents["jwt"] = signer.Sign(claims) + "\n";
  Use({.method = LoginMethod::kJwt, .role = "app", .file = "jwt"});
  ExpectGood("web", Good(Login("web")), seconds(10));
  files_.contents["jwt"] = Signer().Sign(claims);
  EXPECT_EQ(Failed(Login("web")).error.kind(), ErrorKind::kLoginRefused);
}

// Against a TokenReview that says yes.
TEST_F(RealLoginTest, AKubernetesServiceAccount) {
  test::TestAuthority authority("kubernetes");
  test::TlsServer cluster(
      test::TlsServer::Options{.files = authority.Issue({})},
      test::TlsServer::Answering([](const test::RecordedRequest&) {
        return test::Answer(
            201,
            R"({"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","status":{"authenticated":true,)"
            R"("user":{"username":"system:serviceaccount:default:web","uid":"u1","groups":[)"
            R"("system:serviceaccounts","system:serviceaccounts:default"]}}})",
            "Content-Type: application/json\r\n");
      }));
  Put("sys/auth/kubernetes", R"({"type":"kubernetes"})");
  Put("auth/kubernetes/config",
      StrCat(R"({"kubernetes_host":")", cluster.address(),
             R"(","disable_local_ca_jwt":true,"token_reviewer_jwt":"x.y.z",)", R"("kubernetes_ca_cert":)",
             JsonOf(ReadFile(authority.certificate_file())), "}"));
  Put("auth/kubernetes/role/pod",
      R"({"bound_service_account_names":["web"],"bound_service_account_namespaces":["default"],)"
      R"("token_policies":["app"],"token_ttl":"10s"})");
  const Signer signer;
  files_.contents["jwt"] =
      signer.Sign(R"({"iss":"kubernetes/serviceaccount","kubernetes.io/serviceaccount/namespace":"default",)"
                  R"("kubernetes.io/serviceaccount/service-account.name":"web",)"
                  R"("kubernetes.io/serviceaccount/service-account.uid":"u1",)"
                  R"("sub":"system:serviceaccount:default:web"})");
  Use({.method = LoginMethod::kKubernetes, .role = "pod", .file = "jwt"});
  ExpectGood("web", Good(Login("web")), seconds(10));
  EXPECT_FALSE(cluster.requests().empty());
}

TEST_F(RealLoginTest, AMethodThatIsNotMountedAndANamespace) {
  Use({.method = LoginMethod::kCert, .mount = "nowhere"});
  EXPECT_THAT(Failed(Login("web")).error.message(), HasSubstr("no such method is mounted there"));

  Put("sys/namespaces/team", "{}");
  Put("team/sys/auth/userpass", R"({"type":"userpass"})");
  Put("team/auth/userpass/users/ann", R"({"password":"p","token_ttl":"10s","token_policies":["app"]})");
  Put("team/sys/policies/acl/app", R"({"policy":"path \"kv/*\" {capabilities=[\"read\",\"list\"]}"})");
  Put("team/sys/mounts/kv", R"({"type":"kv","options":{"version":"2"}})");
  Pause();
  Put("team/kv/data/a", R"({"data":{"in":"team"}})");
  files_.contents["password"] = "p";
  settings_.name_space = "team";
  Use({.method = LoginMethod::kUserpass, .role = "ann", .file = "password"});
  const auto token = Good(Login("web"));
  ExpectGood("web", token, seconds(10));
  lease::Tree tree = At("kv/a");
  tree.identity = "web";
  EXPECT_EQ(Text(Good(Get(tree, token.value)), "in"), "team");
  settings_.name_space.clear();
  source_.reset();
  EXPECT_EQ(Text(Good(Get(At("team/kv/a"), root_)), "in"), "team");  // a namespace may be part of the path
}

}  // namespace
}  // namespace leasefs::vault
