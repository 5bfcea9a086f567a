#include "backend/store/admin_wire.h"

#include <gtest/gtest.h>

#include "fs/base/codec.h"
#include "fs/base/sim_loop.h"

namespace leasefs::store_admin {
namespace {

std::vector<std::byte> BytesOf(const SecretBuffer& buffer) {
  return {buffer.Expose().begin(), buffer.Expose().end()};
}

std::vector<std::byte> ARequest() {
  AdminRequest request;
  request.verb = Verb::kImport;
  request.path = "web";
  request.keys = {"a", "b/c"};
  request.version = 3;
  request.recursive = true;
  request.puts.push_back({"web/tls", {}, false});
  request.puts.back().fields.push_back({"cert", false, SecretBuffer::CopyOf("C")});
  request.puts.push_back({"web/db", {}, true});
  request.key = {StoreKey::Kind::kPassphrase, SecretBuffer::CopyOf("pass")};
  return BytesOf(request.Encode());
}

std::vector<std::byte> AReply() {
  AdminReply reply;
  reply.error = Error(ErrorKind::kLocked, "locked: unlock it");
  reply.versions = {1, 2};
  reply.fields.push_back({"cert", false, SecretBuffer::CopyOf("C")});
  reply.entries = {{protocol::EntryKind::kFolder, "tls"}, {protocol::EntryKind::kKey, "k/l"}};
  reply.paths = {"web/tls", ""};
  reply.history.push_back({4, WallTime(std::chrono::seconds(5)), 1000, "rollback to 3", {{"cert", 7}}});
  reply.figures = {1, 2, 3, 4};
  reply.state = "open";
  reply.applied = false;
  return BytesOf(reply.Encode());
}

template <class Message>
std::optional<std::vector<std::byte>> Again(std::span<const std::byte> payload) {
  auto decoded = Message::Decode(payload);
  if (!decoded.ok()) return std::nullopt;
  return BytesOf(decoded->Encode());
}

template <class Message>
void ExpectStrict(const std::vector<std::byte>& payload) {
  EXPECT_EQ(Again<Message>(payload), payload);
  for (size_t size = 0; size < payload.size(); ++size) {
    EXPECT_EQ(Again<Message>(std::span(payload).first(size)), std::nullopt) << "cut at " << size;
  }
  std::vector<std::byte> longer = payload;
  longer.push_back(std::byte{0});
  EXPECT_EQ(Again<Message>(longer), std::nullopt);
  for (size_t at = 0; at < payload.size(); ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      std::vector<std::byte> changed = payload;
      changed[at] = static_cast<std::byte>(value);
      EXPECT_EQ(Again<Message>(changed).value_or(changed), changed) << "byte " << at;
    }
  }
}

TEST(AdminWireTest, RequestsAreDecodedStrictly) {
  ExpectStrict<AdminRequest>(ARequest());
}
TEST(AdminWireTest, RepliesAreDecodedStrictly) {
  ExpectStrict<AdminReply>(AReply());
}

TEST(AdminWireTest, AReplyComesBackAsItWas) {
  Result<AdminReply> reply = AdminReply::Decode(AReply());
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->error->kind(), ErrorKind::kLocked);
  EXPECT_EQ(reply->error->message(), "locked: unlock it");
  EXPECT_EQ(reply->history[0].keys[0].second, 7u);
  EXPECT_EQ(reply->history[0].created, WallTime(std::chrono::seconds(5)));
  EXPECT_EQ(reply->figures.file_bytes, 4u);
  EXPECT_FALSE(reply->applied);
}

TEST(AdminWireTest, ARequestComesBackAsItWas) {
  Result<AdminRequest> request = AdminRequest::Decode(ARequest());
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->verb, Verb::kImport);
  ASSERT_EQ(request->puts.size(), 2u);
  EXPECT_FALSE(request->puts[0].replace);
  EXPECT_EQ(request->puts[0].fields[0].value.ExposeText(), "C");
  EXPECT_EQ(request->key.bytes.ExposeText(), "pass");
}

TEST(AdminWireTest, AbsurdCountsAllocateNothing) {
  for (uint32_t count : {uint32_t{kMaxPuts + 1}, uint32_t{1} << 30, uint32_t{0xffffffff}}) {
    Writer writer;
    writer.U8(static_cast<uint8_t>(Verb::kImport));
    writer.String("");
    writer.U32(0);
    writer.U64(0);
    writer.Bool(false);
    writer.U32(count);
    EXPECT_FALSE(AdminRequest::Decode(std::move(writer).Take().Expose()).ok());
  }
}

TEST(AdminWireTest, RandomBytesAreNoMessage) {
  SimRandom random(5);
  for (int i = 0; i < 20000; ++i) {
    std::vector<std::byte> bytes(random.Below(200));
    random.Fill(bytes);
    EXPECT_EQ(Again<AdminRequest>(bytes).value_or(bytes), bytes);
    EXPECT_EQ(Again<AdminReply>(bytes).value_or(bytes), bytes);
  }
}

}  // namespace
}  // namespace leasefs::store_admin
