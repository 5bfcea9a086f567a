#include "backend/protocol.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "backend/protocol_report.h"
#include "fs/base/codec.h"
#include "fs/base/limits.h"
#include "fs/base/sim_loop.h"

namespace leasefs::protocol {
namespace {

using std::chrono::seconds;

std::vector<std::byte> BytesOf(const SecretBuffer& buffer) {
  return {buffer.Expose().begin(), buffer.Expose().end()};
}

// A payload, and what decodes and encodes it again: nothing when it is refused.
struct Sample {
  std::string name;
  std::vector<std::byte> payload;
  std::function<std::optional<std::vector<std::byte>>(std::span<const std::byte>)> again;
};

template <class Message>
Sample MakeSample(std::string name, const Message& message) {
  return {std::move(name), BytesOf(message.Encode()),
          [](std::span<const std::byte> payload) -> std::optional<std::vector<std::byte>> {
            auto decoded = Message::Decode(payload);
            if (!decoded.ok()) {
              EXPECT_EQ(decoded.error().kind(), ErrorKind::kInvalid);
              return std::nullopt;
            }
            return BytesOf(decoded->Encode());
          }};
}

Field MakeField(std::string key, std::string_view value) {
  return {std::move(key), false, SecretBuffer::CopyOf(value)};
}

Published Empty(uint64_t version) {
  return {"s", version, {}, {}};
}

Published MakePublished() {
  Published message{"web/tls", 7, {}, {}};
  message.freshness = {BootTime(seconds(10)), BootTime(seconds(20)), kNever};
  message.fields.push_back(MakeField("cert.pem", "-----BEGIN"));
  message.fields.push_back(MakeField("a/b\xff", std::string_view("\0\n", 2)));
  message.fields.push_back({"huge", true, {}});
  message.fields.push_back(MakeField("empty", ""));
  message.fields.push_back(MakeField("number", "1e400"));
  message.fields.back().json = true;
  return message;
}

std::vector<Sample> Samples() {
  std::vector<Sample> samples;
  samples.push_back(MakeSample("Hello", Hello{.generation = 12}));
  samples.push_back(MakeSample("List", List{"web"}));
  samples.push_back(MakeSample("ListRoot", List{""}));
  samples.push_back(MakeSample("Want", Want{"web/tls", 3}));
  samples.push_back(MakeSample("Idle", Idle{"web/tls"}));
  samples.push_back(MakeSample("Refresh", Refresh{"web/tls", 0}));
  samples.push_back(MakeSample("Applied", Applied{9}));
  samples.push_back(MakeSample("Stop", Stop{true}));
  samples.push_back(MakeSample("Recorded", Recorded{4, true}));
  samples.push_back(MakeSample("Welcome", Welcome{.generation = 5, .everything_changed = true}));
  samples.push_back(
      MakeSample("Entries", Entries{"web", false, {{EntryKind::kKey, "a/b"}, {EntryKind::kFolder, "tls"}}}));
  samples.push_back(MakeSample("NoEntries", Entries{"web", true, {}}));
  samples.push_back(MakeSample("MintedEntries", Entries{"db", true, {{EntryKind::kKey, "password"}}, true}));
  samples.push_back(MakeSample("EntryChanged", EntryChanged{3, "web", {EntryKind::kKey, "x"}, false}));
  samples.push_back(MakeSample("Published", MakePublished()));
  samples.push_back(MakeSample("Unchanged", Unchanged{"web/tls", 7, {}}));
  samples.push_back(MakeSample("Changed", Changed{1, 8, "web/tls"}));
  samples.push_back(MakeSample("Failed", Failed{Failed::What::kDirectory, "web", ErrorKind::kLocked,
                                                "locked: unlock it", BootTime(seconds(3))}));
  samples.push_back(MakeSample("Health", Health{HealthState::kLocked, "no key", 5}));
  samples.push_back(
      MakeSample("Record", Record{2, "rekey-end", "web/tls", 3, 1000, 1001, 77, ErrorKind::kDenied, false}));
  Report report;
  report.identities = {{"app", true, BootTime(seconds(9)), true, 2, "renewal refused"},
                       {"", false, kNever, false, 0, ""}};
  report.leases = {{"db", BootTime(seconds(1)), BootTime(seconds(5)), true, false, "the role is gone"}};
  report.more_leases = 3;
  report.mints = 4, report.renewals = 5, report.revocations = 6, report.orphans = 7;
  report.note = "no list";
  report.problems = {"the policy may not revoke"};
  samples.push_back(MakeSample("Report", report));
  samples.push_back(MakeSample("EmptyReport", Report{}));
  return samples;
}

TEST(ProtocolTest, EveryFrameComesBackAsItWas) {
  for (const Sample& sample : Samples()) {
    auto again = sample.again(sample.payload);
    ASSERT_TRUE(again.has_value()) << sample.name;
    EXPECT_EQ(*again, sample.payload) << sample.name;
  }
}

TEST(ProtocolTest, FieldsOfAPublishedVersionComeBack) {
  Result<Published> decoded = Published::Decode(MakePublished().Encode().Expose());
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->secret, "web/tls");
  EXPECT_EQ(decoded->version, 7u);
  EXPECT_EQ(decoded->freshness.stale_until, BootTime(seconds(20)));
  EXPECT_EQ(decoded->freshness.lease_end, kNever);
  ASSERT_EQ(decoded->fields.size(), 5u);
  EXPECT_EQ(decoded->fields[1].key, "a/b\xff");
  EXPECT_EQ(decoded->fields[1].value.ExposeText(), std::string_view("\0\n", 2));
  EXPECT_TRUE(decoded->fields[2].too_large);
  EXPECT_FALSE(decoded->fields[1].json);
  EXPECT_TRUE(decoded->fields[4].json);
}

TEST(ProtocolTest, AReportIsCutToItsBoundsAndSaysHowManyLeasesItLeavesOut) {
  Report report;
  report.leases.assign(kMaxReportLeases + 5,
                       {.secret = std::string(kMaxPathBytes, 'p'), .problem = std::string(5000, 'w')});
  report.identities.resize(kMaxReportIdentities + 1);
  report.problems.assign(kMaxReportProblems + 1, std::string(5000, 'w'));
  report.more_leases = 2;
  SecretBuffer encoded = report.Encode();
  EXPECT_LE(encoded.size(), kMaxFramePayload);
  Result<Report> decoded = Report::Decode(encoded.Expose());
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->leases.size(), kMaxReportLeases);
  EXPECT_EQ(decoded->more_leases, 7u);
  EXPECT_EQ(decoded->leases[0].problem.size(), kMaxMessageBytes);
}

TEST(ProtocolTest, EveryTruncationAndEveryExtraByteIsRefused) {
  for (const Sample& sample : Samples()) {
    for (size_t size = 0; size < sample.payload.size(); ++size) {
      EXPECT_FALSE(sample.again(std::span(sample.payload).first(size))) << sample.name << " cut at " << size;
    }
    std::vector<std::byte> longer = sample.payload;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(sample.again(longer)) << sample.name;
  }
}

TEST(ProtocolTest, AChangedByteIsRefusedOrMeansWhatItSays) {
  for (const Sample& sample : Samples()) {
    for (size_t at = 0; at < sample.payload.size(); ++at) {
      for (unsigned value = 0; value < 256; ++value) {
        std::vector<std::byte> changed = sample.payload;
        changed[at] = static_cast<std::byte>(value);
        auto again = sample.again(changed);
        EXPECT_EQ(again.value_or(changed), changed) << sample.name << " byte " << at;
      }
    }
  }
}

TEST(ProtocolTest, RandomChangesAreRefusedOrMeanWhatTheySay) {
  SimRandom random(3);
  for (const Sample& sample : Samples()) {
    for (int round = 0; round < 2000; ++round) {
      std::vector<std::byte> changed = sample.payload;
      for (uint64_t edits = 1 + random.Below(4); edits > 0; --edits) {
        size_t at = random.Below(changed.size());
        changed[at] = static_cast<std::byte>(random.Next());
        if (random.Below(4) == 0) changed.erase(changed.begin() + static_cast<ptrdiff_t>(at));
        if (random.Below(4) == 0) changed.insert(changed.begin() + static_cast<ptrdiff_t>(at), std::byte{1});
        if (changed.empty()) break;
      }
      auto again = sample.again(changed);
      EXPECT_EQ(again.value_or(changed), changed) << sample.name;
    }
  }
}

TEST(ProtocolTest, PathsThatAreNotCanonicalAreRefused) {
  for (const char* path : {"/", "/a", "a/", "a//b", ".", "..", "a/./b", "a/../b", "a/.."}) {
    EXPECT_FALSE(IsValidPath(path)) << path;
    EXPECT_FALSE(Want::Decode(Want{path, 0}.Encode().Expose()).ok()) << path;
    EXPECT_FALSE(List::Decode(List{path}.Encode().Expose()).ok()) << path;
  }
  EXPECT_FALSE(IsValidPath(std::string_view("a\0b", 3)));
  EXPECT_FALSE(IsValidPath(std::string(kMaxPathBytes + 1, 'a')));
  EXPECT_TRUE(IsValidPath(std::string(kMaxPathBytes, 'a')));
  for (const char* path : {"", "a", "a/b", "...", "a/.b/..c", "\xff/%"}) EXPECT_TRUE(IsValidPath(path)) << path;
}

TEST(ProtocolTest, KeysMayHoldAnythingButNul) {
  EXPECT_TRUE(IsValidKey("a/b"));
  EXPECT_TRUE(IsValidKey(".."));
  EXPECT_TRUE(IsValidKey(std::string(kMaxKeyBytes, 'k')));
  EXPECT_FALSE(IsValidKey(""));
  EXPECT_FALSE(IsValidKey(std::string(kMaxKeyBytes + 1, 'k')));
  EXPECT_FALSE(IsValidKey(std::string_view("k\0", 2)));
}

TEST(ProtocolTest, FolderNamesAreOneComponent) {
  for (const char* name : {"a/b", ".", "..", ""}) {
    EntryChanged message{1, "web", {EntryKind::kFolder, name}, true};
    EXPECT_FALSE(EntryChanged::Decode(message.Encode().Expose()).ok()) << name;
  }
}

TEST(ProtocolTest, AKeyThatComesTwiceIsRefused) {
  Published message = Empty(1);
  message.fields.push_back(MakeField("k", "1"));
  message.fields.push_back(MakeField("k", "2"));
  EXPECT_FALSE(Published::Decode(message.Encode().Expose()).ok());
}

TEST(ProtocolTest, ATooLargeFieldCarriesNoBytes) {
  Published message = Empty(1);
  message.fields.push_back({"k", true, SecretBuffer::CopyOf("x")});
  EXPECT_FALSE(Published::Decode(message.Encode().Expose()).ok());
}

TEST(ProtocolTest, AFieldWithoutBytesIsNoJson) {
  Published message = Empty(1);
  message.fields.push_back(MakeField("k", ""));
  message.fields.back().json = true;
  EXPECT_FALSE(Published::Decode(message.Encode().Expose()).ok());
}

TEST(ProtocolTest, ZeroIsNoVersionSequenceOrId) {
  EXPECT_FALSE(Published::Decode(Empty(0).Encode().Expose()).ok());
  EXPECT_FALSE(Unchanged::Decode(Unchanged{"s", 0, {}}.Encode().Expose()).ok());
  EXPECT_FALSE(Changed::Decode(Changed{0, 1, "s"}.Encode().Expose()).ok());
  EXPECT_FALSE(Applied::Decode(Applied{}.Encode().Expose()).ok());
  EXPECT_FALSE(Recorded::Decode(Recorded{}.Encode().Expose()).ok());
}

TEST(ProtocolTest, AnotherProtocolVersionIsRefused) {
  EXPECT_FALSE(Hello::Decode(Hello{.protocol = kProtocolVersion + 1}.Encode().Expose()).ok());
  EXPECT_FALSE(Welcome::Decode(Welcome{.protocol = 0}.Encode().Expose()).ok());
}

TEST(ProtocolTest, AbsurdCountsAllocateNothing) {
  Writer entries;
  entries.String("web");
  entries.Bool(true);
  entries.U32(0xffffffff);
  EXPECT_FALSE(Entries::Decode(std::move(entries).Take().Expose()).ok());

  Writer fields;
  fields.String("s");
  fields.U64(1);
  for (int i = 0; i < 3; ++i) fields.Time(kNever);
  fields.U32(0x10000000);
  EXPECT_FALSE(Published::Decode(std::move(fields).Take().Expose()).ok());
}

TEST(ProtocolTest, LargestSecretFitsAndOneByteMoreIsRefused) {
  Published message = Empty(1);
  message.fields.push_back({"a", false, SecretBuffer(kHardMaxValueBytes)});
  message.fields.push_back({"b", false, SecretBuffer(kMaxSecretBytes - kHardMaxValueBytes)});
  EXPECT_TRUE(Published::Decode(message.Encode().Expose()).ok());
  message.fields[1].value.Resize(message.fields[1].value.size() + 1);
  EXPECT_FALSE(Published::Decode(message.Encode().Expose()).ok());
  message.fields[1].value.Clear();
  message.fields[0].value.Resize(kHardMaxValueBytes + 1);
  EXPECT_FALSE(Published::Decode(message.Encode().Expose()).ok());
}

TEST(ProtocolTest, WordsAreCutBetweenCharacters) {
  std::string words(kMaxMessageBytes - 1, 'x');
  Result<Health> decoded = Health::Decode(Health{HealthState::kDown, words + "\xc3\xa4" + "more", 1}.Encode().Expose());
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->message, words);
}

TEST(ProtocolTest, KindsThatAreNoAnswerBecomeRemote) {
  for (ErrorKind kind : {ErrorKind::kStale, ErrorKind::kInterrupted, ErrorKind::kReadOnly, ErrorKind::kInvalid}) {
    Result<Failed> decoded = Failed::Decode(Failed{Failed::What::kSecret, "s", kind, "", {}}.Encode().Expose());
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->kind, ErrorKind::kRemote);
  }
}

TEST(ProtocolTest, VerbsOfRecordsAreWords) {
  for (const char* verb : {"", "Put", "put ", "rekey-finish", "p\n"}) {
    EXPECT_FALSE(Record::Decode(Record{.id = 1, .verb = verb, .path = ""}.Encode().Expose()).ok()) << verb;
  }
}

TEST(ProtocolTest, TimesBeforeBootAreRefused) {
  Unchanged message{"s", 1, {}};
  message.freshness.fresh_until = BootTime(Duration(-1));
  EXPECT_FALSE(Unchanged::Decode(message.Encode().Expose()).ok());
}

}  // namespace
}  // namespace leasefs::protocol
