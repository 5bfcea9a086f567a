#include "fs/cli/json_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leasefs::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

using Keys = std::vector<std::pair<std::string, std::string>>;

std::vector<std::pair<std::string, Keys>> Parse(std::string_view text) {
  auto secrets = ParseJsonSecrets("x.json", SecretBuffer::CopyOf(text));
  EXPECT_TRUE(secrets.ok()) << secrets.error().message();
  std::vector<std::pair<std::string, Keys>> out;
  if (!secrets.ok()) return out;
  for (const JsonSecret& secret : secrets.value()) {
    Keys keys;
    for (const protocol::Field& field : secret.fields)
      keys.emplace_back(field.key, std::string(field.value.ExposeText()));
    out.emplace_back(secret.path, std::move(keys));
  }
  return out;
}

// The one value of {"k": TEXT}.
std::string Value(const std::string& text) {
  const auto secrets = Parse("{\"k\": " + text + "}");
  return secrets.size() == 1 && secrets[0].second.size() == 1 ? secrets[0].second[0].second : "(not one value)";
}

std::string ErrorOf(std::string_view text) {
  auto secrets = ParseJsonSecrets("x.json", SecretBuffer::CopyOf(text));
  EXPECT_FALSE(secrets.ok()) << text.substr(0, 80);
  return secrets.ok() ? "" : secrets.error().message();
}

TEST(JsonImportTest, ReadsOneSecretOrMany) {
  EXPECT_THAT(Parse(R"({"a": "1", "b": "two"})"), ElementsAre(Pair("", Keys{{"a", "1"}, {"b", "two"}})));
  EXPECT_THAT(Parse(R"({"web/tls": {"key": "k", "cert": "c"}, "db": {"pass": "p"}})"),
              ElementsAre(Pair("web/tls", Keys{{"key", "k"}, {"cert", "c"}}), Pair("db", Keys{{"pass", "p"}})));
  EXPECT_THAT(Parse(R"( {"top":"t" , "db":{"pass":"p"}} )"),
              ElementsAre(Pair("", Keys{{"top", "t"}}), Pair("db", Keys{{"pass", "p"}})));
  EXPECT_THAT(Parse("{}"), ElementsAre());
}

TEST(JsonImportTest, NumbersStayAsTheyAreWritten) {
  for (const char* number : {"0", "-0", "1.10", "12345678901234567890123", "1E5", "1e+05", "-0.0e-0", "1.0"})
    EXPECT_EQ(Value(number), number);
}

TEST(JsonImportTest, OtherValuesAreCompactJson) {
  EXPECT_EQ(Value("true"), "true");
  EXPECT_EQ(Value("null"), "null");
  EXPECT_EQ(Value("[ 1 , {\"a\" : [ ] , \"b\":{ } } , \"x y\" ]"), "[1,{\"a\":[],\"b\":{}},\"x y\"]");
  EXPECT_EQ(Value("[1.10,\"\\u00e9 \\n\"]"), "[1.10,\"\\u00e9 \\n\"]");
}

TEST(JsonImportTest, StringsAreTheirBytes) {
  EXPECT_EQ(Value(R"("a\"b\\c\/d\b\f\n\r\t")"), "a\"b\\c/d\b\f\n\r\t");
  EXPECT_EQ(Value(R"("\u0041\u00e9\u20ac\ud83d\ude00")"), "Aé€😀");
  EXPECT_EQ(Value("\"é€😀\""), "é€😀");
  EXPECT_EQ(Value(R"("a\u0000b")"), std::string("a\0b", 3));
  EXPECT_EQ(Value("\"\""), "");
}

TEST(JsonImportTest, ErrorsSayWhere) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("x.json:1:1: an object is expected"));
  EXPECT_THAT(ErrorOf("[1]"), HasSubstr("x.json:1:1: an object is expected"));
  EXPECT_THAT(ErrorOf("{\n  \"a\": \"x\",\n  \"b\" \"y\"\n}"), HasSubstr("x.json:3:7: ':' is missing"));
  EXPECT_THAT(ErrorOf("{\"é\": tru}"), HasSubstr("x.json:1:7: this is not a JSON value"));
  EXPECT_THAT(ErrorOf("{\"a\": \"x\" \"b\"}"), HasSubstr("x.json:1:11: ',' or '}' is missing"));
  EXPECT_THAT(ErrorOf("{\"a\": \"x\",}"), HasSubstr("x.json:1:11: a name in double quotes"));
  EXPECT_THAT(ErrorOf("{\"a\": \"x\"} {}"), HasSubstr("x.json:1:12: something stands behind"));
  EXPECT_THAT(ErrorOf("{\"a\": \"x"), HasSubstr("x.json:1:7: this string is never closed"));
  EXPECT_THAT(ErrorOf("{\"a\": [1, 2"), HasSubstr("the text ends too early"));
  EXPECT_THAT(ErrorOf("{\"a\": [1 2]}"), HasSubstr("x.json:1:10: ',' or ']' is missing"));
  EXPECT_THAT(ErrorOf("{\"a\": [{\"b\" 2}]}"), HasSubstr("':' is missing"));
  EXPECT_THAT(ErrorOf("{\"a\": [}"), HasSubstr("x.json:1:8: this is not a JSON value"));
  EXPECT_THAT(ErrorOf("{\"a\": \"x\ny\"}"), HasSubstr("x.json:1:9: a control character"));
  EXPECT_THAT(ErrorOf("{\"a\": {}}"), HasSubstr("x.json:1:7: a secret without keys"));
  EXPECT_THAT(ErrorOf("{\"a\": {\"b\": {\"c\": \"d\"}}}"), HasSubstr("x.json:1:13: objects nest only"));
  EXPECT_THAT(ErrorOf("{\"../x\": {\"b\": \"c\"}}"), HasSubstr("x.json:1:2: this cannot be the path"));
}

TEST(JsonImportTest, RefusesNumbersThatJsonDoesNotHave) {
  for (const char* number : {"01", "-", "1.", ".5", "+1", "1e", "1e+", "0x1", "NaN", "Infinity", "1_000"}) {
    ErrorOf(std::string("{\"k\": ") + number + "}");
  }
}

TEST(JsonImportTest, RefusesNamesThatComeTwice) {
  EXPECT_THAT(ErrorOf("{\"a\": \"1\",\n \"\\u0061\": \"2\"}"),
              HasSubstr("x.json:2:2: this name is there already, at x.json:1:2"));
  EXPECT_THAT(ErrorOf(R"({"s": {"a": "1", "a": "2"}})"), HasSubstr("this name is there already"));
  EXPECT_THAT(Parse(R"({"s": {"a": "1"}, "a": "2"})"), testing::SizeIs(2));
}

TEST(JsonImportTest, RefusesBadText) {
  EXPECT_THAT(ErrorOf("{\"a\": \"\xff\"}"), HasSubstr("x.json:1:8: this is not UTF-8"));
  EXPECT_THAT(ErrorOf("{\"a\": \"x\",\n\"b\": \"é\xC3\"}"), HasSubstr("x.json:2:8: this is not UTF-8"));
  EXPECT_THAT(ErrorOf("{\"a\": \"\xC0\x80\"}"), HasSubstr("this is not UTF-8"));
  EXPECT_THAT(ErrorOf(R"({"a": "\ud83d"})"), HasSubstr("half of a surrogate pair"));
  EXPECT_THAT(ErrorOf(R"({"a": "\ude00"})"), HasSubstr("half of a surrogate pair"));
  EXPECT_THAT(ErrorOf(R"({"a": "\ud83dA"})"), HasSubstr("half of a surrogate pair"));
  EXPECT_THAT(ErrorOf(R"({"a": "\x41"})"), HasSubstr("an escape that JSON does not have"));
  EXPECT_THAT(ErrorOf(R"({"a": "\u00)"), HasSubstr("an escape that JSON does not have"));
  EXPECT_THAT(ErrorOf(std::string_view("{\"a\": \"x\0y\"}", 12)), HasSubstr("a control character"));
  EXPECT_THAT(ErrorOf(R"({"a\u0000b": "x"})"), HasSubstr("none of them NUL"));
  EXPECT_THAT(ErrorOf(R"({"": "x"})"), HasSubstr("a key has 1 to"));
}

TEST(JsonImportTest, AMillionBracketsAreOneError) {
  const std::string deep(1'000'000, '[');
  EXPECT_THAT(ErrorOf("{\"a\": " + deep), HasSubstr("nested deeper than 64"));
  std::string objects = "{\"a\": [";
  for (int i = 0; i < 100'000; ++i) objects += "{\"b\":";
  EXPECT_THAT(ErrorOf(objects), HasSubstr("nested deeper than 64"));
}

TEST(JsonImportTest, BoundsKeysAndSizes) {
  std::string many = "{\"k\":1";
  for (int i = 0; i < 4096; ++i) many += ",\"k" + std::to_string(i) + "\":1";
  EXPECT_THAT(ErrorOf(many + "}"), HasSubstr("more than 4096 keys"));
  EXPECT_THAT(ErrorOf("{\"" + std::string(2000, 'k') + "\":1}"), HasSubstr("a key has 1 to 1024 bytes"));
  EXPECT_THAT(ErrorOf("{\"k\":\"" + std::string((4u << 20) + 1, 'v') + "\"}"),
              HasSubstr("a value of more than 4194304 bytes"));
}

TEST(JsonImportTest, ErrorsNeverQuoteAValue) {
  for (const char* text : {"{\"a\": \"canary", "{\"a\": canary}", "{\"a\": \"canary\" canary", "{\"a\": \"canary\\q\"}",
                           "{\"a\":\"x\",\"a\":\"canary\"}"}) {
    EXPECT_THAT(ErrorOf(text), Not(HasSubstr("canary")));
  }
}

}  // namespace
}  // namespace leasefs::cli
