#include "fs/template/forms.h"

#include <gtest/gtest.h>

namespace leasefs {
namespace {

using std::literals::operator""sv;

struct Key {
  std::string_view name, value;
  bool json = false;
};

Result<SecretBuffer> Render(Form form, std::vector<Key> keys, uint64_t max_bytes = 1 << 20) {
  std::vector<FormField> fields;
  for (const Key& key : keys) fields.push_back({std::string(key.name), SecretBuffer::CopyOf(key.value), key.json});
  return RenderForm(form, std::move(fields), max_bytes);
}

TEST(FormsTest, S7_JsonIsOneObjectInTheOrderOfTheNames) {
  EXPECT_EQ(Render(Form::kJson, {})->ExposeText(), "{}\n");
  EXPECT_EQ(Render(Form::kJson, {{"b", "2"}, {"a", "x\"\n"}, {"B", "1e400", true}})->ExposeText(),
            "{\"B\":1e400,\"a\":\"x\\\"\\n\",\"b\":\"2\"}\n");
  EXPECT_EQ(Render(Form::kJson, {{"k\"", "\0"sv}})->ExposeText(), "{\"k\\\"\":\"\\u0000\"}\n");
}

TEST(FormsTest, S7_JsonCannotSayWhatIsNotUtf8) {
  auto value = Render(Form::kJson, {{"k", "\xff"}});
  EXPECT_EQ(value.error().kind(), ErrorKind::kRemote);
  EXPECT_EQ(value.error().message(), ".json cannot express the key k: its value is not UTF-8");
  EXPECT_FALSE(Render(Form::kJson, {{"\xff", "v"}}).ok());
}

TEST(FormsTest, S7_EnvIsWhatAllReadersReadAlike) {
  EXPECT_EQ(Render(Form::kEnv, {})->ExposeText(), "");
  EXPECT_EQ(Render(Form::kEnv, {{"B_2", "x=@%+:,./-^!*?[]{}"}, {"A", ""}, {"_c", "\u00e4"}})->ExposeText(),
            "A=\nB_2=x=@%+:,./-^!*?[]{}\n_c=\u00e4\n");
  for (std::string_view bad :
       {"a b"sv, "a\tb"sv, "\n"sv, "\r"sv, "\0"sv, "'"sv, "\""sv, "\\"sv, "$x"sv,   "`"sv,   "a&b"sv,
        "|"sv,   ";"sv,    "<"sv,  ">"sv,  "("sv,  ")"sv, "~"sv,  "#"sv,  "\x7f"sv, "\xff"sv}) {
    auto rendered = Render(Form::kEnv, {{"K", bad}});
    ASSERT_FALSE(rendered.ok()) << bad;
    EXPECT_EQ(rendered.error().kind(), ErrorKind::kRemote);
    EXPECT_TRUE(rendered.error().message().starts_with(".env cannot express the key K: "));
  }
}

TEST(FormsTest, S7_NamesInEnvAreIdentifiers) {
  for (std::string_view bad : {"", "1a", "a-b", "a.b", "a b", "\u00e4", "a="}) {
    EXPECT_FALSE(IsVariableName(bad));
    EXPECT_FALSE(Render(Form::kEnv, {{bad, "v"}}).ok());
  }
  for (std::string_view good : {"a", "_", "A1_z"}) EXPECT_TRUE(IsVariableName(good));
}

TEST(FormsTest, S7_AFormIsNeverCut) {
  std::string value(100, 'x');
  EXPECT_EQ(Render(Form::kJson, {{"k", value}}, 107).error().kind(), ErrorKind::kTooLarge);
  EXPECT_EQ(Render(Form::kJson, {{"k", value}}, 109)->size(), 109u);
  EXPECT_EQ(Render(Form::kEnv, {{"k", value}}, 102).error().kind(), ErrorKind::kTooLarge);
  EXPECT_EQ(Render(Form::kEnv, {{"k", value}}, 103)->size(), 103u);
  // A line that docker would not read.
  EXPECT_TRUE(Render(Form::kEnv, {{"k", std::string(65533, 'x')}}).ok());
  EXPECT_FALSE(Render(Form::kEnv, {{"k", std::string(65534, 'x')}}).ok());
}

}  // namespace
}  // namespace leasefs
