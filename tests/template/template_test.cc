#include "fs/template/template.h"

#include <gtest/gtest.h>

#include <map>

#include "fs/base/strings.h"
#include "fs/template/render.h"

namespace leasefs {
namespace {

using std::literals::operator""sv;

// What a template makes of a few values, or "LINE:COLUMN: …" if it is none, or "error: …".
std::string Rendered(std::string_view text, uint64_t max_bytes = 1 << 20) {
  static const std::map<std::string, std::string> kValues{
      {"db.password", "p:w d"}, {"db.user", "joe"},     {"db.key name", "odd"},
      {"db.a\"b\\", "quoted"},  {"db.lines", "a\nb\n"}, {"db.nul", std::string(1, '\0')},
      {"db.spaced", " x \n"},   {"db.bin", "\xff"},     {"my-api_2.t-1", "{{ db.user }}"}};
  Template parsed;
  if (auto fault = Template::Parse(text, parsed)) {
    return StrCat(fault->where.line, ":", fault->where.column, ": ", fault->what);
  }
  auto lookup = [](const std::string& secret, const std::string& key) -> Result<TemplateValue> {
    auto found = kValues.find(secret + "." + key);
    if (found == kValues.end()) return Error(ErrorKind::kNotFound, StrCat("no ", key));
    return TemplateValue{SecretBuffer::CopyOf(found->second), false};
  };
  auto bytes = RenderTemplate(parsed, lookup, max_bytes);
  if (!bytes.ok()) return "error: " + bytes.error().message();
  return std::string(bytes->ExposeText());
}

TEST(TemplateTest, S7_TextOutsideOfTagsIsCopiedByteForByte) {
  for (std::string_view text : {""sv, "plain"sv, "{ } }} {x}"sv, "\0\xff\r\n\n"sv, "{"sv, "a{"sv}) {
    EXPECT_EQ(Rendered(text), text);
  }
}

TEST(TemplateTest, S7_NamesAndFilters) {
  EXPECT_EQ(Rendered("u={{ db.user }};"), "u=joe;");
  EXPECT_EQ(Rendered("{{db.user}}{{\tdb.user\t}}"), "joejoe");
  EXPECT_EQ(Rendered("{{ db[\"key name\"] }} {{ db[\"a\\\"b\\\\\"] }}"), "odd quoted");
  EXPECT_EQ(Rendered("{{ db.password | url }} {{db.password|pgpass}}"), "p%3Aw%20d p\\:w d");
  EXPECT_EQ(Rendered("{{ db.spaced | trim | base64 | url }}"), "eA%3D%3D");
  EXPECT_EQ(Rendered("{{ db.lines | raw }}{{ db.lines | json }}"), "a\nb\n\"a\\nb\\n\"");
}

TEST(TemplateTest, S7_ThereIsAWayToWriteABrace) {
  EXPECT_EQ(Rendered("{{ \"{{\" }} x }}"), "{{ x }}");
  EXPECT_EQ(Rendered("{{ \"a \\\"b\\\\\" }}"), "a \"b\\");
  EXPECT_EQ(Rendered("a{{ \"\" }}b"), "ab");
}

TEST(TemplateTest, S7_AValueIsNeverReadAsATemplate) {
  EXPECT_EQ(Rendered("{{ my-api_2.t-1 }}"), "{{ db.user }}");
}

TEST(TemplateTest, S7_WhatIsWrongHasItsPlace) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"{{", "1:3: has a tag without a name"},
      {"a\n  {{ }}", "2:6: has a tag without a name"},
      {"{{ db }}", "1:6: has a name without a key"},
      {"{{ db. }}", "1:7: has a name without a key"},
      {"{{ db.a.b }}", "1:8: has a dot in a key"},
      {"{{ db.a b }}", "1:9: has a tag that does not end here"},
      {"{{ db.a }", "1:9: has a tag that does not end here"},
      {"{{ db.a\n}}", "1:8: has a tag that does not end here"},
      {"{{ db.a | }}", "1:11: has no filter after |"},
      {"{{ db.a | b64 }}", "1:11: names the unknown filter \"b64\""},
      {"{{ db.a | json url }}", "1:16: has a tag that does not end here"},
      {"{{ db[a] }}", "1:7: has a key without quotes"},
      {"{{ db[\"a }}", "1:12: has quotes that do not end"},
      {"{{ db[\"a\" }}", "1:10: has a key that does not end"},
      {"{{ db[\"\"] }}", "1:9: has an empty key"},
      {"{{ db[\"a\\n\"] }}", "1:10: has a \\ in quotes before another byte"},
      {"{{ \"x }}\n", "1:9: has quotes that do not end"},
      {"{{ \"x\" | json }}", "1:8: has a tag that does not end here"},
      {"{{ d\xc3\xa4.k }}", "1:5: has a name without a key"},
      {"{{ if db.a }}", "1:6: has a name without a key"},
  };
  for (const auto& [text, fault] : cases) EXPECT_EQ(Rendered(text), fault) << text;
}

TEST(TemplateTest, ItsSizeIsBounded) {
  EXPECT_EQ(Rendered(std::string(kMaxTemplateBytes, 'x')).size(), kMaxTemplateBytes);
  EXPECT_EQ(Rendered(std::string(kMaxTemplateBytes + 1, 'x')), "1:1: is too long");
  std::string tags;
  for (size_t i = 0; i < kMaxTemplateTags; ++i) tags += "{{db.user}}";
  EXPECT_EQ(Rendered(tags).size(), kMaxTemplateTags * 3);
  EXPECT_EQ(Rendered(tags + "{{db.user}}"), StrCat("1:", tags.size() + 1, ": has too many tags"));
  std::string name(kMaxTemplateNameBytes + 1, 'n');
  EXPECT_EQ(Rendered("{{ " + name + ".k }}"), "1:4: has a tag without a name");
}

TEST(TemplateTest, S7_WhatDoesNotFitIsAnErrorThatNamesTheKeyAndHoldsNoValue) {
  EXPECT_TRUE(
      Rendered("\n{{ db.lines }}").starts_with("error: line 2 of the template: the value of db.lines has a line"));
  EXPECT_TRUE(Rendered("{{ db.nul }}").starts_with("error: line 1 of the template: the value of db.nul has a NUL"));
  EXPECT_TRUE(
      Rendered("{{ db.bin | json }}").starts_with("error: line 1 of the template: the value of db.bin is not UTF-8"));
  EXPECT_EQ(Rendered("{{ db.none }}"), "error: no none");
}

TEST(TemplateTest, S7_AFileIsNeverCut) {
  EXPECT_EQ(Rendered("12{{ db.user }}", 5), "12joe");
  EXPECT_EQ(Rendered("12{{ db.user }}", 4), "error: the file would be larger than limits.value");
}

}  // namespace
}  // namespace leasefs
