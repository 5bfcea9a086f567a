// What each status and each strange answer means: vault_errors.h.
#include "backend/vault/vault_errors.h"
#include "tests/vault/vault_fixture.h"

namespace leasefs::vault {
namespace {

using lease::Cause;
using lease::Engine;
using lease::Tree;
using testing::StartsWith;

constexpr const char* kPage = "<!DOCTYPE html><html><body>Bad gateway</body></html>";

class ErrorsTest : public VaultFixture {
 protected:
  static Tree Static() {
    Tree tree = TreeAt("kv/web");
    tree.engine = Engine::kKv1;
    return tree;
  }
  static Tree Dynamic() {
    Tree tree = TreeAt("db/creds/app");
    tree.engine = Engine::kDynamic;
    return tree;
  }
  // What a reading of kv/web that is answered so comes to.
  std::string Reading(int status, std::string body, std::vector<http::ResponseHeader> headers = {}) {
    Mount("kv/web", "kv", "kv");
    On("GET kv/web", status, std::move(body), std::move(headers));
    return Words(Get(Static()));
  }
  std::string Minting(int status, std::string body, std::vector<http::ResponseHeader> headers = {}) {
    Mount("db/creds/app", "db", "database");
    On("GET db/creds/app", status, std::move(body), std::move(headers));
    return Words(Get(Dynamic()));
  }
};

struct Row {
  int status;
  const char* text;
  const char* begins;  // cause and kind
  const char* says;
};

TEST_F(ErrorsTest, S25_EveryStatusIsARowOfTheTable) {
  static constexpr Row kTable[] = {
      {400, "unknown role: app", "refused not_found: ", "no such role or name"},
      {400, "role \\\"x\\\" could not be found", "refused not_found: ", "no such role"},
      {400, "Unknown role: none", "refused not_found: ", "no such role"},
      {400, "1 error occurred:\\n\\t* missing client token\\n\\n", "forbidden denied: ", "saw no token"},
      {400, "common_name is required", "refused remote: ", "(it says: common_name is required)"},
      {400, "Upgrading from non-versioned to versioned data. This backend will be unavailable",
       "outage remote: ", "still turning this mount"},
      {403, "1 error occurred:\\n\\t* permission denied\\n\\n", "forbidden denied: ", "does not allow read on"},
      {403, "2 errors occurred:\\n\\t* permission denied\\n\\t* invalid token\\n\\n",
       "forbidden denied: ", "calls it invalid"},
      {404, "", "refused not_found: ", "there is nothing"},
      {404, "no handler for route \\\"x/y\\\". route entry not found.", "refused not_found: ", "nothing is mounted"},
      {405, "1 error occurred:\\n\\t* unsupported operation\\n\\n", "refused remote: ", "method and path"},
      {412, "required index state not present", "outage remote: ", "wants a header"},
      {413, "request body too large", "refused too_large: ", "too large"},
      {415, "", "refused remote: ", "format"},
      {429, "lease count quota exceeded", "outage unreachable: ", "quota"},
      {472, "", "outage remote: ", "disaster-recovery"},
      {473, "", "outage remote: ", "standby"},
      {474, "", "outage remote: ", "cluster"},
      {500, "internal error", "outage remote: ", "status 500"},
      {501, "", "outage remote: ", "not initialized"},
      {502, "failed to reach the database", "outage remote: ", "behind it"},
      {503, "Vault is sealed", "outage remote: ", "sealed: unseal it"},
      {503, "", "outage remote: ", "cannot serve now"},
      {504, "", "outage remote: ", "status 504"},
      {530, "", "outage remote: ", "cluster"},
      {418, "", "outage remote: ", "status 418"},
  };
  for (const Row& row : kTable) {
    for (const bool mint : {false, true}) {
      const std::string words = mint ? Minting(row.status, Errors(row.text)) : Reading(row.status, Errors(row.text));
      EXPECT_THAT(words, AllOf(StartsWith(row.begins), HasSubstr(row.says))) << row.status << " " << row.text;
      EXPECT_THAT(words, HasSubstr(mint ? "db/creds/app: " : "kv/web: "));
      // An error that the server tells is an answer: it has made nothing.
      EXPECT_THAT(words, Not(HasSubstr("in doubt")));
    }
    Again();
  }
}

TEST_F(ErrorsTest, AWebPageInPlaceOfTheServer) {
  for (const int status : {200, 400, 403, 404, 405, 500, 502, 503}) {
    EXPECT_THAT(Reading(status, kPage, {{.name = "content-type", .value = "text/html"}}),
                AllOf(StartsWith("outage remote: kv/web: https://vault-1:8200 answered "), HasSubstr("a web page"),
                      Not(HasSubstr("Bad gateway"))))
        << status;
    Again();
  }
}

TEST_F(ErrorsTest, NothingAndNonsenseInPlaceOfAnAnswer) {
  for (const int status : {200, 403, 404, 500}) {
    EXPECT_THAT(Reading(status, ""), AllOf(StartsWith("outage remote: "), HasSubstr("answered ")));
    Again();
    EXPECT_THAT(Reading(status, "not found"), AllOf(StartsWith("outage remote: "), Not(HasSubstr("not found"))));
    Again();
    EXPECT_THAT(Reading(status, "[]"), StartsWith("outage remote: "));
    Again();
    EXPECT_THAT(Reading(status, R"({"message":"no Route matched with those values"})"), StartsWith("outage remote: "));
    Again();
    EXPECT_THAT(Reading(status, R"({"errors":["permission de)"),
                AllOf(StartsWith("outage remote: "), HasSubstr("JSON")));
    Again();
  }
}

TEST_F(ErrorsTest, AMintWhoseAnswerCannotBeReadIsInDoubt) {
  EXPECT_THAT(Minting(200, R"({"lease_id":"db/creds/app/xyz","data":{"pass)"), HasSubstr("(in doubt)"));
  Again();
  EXPECT_THAT(Minting(502, kPage), HasSubstr("(in doubt)"));
  Again();
  EXPECT_THAT(Minting(504, ""), HasSubstr("(in doubt)"));
  Again();
  EXPECT_THAT(Minting(404, kPage), Not(HasSubstr("(in doubt)")));
  Again();
  EXPECT_THAT(Reading(200, "{"), Not(HasSubstr("(in doubt)")));
}

TEST_F(ErrorsTest, AMintThatWasLostIsInDoubtIfItWasSent) {
  Mount("db/creds/app", "db", "database");
  Lose("GET db/creds/app", /*sent=*/true);
  EXPECT_THAT(Words(Get(Dynamic())), AllOf(StartsWith("outage unreachable: "), HasSubstr("(in doubt)")));
  EXPECT_EQ(std::ranges::count(Asked(), "GET db/creds/app"), 1) << "a mint was sent twice";
  Again();
  Mount("db/creds/app", "db", "database");
  Lose("GET db/creds/app", /*sent=*/false);
  EXPECT_THAT(Words(Get(Dynamic())), AllOf(StartsWith("outage unreachable: "), Not(HasSubstr("(in doubt)"))));
}

TEST_F(ErrorsTest, AnAnswerThatIsTooDeepIsTooLarge) {
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  EXPECT_THAT(Reading(200, Envelope("\"data\":{\"a\":" + deep + "}")), StartsWith("refused too_large: "));
}

// PITFALLS 17.
TEST_F(ErrorsTest, RetryAfterIsHandedOn) {
  Mount("kv/web", "kv", "kv");
  for (const int status : {429, 503}) {
    Again();
    Mount("kv/web", "kv", "kv");
    On("GET kv/web", status, Errors(""), {{.name = "retry-after", .value = "50"}});
    EXPECT_EQ(Failed(Get(Static())).retry_after, std::optional<Duration>(seconds(50))) << status;
  }
  Again();
  Mount("kv/web", "kv", "kv");
  On("GET kv/web", 400, Errors("Upgrading from non-versioned to versioned data."));
  EXPECT_EQ(Failed(Get(Static())).retry_after, std::optional<Duration>(seconds(1)));
}

// PITFALLS 18 and its like: of several addresses, those that can serve are asked.
TEST_F(ErrorsTest, ASealedAddressIsAvoided) {
  options_.addresses.push_back(*ParseAddress("https://vault-2:8200", PlainHttp::kRefused));
  for (const int status : {472, 473, 501, 503}) {
    Again();
    Mount("kv/web", "kv", "kv");
    On("GET kv/web", status, Errors("Vault is sealed"));
    On("GET kv/web", 200, Envelope(R"("data":{"a":"b"})"));
    EXPECT_EQ(Failed(Get(Static())).cause, Cause::kOutage);
    EXPECT_THAT(Texts(Good(Get(Static())).fields), ElementsAre("a=b"));
    EXPECT_THAT(Last().url, StartsWith("https://vault-2:8200/")) << status;
  }
}

// PITFALLS 34, and more: what a server says goes into logs only where it can hold nothing but words.
TEST_F(ErrorsTest, OnlyWordsAreQuoted) {
  EXPECT_EQ(Quotable("1 error occurred:\n\t* permission denied\n\n"), "1 error occurred: * permission denied");
  EXPECT_EQ(Quotable("unknown role: app-1"), "unknown role: app-1");
  for (const char* text :
       {"lease database/creds/app/hLkZ9q0TR3fYb1s8uVw2XcNd not found", "token s.CGkZ9q0TR3fYb1s8uVw2 is bad",
        "dial postgres://admin:hunter2@db:5432", "pq: password=hunter2", "caf\xC3\xA9", "x\x1b[31m",
        "failed: MIIBjjCCATOgAwIBAgIUadabcdef", "3dd0c3c0-c290-485c-818d-d3213e24e408",
        "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"}) {
    EXPECT_EQ(Quotable(text), "") << text;
  }
  EXPECT_EQ(Quotable(std::string(300, 'a') + " "), "");
  std::string long_text;
  for (int i = 0; i < 100; ++i) long_text += "word ";
  EXPECT_EQ(Quotable(long_text), "");
}

TEST_F(ErrorsTest, SecretsInErrorsAreNotShown) {
  for (const int status : {400, 403, 404, 405, 429, 500, 502, 503}) {
    EXPECT_THAT(Minting(status, Errors("bad hunter2@db s.CGkZ9q0TR3fYb1s8uVw2")), Not(HasSubstr("hunter2"))) << status;
    Again();
  }
}

TEST_F(ErrorsTest, TheMessageNamesThePathThatAPolicyMustGrant) {
  EXPECT_THAT(Minting(403, Errors("permission denied")), HasSubstr("does not allow read on db/creds/app"));
}

TEST_F(ErrorsTest, NothingIsCalledBackAfterTheEndOfTheSource) {
  Mount("kv/web", "kv", "kv");
  source().Get(Static(), "", token_, [](const lease::Answer<lease::Grant>&) { FAIL(); });
  source().Login("", [](const lease::Answer<lease::Token>&) { FAIL(); });
  source().Find(Static(), "", token_, [](const lease::Answer<lease::Place>&) { FAIL(); });
  source_.reset();
  loop_.RunFor(seconds(100));
}

}  // namespace
}  // namespace leasefs::vault
