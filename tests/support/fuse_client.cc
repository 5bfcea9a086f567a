#include "tests/support/fuse_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace leasefs {

FuseClient::FuseClient() {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  kernel_ = UniqueFd(ends[0]);
  device_ = UniqueFd(ends[1]);
  collector_ = std::thread([this] { Collect(); });
}

FuseClient::~FuseClient() {
  shutdown(kernel_.get(), SHUT_RDWR);
  collector_.join();
}

void FuseClient::HangUp() {
  shutdown(kernel_.get(), SHUT_WR);
}

void FuseClient::StopListening() {
  shutdown(kernel_.get(), SHUT_RD);
}

void FuseClient::Collect() {
  RawBytes packet(size_t{2} << 20);
  for (;;) {
    while (held_up_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ssize_t n = recv(kernel_.get(), packet.data(), packet.size(), 0);
    if (n <= 0) return;
    fuse_out_header header{};
    EXPECT_GE(static_cast<size_t>(n), sizeof header) << "a reply without a header";
    memcpy(&header, packet.data(), sizeof header);
    EXPECT_EQ(header.len, static_cast<size_t>(n));
    RawBytes body(packet.begin() + sizeof header, packet.begin() + n);
    std::lock_guard lock(mutex_);
    if (header.unique == 0) {
      EXPECT_EQ(header.error, FUSE_NOTIFY_INVAL_INODE);
      invalidations_.push_back(FuseReply{0, body}.As<fuse_notify_inval_inode_out>().ino);
    } else {
      EXPECT_TRUE(header.error == 0 || body.empty()) << "an error with a body";
      Received& received = replies_[header.unique];
      if (received.count++ == 0) received.first = FuseReply{-header.error, std::move(body)};
    }
    arrived_.notify_all();
  }
}

RawBytes RequestBytes(uint32_t opcode, uint64_t unique, NodeId node, const RawBytes& body, const ForgedCaller& caller) {
  fuse_in_header header{};
  header.len = static_cast<uint32_t>(sizeof header + body.size());
  header.opcode = opcode;
  header.unique = unique;
  header.nodeid = node.inode();
  header.uid = caller.uid;
  header.gid = caller.gid;
  header.pid = caller.tid;
  return Joined({BodyOf(header), body});
}

uint64_t FuseClient::Send(uint32_t opcode, NodeId node, const RawBytes& body, const ForgedCaller& caller) {
  uint64_t unique = NextUnique();
  SendRaw(RequestBytes(opcode, unique, node, body, caller));
  return unique;
}

void FuseClient::SendRaw(std::span<const std::byte> packet) {
  EXPECT_EQ(send(kernel_.get(), packet.data(), packet.size(), MSG_NOSIGNAL), static_cast<ssize_t>(packet.size()));
}

FuseReply FuseClient::Wait(uint64_t unique) {
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_for(lock, kPatience, [&] { return replies_.contains(unique); })) {
    ADD_FAILURE() << "no reply to request " << unique;
    return {EHOSTDOWN, {}};
  }
  return replies_[unique].first;
}

bool FuseClient::StaysUnanswered(uint64_t unique, std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !arrived_.wait_for(lock, time, [&] { return replies_.contains(unique); });
}

size_t FuseClient::replies_to(uint64_t unique) const {
  std::lock_guard lock(mutex_);
  auto found = replies_.find(unique);
  return found == replies_.end() ? 0 : found->second.count;
}

size_t FuseClient::replies() const {
  std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const auto& [unique, received] : replies_) count += received.count;
  return count;
}

std::vector<uint64_t> FuseClient::WaitInvalidations(size_t count) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(arrived_.wait_for(lock, kPatience, [&] { return invalidations_.size() >= count; }));
  return invalidations_;
}

FuseReply FuseClient::Init(uint64_t flags, uint32_t minor) {
  fuse_init_in init{};
  init.major = FUSE_KERNEL_VERSION;
  init.minor = minor;
  init.max_readahead = 131072;
  init.flags = static_cast<uint32_t>(flags);
  init.flags2 = static_cast<uint32_t>(flags >> 32);
  return Call(FUSE_INIT, NodeId{}, BodyOf(init), {0, 0, 0});
}

FuseReply FuseClient::Lookup(NodeId parent, std::string_view name, const ForgedCaller& caller) {
  return Call(FUSE_LOOKUP, parent, NameBody(name), caller);
}

FuseReply FuseClient::GetAttributes(NodeId node, std::optional<uint64_t> handle, const ForgedCaller& caller) {
  fuse_getattr_in body{};
  body.getattr_flags = handle ? FUSE_GETATTR_FH : 0;
  body.fh = handle.value_or(0);
  return Call(FUSE_GETATTR, node, BodyOf(body), caller);
}

uint64_t FuseClient::SendOpen(NodeId node, uint32_t flags, const ForgedCaller& caller) {
  fuse_open_in body{};
  body.flags = flags;
  return Send(FUSE_OPEN, node, BodyOf(body), caller);
}

FuseReply FuseClient::Read(NodeId node, uint64_t handle, uint64_t offset, uint32_t size) {
  fuse_read_in body{};
  body.fh = handle;
  body.offset = offset;
  body.size = size;
  return Call(FUSE_READ, node, BodyOf(body));
}

FuseReply FuseClient::ReadDirectory(NodeId node, uint64_t offset, uint32_t size) {
  fuse_read_in body{};
  body.offset = offset;
  body.size = size;
  return Call(FUSE_READDIR, node, BodyOf(body));
}

FuseReply FuseClient::Release(NodeId node, uint64_t handle) {
  fuse_release_in body{};
  body.fh = handle;
  return Call(FUSE_RELEASE, node, BodyOf(body), {0, 0, 0});
}

void FuseClient::Interrupt(uint64_t unique) {
  fuse_interrupt_in body{};
  body.unique = unique;
  SendRaw(RequestBytes(FUSE_INTERRUPT, unique | 1, NodeId{}, BodyOf(body)));
}

RawBytes NameBody(std::string_view name) {
  RawBytes bytes(name.size() + 1);
  memcpy(bytes.data(), name.data(), name.size());
  return bytes;
}

RawBytes Joined(std::initializer_list<RawBytes> parts) {
  RawBytes joined;
  for (const RawBytes& part : parts) joined.insert(joined.end(), part.begin(), part.end());
  return joined;
}

std::vector<ListedEntry> ParseDirectory(const FuseReply& reply) {
  std::vector<ListedEntry> entries;
  std::span<const std::byte> rest(reply.body);
  while (rest.size() >= FUSE_NAME_OFFSET) {
    fuse_dirent entry{};
    memcpy(&entry, rest.data(), FUSE_NAME_OFFSET);
    size_t size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + entry.namelen);
    if (size > rest.size()) {
      ADD_FAILURE() << "a directory entry that is cut off";
      break;
    }
    const char* name = reinterpret_cast<const char*>(rest.data()) + FUSE_NAME_OFFSET;
    entries.push_back({std::string(name, entry.namelen), entry.ino, entry.off, entry.type});
    rest = rest.subspan(size);
  }
  EXPECT_TRUE(rest.empty());
  return entries;
}

}  // namespace leasefs
