// What people and programs see: tables, JSON, progress.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/cli/json_view.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/progress.h"
#include "fs/cli/table.h"
#include "fs/cli/text_error.h"

namespace leasefs::cli {
namespace {

std::string Base64(std::string_view text) {
  SecretBuffer out;
  AppendBase64(out, std::as_bytes(std::span(text)));
  return std::string(out.ExposeText());
}

TEST(TableTest, AlignsColumnsAndDropsTrailingSpaces) {
  Table table({"NAME", "SIZE"});
  table.Add({"short", "1 B"});
  table.Add({"much longer", ""});
  table.Add({"größe", "2 B"});
  EXPECT_EQ(table.ToString(),
            "NAME         SIZE\n"
            "short        1 B\n"
            "much longer\n"
            "größe        2 B\n");
}

TEST(TableTest, NothingThatATerminalObeysGetsThrough) {
  Table table({"NAME"});
  table.Add({"a\033[31mb\nc"});
  EXPECT_EQ(table.ToString(), "NAME\na\\x1b[31mb\\x0ac\n");
}

TEST(ShowTest, BytesTimesAndCounts) {
  EXPECT_EQ(ShowBytes(0), "0 B");
  EXPECT_EQ(ShowBytes(1023), "1023 B");
  EXPECT_EQ(ShowBytes(1024), "1 KiB");
  EXPECT_EQ(ShowBytes(1536), "1.5 KiB");
  EXPECT_EQ(ShowBytes(1024 * 1024 - 1), "1 MiB");
  EXPECT_EQ(ShowBytes(uint64_t{32} << 20), "32 MiB");
  EXPECT_EQ(ShowTime(WallTime(std::chrono::seconds(1'795'503'672))), "2026-11-24T07:01:12Z");
  EXPECT_EQ(ShowDuration(59), "59s");
  EXPECT_EQ(ShowDuration(3661), "1h 1m");
  EXPECT_EQ(ShowDuration(200'000), "2d 7h");
  EXPECT_EQ(Count(1, "key"), "1 key");
  EXPECT_EQ(Count(0, "key"), "0 keys");
  EXPECT_EQ(ShowUser(0), "root");
  EXPECT_EQ(ShowUser(3'999'999'999), "3999999999");
}

TEST(JsonWriterTest, WritesCompactDocuments) {
  JsonWriter writer;
  writer.BeginObject().Text("a", "x\"\\\n\x7f").Number("n", 18446744073709551615u).Bool("b", false).BeginArray("list");
  writer.Text("", "1").BeginObject().EndObject().EndArray().Document("d", "{\"k\":1}").EndObject();
  EXPECT_EQ(std::move(writer).Take().ExposeText(),
            "{\"a\":\"x\\\"\\\\\\u000a\\u007f\",\"n\":18446744073709551615,\"b\":false,\"list\":[\"1\",{}],\"d\":{"
            "\"k\":1}}\n");
}

TEST(JsonWriterTest, ValuesAreStringsOrBase64) {
  JsonWriter writer;
  writer.BeginObject()
      .Value("text", SecretBuffer::CopyOf("é\n"))
      .Value("bytes", SecretBuffer::CopyOf("\xff\x01"))
      .EndObject();
  EXPECT_EQ(std::move(writer).Take().ExposeText(),
            "{\"text\":\"é\\u000a\",\"bytes\":\"/wE=\",\"encoding\":\"base64\"}\n");
}

TEST(JsonWriterTest, NamesThatAreNotUtf8AreShownWithEscapes) {
  JsonWriter writer;
  writer.BeginArray().Text("", "a\xff").EndArray();
  EXPECT_EQ(std::move(writer).Take().ExposeText(), "[\"a\\\\xff\"]\n");
}

TEST(JsonWriterTest, Base64IsThatOfTheRfc) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
}

TEST(JsonViewTest, WhatIsNotThereIsEmpty) {
  const auto view = JsonView::Parse(R"({"a": {"b": "text", "n": 7, "l": [1, "two"]}, "nothing": null})");
  ASSERT_TRUE(view);
  EXPECT_EQ((*view)["a"]["b"].Text(), "text");
  EXPECT_EQ((*view)["a"]["n"].Number(), 7u);
  EXPECT_EQ((*view)["a"]["n"].Text(), "7");
  EXPECT_EQ((*view)["a"]["l"].Items().size(), 2u);
  EXPECT_EQ((*view)["a"]["x"]["y"].Text(), "");
  EXPECT_EQ((*view)["a"]["b"].Number(), 0u);
  EXPECT_FALSE((*view)["nothing"].present());
  EXPECT_FALSE(JsonView::Parse("{\"a\": "));
}

TEST(ProgressTest, ShowsCountAndRate) {
  EXPECT_EQ(ProgressLine("import", 50, 100, 10, 60), "import  [##################------------------]  50/100  5/s");
  EXPECT_EQ(ProgressLine("import", 0, 100, 0, 60).find("/s"), std::string::npos);
  EXPECT_LE(ProgressLine("import", 99'999, 100'000, 3, 40).size(), 40u);
  EXPECT_LE(ProgressLine("import", 99'999, 100'000, 3, 12).size(), 12u);
}

TEST(TextErrorTest, CountsLinesAndCharacters) {
  EXPECT_EQ(LocationIn("f", "", 0), "f:1:1");
  EXPECT_EQ(LocationIn("f", "a\nbé x", 6), "f:2:4");
  EXPECT_EQ(FirstInvalidUtf8("abc"), 3u);
  EXPECT_EQ(FirstInvalidUtf8("ab\né\xC3("), 5u);
  EXPECT_EQ(FirstInvalidUtf8("\xF0\x9F\x98"), 0u);
}

}  // namespace
}  // namespace leasefs::cli
