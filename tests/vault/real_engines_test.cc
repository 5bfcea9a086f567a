// Each engine that needs no other server, against a real OpenBao.
#include <algorithm>

#include "tests/vault/real_fixture.h"

namespace leasefs::vault {
namespace {

using lease::Cause;
using lease::Engine;
using lease::Nature;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class RealEnginesTest : public RealFixture {
 protected:
  void Mount(const std::string& path, const std::string& body) {
    Admin(http::Method::kPost, "sys/mounts/" + path, body, 0);  // there already, from the second test on
  }
};

TEST_F(RealEnginesTest, Kv2) {
  Put("secret/data/team/web", R"({"data":{"a":"x\"\n","list":[1, 2],"n":17}})");
  Put("secret/data/team/web/inner", R"({"data":{"b":"y"}})");
  lease::Grant grant = Good(Get(At("secret/team/web"), root_));
  EXPECT_EQ(grant.number, 1U);
  EXPECT_EQ(Text(grant, "a"), "x\"\n");
  EXPECT_EQ(Text(grant, "list"), "[1,2]");
  EXPECT_EQ(Text(grant, "n"), "17");
  EXPECT_THAT(List(At("secret/team/web"), root_), ElementsAre("inner/", "a", "list", "n"));
  EXPECT_THAT(List(At("secret/team"), root_), ElementsAre("web/"));
  EXPECT_EQ(Find(At("secret/team"), root_).nature, Nature::kStatic);

  Put("secret/data/team/web", R"({"data":{"a":"second"}})");
  lease::Tree pinned = At("secret/team/web");
  pinned.version = 1;
  EXPECT_EQ(Text(Good(Get(pinned, root_)), "a"), "x\"\n");
  EXPECT_EQ(Text(Good(Get(At("secret/team/web"), root_)), "a"), "second");

  Admin(http::Method::kDelete, "secret/data/team/web");
  EXPECT_THAT(Failed(Get(At("secret/team/web"), root_)).error.message(), HasSubstr("was deleted"));
  Put("secret/destroy/team/web", R"({"versions":[2]})");
  EXPECT_THAT(Failed(Get(At("secret/team/web"), root_)).error.message(), HasSubstr("was destroyed"));
  EXPECT_EQ(Failed(Get(At("secret/none"), root_)).error.kind(), ErrorKind::kNotFound);
}

TEST_F(RealEnginesTest, Kv2WithADeletionAhead) {
  Put("secret/metadata/short", R"({"delete_version_after":"60s"})");
  Put("secret/data/short", R"({"data":{"a":"b"}})");
  const auto grant = Good(Get(At("secret/short"), root_));
  EXPECT_GT(grant.ends, grant.asked_at + seconds(55));
  EXPECT_LT(grant.ends, grant.asked_at + seconds(65));
}

TEST_F(RealEnginesTest, NamesThatNeedEscaping) {
  Put("secret/data/odd/a%20b%25%23%3F%C3%A4", R"({"data":{"k":"v"}})");
  const auto names = List(At("secret/odd"), root_);
  ASSERT_EQ(names.size(), 1U);
  EXPECT_EQ(names[0], "a b%#?ä/");
  EXPECT_EQ(Text(Good(Get(At("secret/odd/a b%#?ä"), root_)), "k"), "v");
  // Servers refuse what cannot be printed, unless told not to.
  EXPECT_EQ(Failed(Get(At("secret/odd/a\nb"), root_)).error.kind(), ErrorKind::kNotFound);
}

TEST_F(RealEnginesTest, Kv1KeepsNumbers) {
  Mount("kv1", R"({"type":"kv","options":{"version":"1"}})");
  Put("kv1/web", R"({"big":12345678901234567890,"f":1.10,"s":"t"})");
  Put("kv1/dir/x", R"({"a":"b"})");
  const auto grant = Good(Get(At("kv1/web"), root_));
  EXPECT_EQ(Text(grant, "big"), "12345678901234567890");
  EXPECT_EQ(Text(grant, "f"), "1.10");
  EXPECT_EQ(grant.life, Duration(0));
  EXPECT_THAT(List(At("kv1"), root_), ElementsAre("dir/", "web/"));
  EXPECT_THAT(List(At("kv1/web"), root_), ElementsAre("big", "f", "s"));
}

// A policy that grants one path and nothing else: detection works, listing does not, reading does.
TEST_F(RealEnginesTest, ALeastPrivilegedToken) {
  Put("secret/data/narrow", R"({"data":{"k":"v"}})");
  Put("sys/policies/acl/narrow", R"({"policy":"path \"secret/data/narrow\" {capabilities=[\"read\"]}"})");
  const auto token =
      SecretBuffer::CopyOf(Pick(Put("auth/token/create", R"({"policies":["narrow"],"ttl":"60s"})"), "client_token"));
  EXPECT_EQ(Text(Good(Get(At("secret/narrow"), token)), "k"), "v");
  EXPECT_THAT(List(At("secret/narrow"), token), ElementsAre("k"));
  const auto denied = Failed(Get(At("secret/other"), token));
  EXPECT_EQ(denied.cause, Cause::kForbidden);
  EXPECT_THAT(denied.error.message(), HasSubstr("read on secret/data/other"));
  EXPECT_EQ(Failed(Get(At("nowhere/x"), token)).cause, Cause::kForbidden);
}

TEST_F(RealEnginesTest, Certificates) {
  Mount("pki", R"({"type":"pki","config":{"max_lease_ttl":"8760h"}})");
  Put("pki/root/generate/internal", R"({"common_name":"test root","ttl":"8000h","key_type":"ec","key_bits":256})");
  Put("pki/roles/short",
      R"({"allow_any_name":true,"enforce_hostnames":false,"key_type":"ec","key_bits":256,"ttl":"20s"})");
  Put("pki/roles/leased", R"({"allow_any_name":true,"enforce_hostnames":false,"key_type":"ec","key_bits":256,)"
                          R"("ttl":"20s","generate_lease":true})");
  const lease::Tree tree = At("pki/issue/short", {{"common_name", "\"a.test\""}});
  const auto place = Find(tree, root_);
  EXPECT_EQ(place.nature, Nature::kMinted);
  const auto grant = Good(Get(tree, root_));
  EXPECT_EQ(grant.lease_id, "");
  EXPECT_GT(grant.ends, grant.asked_at + seconds(17));
  EXPECT_LT(grant.ends, grant.asked_at + seconds(22));
  EXPECT_EQ(Text(grant, "bundle"), Text(grant, "private_key") + "\n" + Text(grant, "fullchain"));
  EXPECT_EQ(Text(grant, "fullchain"), Text(grant, "certificate") + "\n" + Text(grant, "chain"));
  for (const std::string& key : place.keys) EXPECT_THAT(Text(grant, key), Not(StartsWith("<no "))) << key;

  const auto leased = Good(Get(At("pki/issue/leased", {{"common_name", "\"a.test\""}}), root_));
  EXPECT_NE(leased.lease_id, "");
  EXPECT_FALSE(leased.renewable);
  EXPECT_EQ(Failed(Answered<lease::Renewal>([&](auto done) {
              source().Renew(tree, leased.lease_id, root_, seconds(60), done);
            })).cause,
            Cause::kRefused);
  EXPECT_EQ(Failed(Get(At("pki/issue/none"), root_)).error.kind(), ErrorKind::kNotFound);
  EXPECT_THAT(Failed(Get(At("pki/issue/short"), root_)).error.message(), HasSubstr("params"));  // no common_name

  for (const char* path : {"pki/ca/pem", "pki/ca_chain", "pki/crl/pem", "pki/issuer/default/pem"}) {
    const auto pem = Good(Get(At(path), root_));
    ASSERT_EQ(pem.fields.size(), 1U) << path;
    EXPECT_EQ(pem.fields[0].key, std::string(path).substr(std::string(path).rfind('/') + 1));
    EXPECT_THAT(std::string(pem.fields[0].value.ExposeText()), StartsWith("-----BEGIN ")) << path;
  }
  EXPECT_THAT(Text(Good(Get(At("pki/cert/ca"), root_)), "certificate"), StartsWith("-----BEGIN "));
  EXPECT_EQ(Failed(Get(At("pki/cert/11:22/raw/pem"), root_)).error.kind(), ErrorKind::kNotFound);
}

TEST_F(RealEnginesTest, SshCertificates) {
  Mount("ssh", R"({"type":"ssh"})");
  Put("ssh/config/ca", R"({"generate_signing_key":true,"key_type":"ed25519"})");
  Put("ssh/roles/r",
      R"({"key_type":"ca","allow_user_certificates":true,"allowed_users":"*","default_user":"u","ttl":"60s"})");
  const auto issued = Good(Get(At("ssh/issue/r", {{"key_type", "\"ed25519\""}}), root_));
  EXPECT_THAT(Text(issued, "private_key"), StartsWith("-----BEGIN "));
  EXPECT_GT(issued.ends, issued.asked_at + seconds(55));
  EXPECT_LT(issued.ends, issued.asked_at + seconds(65));
  for (const char* type : {"rsa", "ec"}) {
    EXPECT_NE(Good(Get(At("ssh/issue/r", {{"key_type", StrCat("\"", type, "\"")}}), root_)).ends, kNever) << type;
  }
  EXPECT_THAT(Text(Good(Get(At("ssh/public_key"), root_)), "public_key"), StartsWith("ssh-ed25519 "));
  Put("ssh/roles/otp", R"({"key_type":"otp","default_user":"u","cidr_list":"10.0.0.0/8"})");
  const auto otp = Good(Get(At("ssh/creds/otp", {{"ip", "\"10.1.2.3\""}}), root_));
  EXPECT_NE(otp.lease_id, "");
  EXPECT_EQ(Text(otp, "ip"), "10.1.2.3");
}

TEST_F(RealEnginesTest, Codes) {
  Mount("totp", R"({"type":"totp"})");
  Put("totp/keys/a", R"({"generate":true,"issuer":"V","account_name":"a"})");
  const auto grant = Good(Get(At("totp/code/a"), root_));
  EXPECT_EQ(Text(grant, "code").size(), 6U);
  EXPECT_GE(grant.ends, grant.asked_at);
  EXPECT_LE(grant.ends, grant.asked_at + seconds(31));
  EXPECT_EQ(Failed(Get(At("totp/code/none"), root_)).error.kind(), ErrorKind::kNotFound);
}

TEST_F(RealEnginesTest, Transit) {
  Mount("transit", R"({"type":"transit"})");
  Put("transit/keys/k", "{}");
  const std::string sealed = Pick(Put("transit/encrypt/k", R"({"plaintext":"aGk="})"), "ciphertext");
  const lease::Tree tree = At("transit/decrypt/k", {{"ciphertext", StrCat("\"", sealed, "\"")}});
  EXPECT_THAT(Find(tree, root_).keys, ElementsAre("plaintext"));
  EXPECT_EQ(Text(Good(Get(tree, root_)), "plaintext"), "aGk=");
}

// KV version 1 with leases: the one engine that gives leases and needs no other server.
TEST_F(RealEnginesTest, LeasesAreRevoked) {
  Mount("leased", R"({"type":"kv","options":{"leased_passthrough":"true","version":"1"}})");
  Put("leased/x", R"({"a":"b","ttl":"30s"})");
  lease::Tree tree = At("leased/x");
  tree.engine = Engine::kDynamic;
  const auto grant = Good(Get(tree, root_));
  EXPECT_EQ(grant.life, seconds(30));
  EXPECT_TRUE(grant.renewable);
  const auto revoke = [&] {
    return Answered<Done>([&](auto done) { source().Revoke("", grant.lease_id, root_, done); });
  };
  Good(revoke());
  Cause cause = Cause::kOutage;
  for (int i = 0; i < 100 && cause != Cause::kGone; ++i) {
    Pause();
    const std::string body = StrCat(R"({"lease_id":")", grant.lease_id, "\"}");
    if (Admin(http::Method::kPost, "sys/leases/lookup", body, 0).find("errors") == std::string::npos) continue;
    cause = Failed(Answered<lease::Renewal>([&](auto done) {
              source().Renew(tree, grant.lease_id, root_, seconds(60), done);
            })).cause;
  }
  EXPECT_EQ(cause, Cause::kGone);
  Good(revoke());  // of what is gone: the server takes it, too
}

TEST_F(RealEnginesTest, ASealedServer) {
  Admin(http::Method::kPut, "sys/seal", "");
  const auto failure = Failed(Get(At("secret/web"), root_));
  EXPECT_EQ(failure.cause, Cause::kOutage);
  EXPECT_THAT(failure.error.message(), HasSubstr("sealed"));
  TearDownTestSuite();  // it cannot be unsealed: its key is in its log only
  SetUpTestSuite();
}

}  // namespace
}  // namespace leasefs::vault
