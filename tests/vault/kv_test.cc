// KV, both versions.
#include <algorithm>

#include "tests/vault/vault_fixture.h"

namespace leasefs::vault {
namespace {

using lease::Cause;
using lease::Engine;
using lease::Tree;

class KvTest : public VaultFixture {};

std::string Version(const std::string& data, const std::string& more = R"("deletion_time":"","destroyed":false)") {
  return Envelope(R"("data":{"data":)" + data + R"(,"metadata":{"version":7,"custom_metadata":null,)" + more + "}}");
}

TEST_F(KvTest, S1_StringsAreRawAndEverythingElseIsItsJsonText) {
  MountKv2("secret/team/web");
  On("GET secret/data/team/web", 200,
     Version(R"({"text":"a\"b\nä","number":12345678901234567890,"float":1.10,"list":[1, "x", null],)"
             R"("object":{"b": 1, "a": {"c": true}},"null":null,"true":true,"empty":"","e":1E5,"minus":-0})"));
  const auto grant = Good(Get(TreeAt("secret/team/web")));
  EXPECT_THAT(Texts(grant.fields),
              ElementsAre("text=a\"b\nä", "number=12345678901234567890", "float=1.10", R"(list=[1,"x",null])",
                          R"(object={"b":1,"a":{"c":true}})", "null=null", "true=true", "empty=", "e=1E5", "minus=-0"));
  for (const auto& field : grant.fields)
    EXPECT_EQ(field.json, field.key != "text" && field.key != "empty") << field.key;
  EXPECT_EQ(grant.number, 7U);
  EXPECT_EQ(grant.ends, kNever);
  EXPECT_EQ(grant.lease_id, "");
  EXPECT_EQ(grant.life, Duration(0));
}

TEST_F(KvTest, TheTokenAndTheUsualHeadersAreSent) {
  settings_.name_space = "team/a";
  MountKv2("secret/web");
  On("GET secret/data/web", 200, Version(R"({"a":"b"})"));
  Good(Get(TreeAt("secret/web")));
  EXPECT_THAT(Last().headers, testing::UnorderedElementsAre(testing::Pair("X-Vault-Request", "true"),
                                                            testing::Pair("X-Vault-Namespace", "team/a"),
                                                            testing::Pair("X-Vault-Token", "s.token")));
}

TEST_F(KvTest, AMountIsAskedForOnceAndAfterAWhileAgain) {
  MountKv2("secret/a");
  MountKv2("secret/c");
  On("GET secret/data/a", 200, Version(R"({"a":"b"})"));
  On("GET secret/data/b/c", 200, Version(R"({"a":"b"})"));
  Good(Get(TreeAt("secret/a")));
  Good(Get(TreeAt("secret"), "b/c"));
  EXPECT_THAT(Asked(), ElementsAre("GET sys/internal/ui/mounts/secret/a", "GET secret/data/a", "GET secret/data/b/c"));
  loop_.RunFor(std::chrono::minutes(10));
  On("GET secret/data/c", 200, Version(R"({"a":"b"})"));
  Good(Get(TreeAt("secret/c")));
  EXPECT_THAT(Asked(), testing::Contains("GET sys/internal/ui/mounts/secret/c"));
}

TEST_F(KvTest, AMountWithSlashesInItsPath) {
  Mount("team/a/kv/x/y", "team/a/kv", "kv");
  On("GET team/a/kv/x/y", 200, Envelope(R"("lease_duration":2764800,"data":{"k":"v"})"));
  EXPECT_THAT(Texts(Good(Get(TreeAt("team/a/kv/x/y"))).fields), ElementsAre("k=v"));
}

// PITFALLS 11: lease_duration without a lease is a hint of 32 days, and nothing ends then.
TEST_F(KvTest, Version1HasNoEnd) {
  Mount("kv1/web", "kv1", "kv");
  On("GET kv1/web", 200,
     Envelope(R"("lease_id":"","renewable":false,"lease_duration":2764800,"data":{"k":"v","n":1.0})"));
  const auto grant = Good(Get(TreeAt("kv1/web")));
  EXPECT_THAT(Texts(grant.fields), ElementsAre("k=v", "n=1.0"));
  EXPECT_EQ(grant.life, Duration(0));
  EXPECT_EQ(grant.ends, kNever);
  EXPECT_FALSE(grant.renewable);
}

TEST_F(KvTest, APinnedVersion) {
  MountKv2("secret/web");
  On("GET secret/data/web?version=3", 200, Version(R"({"a":"old"})"));
  Tree tree = TreeAt("secret/web");
  tree.version = 3;
  EXPECT_THAT(Texts(Good(Get(tree)).fields), ElementsAre("a=old"));
}

TEST_F(KvTest, DeletedAndDestroyedAndAbsentAreNotFound) {
  MountKv2("secret/web");
  const std::string request = "GET secret/data/web";
  On(request, 404, Version("null", R"("deletion_time":"2026-11-24T13:53:32.773269364Z","destroyed":false)"));
  On(request, 404, Version("null", R"("deletion_time":"","destroyed":true)"));
  On(request, 404, Errors(""));
  EXPECT_EQ(Words(Get(TreeAt("secret/web"))),
            "refused not_found: secret/web: this version was deleted; it can be undeleted");
  EXPECT_EQ(Words(Get(TreeAt("secret/web"))), "refused not_found: secret/web: this version was destroyed");
  EXPECT_EQ(Words(Get(TreeAt("secret/web"))), "refused not_found: secret/web: there is nothing");
}

// delete_version_after: by the server's clock, which may be another than ours.
TEST_F(KvTest, ADeletionAheadIsAnEnd) {
  MountKv2("secret/web");
  On("GET secret/data/web", 200,
     Version(R"({"a":"b"})", R"("deletion_time":"2026-11-24T14:00:30.5+01:00","destroyed":false)"),
     {{.name = "date", .value = "Tue, 24 Nov 2026 13:00:00 GMT"}});
  const auto grant = Good(Get(TreeAt("secret/web")));
  EXPECT_EQ(grant.ends - grant.asked_at, std::chrono::milliseconds(30'500));
}

TEST_F(KvTest, ADeletionThatHasPassedIsOneAlsoWhereTheServerStillTellsTheValue) {
  MountKv2("secret/web");
  On("GET secret/data/web", 200,
     Version(R"({"a":"b"})", R"("deletion_time":"2026-11-24T13:00:00Z","destroyed":false)"),
     {{.name = "date", .value = "Tue, 24 Nov 2026 13:00:01 GMT"}});
  EXPECT_EQ(Words(Get(TreeAt("secret/web"))), "refused not_found: secret/web: this version was deleted");
}

TEST_F(KvTest, AKeyThatIsTooLargeComesWithoutItsBytesAndOthersDo) {
  MountKv2("secret/web");
  On("GET secret/data/web", 200, Version(R"({"big":")" + std::string(5 << 20, 'x') + R"(","small":"s"})"));
  const auto grant = Good(Get(TreeAt("secret/web")));
  ASSERT_EQ(grant.fields.size(), 2U);
  EXPECT_TRUE(grant.fields[0].too_large);
  EXPECT_TRUE(grant.fields[0].value.empty());
  EXPECT_EQ(grant.fields[1].value.ExposeText(), "s");
}

TEST_F(KvTest, S4_NamesOfKeysThatNoFileCanHaveAreLeftOut) {
  MountKv2("secret/web");
  On("GET secret/data/web", 200,
     Version(R"({"":"a","a\u0000b":"c","d/e":"f",")" + std::string(1025, 'n') + R"(":"g"})"));
  EXPECT_THAT(Texts(Good(Get(TreeAt("secret/web"))).fields), ElementsAre("d/e=f"));
}

// ---- names ----

TEST_F(KvTest, AFolder) {
  MountKv2("secret/team");
  On("GET secret/metadata/team/?list=true", 200,
     Envelope(R"("data":{"keys":["db","sub/","db/","we b","..","a/b","","\u0000"]})"));
  On("GET secret/subkeys/team?depth=1", 404, Errors(""));
  EXPECT_THAT(Names(Good(List(TreeAt("secret/team")))), ElementsAre("db/", "sub/", "we b/"));
}

TEST_F(KvTest, ASecretsKeysComeFromItsSubkeys) {
  MountKv2("secret/web");
  On("GET secret/metadata/web/?list=true", 404, Errors(""));
  On("GET secret/subkeys/web?depth=1", 200,
     Envelope(R"("data":{"subkeys":{"a":null,"o":null},"metadata":{"version":2}})"));
  EXPECT_THAT(Names(Good(List(TreeAt("secret/web")))), ElementsAre("a", "o"));
  EXPECT_THAT(Asked(), Not(testing::Contains("GET secret/data/web")));
}

TEST_F(KvTest, S4_SecretAndFolderOfOneNameShowTheUnion) {
  MountKv2("secret/web");
  On("GET secret/metadata/web/?list=true", 200, Envelope(R"("data":{"keys":["inner"]})"));
  On("GET secret/subkeys/web?depth=1", 200, Envelope(R"("data":{"subkeys":{"key":null},"metadata":{}})"));
  EXPECT_THAT(Names(Good(List(TreeAt("secret/web")))), ElementsAre("inner/", "key"));
}

// The usual policy grants data/ and nothing else; old servers know no subkeys.
TEST_F(KvTest, WithoutSubkeysTheNamesComeFromTheValues) {
  MountKv2("secret/web");
  On("GET secret/metadata/web/?list=true", 403, Errors("permission denied"));
  On("GET secret/subkeys/web?depth=1", 403, Errors("permission denied"));
  On("GET secret/subkeys/web?depth=1", 404, Envelope(R"("data":null)"));
  On("GET secret/subkeys/web?depth=1", 405, Errors("unsupported operation"));
  On("GET secret/data/web", 200, Version(R"({"a":"b"})"));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(Names(Good(List(TreeAt("secret/web")))), ElementsAre("a")) << i;
}

TEST_F(KvTest, ListingDeniedDoesNotPreventReading) {
  MountKv2("secret/web");
  On("GET secret/metadata/web/?list=true", 403, Errors("permission denied"));
  On("GET secret/subkeys/web?depth=1", 404, Errors(""));
  On("GET secret/data/web", 200, Version(R"({"a":"b"})"));
  EXPECT_EQ(
      Words(List(TreeAt("secret/web"))),
      "forbidden denied: secret/web: the token's policy does not allow list on secret/metadata/web/, or the token "
      "is dead");
  EXPECT_THAT(Texts(Good(Get(TreeAt("secret/web"))).fields), ElementsAre("a=b"));
}

TEST_F(KvTest, AMountThatMayNotBeListedIsNoEmptyFolder) {
  MountKv2("secret");
  On("GET secret/metadata/?list=true", 403, Errors("permission denied"));
  EXPECT_EQ(Words(List(TreeAt("secret"))),
            "forbidden denied: secret: the token's policy does not allow list on secret/metadata/, or the token is "
            "dead");
}

TEST_F(KvTest, WhatIsNeitherSecretNorFolderIsNotFound) {
  MountKv2("secret/web");
  On("GET secret/metadata/web/?list=true", 404, Errors(""));
  On("GET secret/subkeys/web?depth=1", 404, Errors(""));
  EXPECT_EQ(Failed(List(TreeAt("secret/web"))).cause, Cause::kRefused);
  EXPECT_EQ(Failed(List(TreeAt("secret/web"))).error.kind(), ErrorKind::kNotFound);
}

TEST_F(KvTest, AnOutageOfEitherQuestionIsNoListing) {
  MountKv2("secret/web");
  On("GET secret/metadata/web/?list=true", 500, Errors("internal error"));
  On("GET secret/subkeys/web?depth=1", 200, Envelope(R"("data":{"subkeys":{"key":null},"metadata":{}})"));
  EXPECT_EQ(Failed(List(TreeAt("secret/web"))).cause, Cause::kOutage);
}

// PITFALLS 28.
TEST_F(KvTest, AnEmptyMountIsAnEmptyFolder) {
  MountKv2("secret");
  On("GET secret/metadata/?list=true", 404, Errors(""));
  EXPECT_THAT(Good(List(TreeAt("secret"))).entries, IsEmpty());
  EXPECT_EQ(Words(Get(TreeAt("secret"))), "refused not_found: secret: the whole mount is a folder and no secret");
}

TEST_F(KvTest, Version1ListsByTheSamePath) {
  Mount("kv1/team", "kv1", "generic");
  On("GET kv1/team/?list=true", 200, Envelope(R"("data":{"keys":["x","y/"]})"));
  On("GET kv1/team", 200, Envelope(R"("data":{"key":"value"})"));
  EXPECT_THAT(Names(Good(List(TreeAt("kv1/team")))), ElementsAre("x/", "y/", "key"));
}

// ---- what a lookup tells the open that follows ----

// The open within a lookup's answer, as fs makes it.
TEST_F(KvTest, AValueThatWasReadForItsNamesIsThereForTheNextOpenAndForNoOther) {
  Mount("kv1/web", "kv1", "kv");
  On("GET kv1/web/?list=true", 404, Errors(""));
  On("GET kv1/web", 200, Envelope(R"("data":{"a":"b"})"));
  const Tree tree = TreeAt("kv1/web");
  Tree other = tree;
  other.name = "other";
  std::vector<std::string> first, second, elsewhere;
  source().List(tree, "", protocol::Purpose::kNames, token_, [&](auto) {
    source().Get(other, "", token_, [&](auto answer) { elsewhere = Texts(Good(std::move(answer)).fields); });
    source().Get(tree, "", token_, [&](auto answer) {
      first = Texts(Good(std::move(answer)).fields);
      source().Get(tree, "", token_, [&](auto again) { second = Texts(Good(std::move(again)).fields); });
    });
  });
  loop_.RunFor(std::chrono::milliseconds(200));
  for (const auto& texts : {first, second, elsewhere}) EXPECT_THAT(texts, ElementsAre("a=b"));
  // Of three opens one had the lookup's; the other tree has another login, perhaps.
  EXPECT_EQ(std::ranges::count(Asked(), "GET kv1/web"), 3);
}

TEST_F(KvTest, WhoLooksUpToOpenAsksVersion2Once) {
  MountKv2("secret/web");
  On("GET secret/metadata/web/?list=true", 404, Errors(""));
  On("GET secret/data/web", 200, Envelope(R"("data":{"data":{"a":"b"},"metadata":{"version":3}})"));
  const Tree tree = TreeAt("secret/web");
  std::vector<std::string> names, texts;
  source().List(tree, "", protocol::Purpose::kOpen, token_, [&](auto listed) {
    auto all = Good(std::move(listed));
    names = Names(all);
    EXPECT_TRUE(all.value_at_hand);
    source().Get(tree, "", token_, [&](auto answer) { texts = Texts(Good(std::move(answer)).fields); });
  });
  loop_.RunFor(std::chrono::milliseconds(200));
  EXPECT_THAT(names, ElementsAre("a"));
  EXPECT_THAT(texts, ElementsAre("a=b"));
  EXPECT_EQ(std::ranges::count(Asked(), "GET secret/data/web"), 1);
  EXPECT_FALSE(
      std::ranges::any_of(Asked(), [](const auto& asked) { return asked.find("subkeys") != std::string::npos; }));
}

TEST_F(KvTest, AValueThatWasReadForItsNamesIsKeptForAMoment) {
  Mount("kv1/web", "kv1", "kv");
  On("GET kv1/web/?list=true", 404, Errors(""));
  On("GET kv1/web", 200, Envelope(R"("data":{"a":"b"})"));
  Good(List(TreeAt("kv1/web")));  // and minutes pass
  EXPECT_THAT(Texts(Good(Get(TreeAt("kv1/web"))).fields), ElementsAre("a=b"));
  EXPECT_EQ(std::ranges::count(Asked(), "GET kv1/web"), 2);
}

TEST_F(KvTest, WhatWasListedAsNoFolderIsNotListedWhileThatIsFresh) {
  MountKv2("secret");
  MountKv2("secret/web");  // asked for again after those minutes
  On("GET secret/metadata/?list=true", 200, Envelope(R"("data":{"keys":["both","both/","web"]})"));
  On("GET secret/metadata/both/?list=true", 200, Envelope(R"("data":{"keys":["inner"]})"));
  On("GET secret/subkeys/both?depth=1", 200, Envelope(R"("data":{"subkeys":{"b":null}})"));
  On("GET secret/metadata/web/?list=true", 404, Errors(""));
  On("GET secret/subkeys/web?depth=1", 200, Envelope(R"("data":{"subkeys":{"a":null}})"));
  Tree tree = TreeAt("secret");
  tree.ttl = std::chrono::minutes(10);
  Good(List(tree));
  EXPECT_THAT(Names(Good(List(tree, "web"))), ElementsAre("a"));
  EXPECT_THAT(Asked(), Not(testing::Contains("GET secret/metadata/web/?list=true")));
  EXPECT_THAT(Names(Good(List(tree, "both"))), ElementsAre("inner/", "b"));
  loop_.RunFor(std::chrono::minutes(10));
  EXPECT_THAT(Names(Good(List(tree, "web"))), ElementsAre("a"));
  EXPECT_THAT(Asked(), testing::Contains("GET secret/metadata/web/?list=true"));
}

TEST_F(KvTest, ASecretThatBecameAFolderIsListedAllTheSame) {
  MountKv2("secret");
  On("GET secret/metadata/?list=true", 200, Envelope(R"("data":{"keys":["web"]})"));
  On("GET secret/metadata/web/?list=true", 200, Envelope(R"("data":{"keys":["inner"]})"));
  On("GET secret/subkeys/web?depth=1", 404, Errors(""));
  Tree tree = TreeAt("secret");
  tree.ttl = std::chrono::minutes(10);
  Good(List(tree));
  EXPECT_THAT(Names(Good(List(tree, "web"))), ElementsAre("inner/"));
}

// ---- engines by configuration; paths ----

// PITFALLS 16: least-privilege tokens may not ask what is mounted.
TEST_F(KvTest, AnEngineOfTheSettingsNeedsNoDetection) {
  On("GET sys/internal/ui/mounts/secret/web", 403, Errors("preflight capability check returned 403"));
  On("GET secret/data/web", 200, Version(R"({"a":"b"})"));
  On("GET secret/web", 200, Envelope(R"("data":{"a":"1"})"));
  Tree tree = TreeAt("secret/web");
  tree.engine = Engine::kKv2;
  EXPECT_EQ(Good(Find(tree)).nature, lease::Nature::kStatic);
  EXPECT_THAT(Asked(), IsEmpty());
  EXPECT_THAT(Texts(Good(Get(tree)).fields), ElementsAre("a=b"));
  EXPECT_THAT(Texts(Good(Get(tree)).fields), ElementsAre("a=b"));
  tree.engine = Engine::kKv1;
  EXPECT_THAT(Texts(Good(Get(tree)).fields), ElementsAre("a=1"));
  EXPECT_THAT(Asked(), ElementsAre("GET sys/internal/ui/mounts/secret/web", "GET secret/data/web",
                                   "GET secret/data/web", "GET secret/web"));
}

TEST_F(KvTest, WithoutItTheErrorSaysWhatAPolicyMustGrant) {
  On("GET sys/internal/ui/mounts/secret/web", 403, Errors("preflight capability check returned 403"));
  EXPECT_THAT(Words(Get(TreeAt("secret/web"))),
              AllOf(HasSubstr("forbidden denied: secret/web: "), HasSubstr("<mount>/data/<path>")));
}

// PITFALLS 27.
TEST_F(KvTest, PathsAreEscapedOnce) {
  On("GET sys/internal/ui/mounts/secret/a%20b/%25%23%3F%C3%A4", 200,
     Envelope(R"("data":{"path":"secret/","type":"kv","options":{"version":"2"}})"));
  On("GET secret/data/a%20b/%25%23%3F%C3%A4", 200, Version(R"({"k":"v"})"));
  EXPECT_THAT(Texts(Good(Get(TreeAt("secret"), "a b/%#?ä")).fields), ElementsAre("k=v"));
}

TEST_F(KvTest, WhatAServerWouldResolveIsNeverSent) {
  for (const char* below : {"..", ".", "a/../b", "a//b", "a/"}) {
    EXPECT_EQ(Failed(Get(TreeAt("secret"), below)).error.kind(), ErrorKind::kNotFound) << below;
  }
  EXPECT_THAT(Asked(), IsEmpty());
}

TEST_F(KvTest, AMountThatBecameAnotherEngineIsAskedForAgain) {
  MountKv2("secret/web");
  Mount("secret/web", "secret", "kv");
  On("GET secret/data/web", 405, Errors("unsupported operation"));
  On("GET secret/web", 200, Envelope(R"("data":{"k":"v"})"));
  EXPECT_EQ(Failed(Get(TreeAt("secret/web"))).cause, Cause::kRefused);
  EXPECT_THAT(Texts(Good(Get(TreeAt("secret/web"))).fields), ElementsAre("k=v"));
}

}  // namespace
}  // namespace leasefs::vault
