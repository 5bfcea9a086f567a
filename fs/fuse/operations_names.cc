#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "fs/base/limits.h"
#include "fs/fuse/operations.h"

namespace leasefs {

namespace {

// The kernel asks for names of up to 1024 bytes, and later ones for longer.
bool TooLong(const char* name) {
  return strnlen(name, kMaxNameBytes + 1) > kMaxNameBytes;
}

void Lookup(fuse_req_t req, fuse_ino_t parent, const char* name) noexcept {
  if (TooLong(name)) {
    return Ask(req, parent, Operation::kLookup, [](SessionCore&, Replier& replier) { replier.Errno(ENAMETOOLONG); });
  }
  AskOrWait(req, parent, Operation::kLookup, [&](Gate& gate, const Request& request, PendingRequest* pending) {
    auto done = [pending](Result<Attributes> found) { pending->Answer(std::move(found), &Replier::Entry); };
    // "." comes from handles (FUSE_EXPORT_SUPPORT): the inode itself, whatever it is.
    if (std::string_view(name) == ".") {
      gate.GetAttributes(request, NodeId::FromInode(parent), 0, done);
    } else {
      gate.Lookup(request, NodeId::FromInode(parent), name, done);
    }
  });
}

void OpenDirectory(fuse_req_t req, fuse_ino_t node, fuse_file_info*) noexcept {
  AskOrWait(req, node, Operation::kOpenDirectory, [&](Gate& gate, const Request& request, PendingRequest* pending) {
    gate.OpenDirectory(request, NodeId::FromInode(node),
                       [pending](const Status& opened) { pending->AnswerDirectory(opened); });
  });
}

// Offsets mean the same to a successor: 1 follows ".", 2 follows "..", and kFirstOffset + cookie follows an entry of
// the gate's.
constexpr uint64_t kFirstOffset = 2;
constexpr uint64_t kUnknownInode = 0xffffffff;  // what libfuse puts where it does not know
constexpr size_t kMaxDirectoryReply = size_t{64} << 10;

class DirectoryWriter {
 public:
  DirectoryWriter(fuse_req_t req, size_t size) : request_(req), buffer_(std::min(size, kMaxDirectoryReply)) {}

  bool Add(std::string_view name, uint64_t inode, bool directory, uint64_t offset) {
    char text[kMaxNameBytes + 1];
    if (name.size() > kMaxNameBytes) return true;  // not shown (S4); the gate knows it too
    memcpy(text, name.data(), name.size());
    text[name.size()] = '\0';
    struct stat st {};
    st.st_ino = inode;
    st.st_mode = directory ? S_IFDIR : S_IFREG;
    size_t room = buffer_.size() - used_;
    size_t needed = fuse_add_direntry(request_, buffer_.data() + used_, room, text, &st, static_cast<off_t>(offset));
    if (needed > room) return false;
    used_ += needed;
    return true;
  }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(buffer_)).first(used_); }

 private:
  fuse_req_t request_;
  std::vector<char> buffer_;
  size_t used_ = 0;
};

Status ReadEntries(SessionCore& core, const Request& request, NodeId id, uint64_t offset, DirectoryWriter* writer) {
  if (offset < 1 && !writer->Add(".", id.inode(), true, 1)) return Ok();
  if (offset < 2 && !writer->Add("..", id == kRootId ? id.inode() : kUnknownInode, true, 2)) return Ok();
  uint64_t cookie = offset < kFirstOffset ? 0 : offset - kFirstOffset;
  return core.gate.ReadDirectory(request, id, cookie, [writer](const DirectoryEntry& entry) {
    return writer->Add(entry.name, entry.id.inode(), entry.directory, kFirstOffset + entry.cookie);
  });
}

void ReadDirectory(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, fuse_file_info*) noexcept {
  Ask(req, node, Operation::kReadDirectory, [&](SessionCore& core, Replier& replier) {
    if (offset < 0) return replier.Errno(EINVAL);
    DirectoryWriter writer(req, size);
    Status read = ReadEntries(core, MakeRequest(req), replier.id(), static_cast<uint64_t>(offset), &writer);
    if (read.ok()) return replier.Bytes(writer.bytes());
    // A caller may seek anywhere: that is not our fault.
    read.error().kind() == ErrorKind::kInvalid ? replier.Errno(EINVAL) : replier.Fail(read.error());
  });
}

void ReleaseDirectory(fuse_req_t req, fuse_ino_t node, fuse_file_info*) noexcept {
  Ask(req, node, Operation::kReleaseDirectory, [](SessionCore&, Replier& replier) { replier.Ok(); });
}

}  // namespace

void SetNameOperations(fuse_lowlevel_ops* operations) {
  operations->lookup = Lookup;
  operations->opendir = OpenDirectory;
  operations->readdir = ReadDirectory;
  operations->releasedir = ReleaseDirectory;
}

}  // namespace leasefs
