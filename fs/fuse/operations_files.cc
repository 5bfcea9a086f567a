#include <algorithm>
#include <cerrno>

#include "fs/fuse/operations.h"

namespace leasefs {

namespace {

void Open(fuse_req_t req, fuse_ino_t node, fuse_file_info* file) noexcept {
  AskOrWait(req, node, Operation::kOpen, [&](Gate& gate, const Request& request, PendingRequest* pending) {
    gate.Open(request, NodeId::FromInode(node), file->flags,
              [pending](Result<Opened> opened) { pending->AnswerOpen(std::move(opened)); });
  });
}

void Read(fuse_req_t req, fuse_ino_t node, size_t size, off_t offset, fuse_file_info* file) noexcept {
  Ask(req, node, Operation::kRead, [&](SessionCore& core, Replier& replier) {
    if (offset < 0) return replier.Errno(EINVAL);
    Result<Slice> slice = core.gate.Read(file->fh, replier.id(), static_cast<uint64_t>(offset), size);
    if (!slice.ok()) return replier.Fail(slice.error());
    // More than was asked for would be refused by the kernel, and the caller would wait for ever.
    replier.Bytes(slice->bytes.first(std::min(size, slice->bytes.size())));
    if (slice->foreign.version != 0) core.notifier.InvalidateInode(slice->foreign);
  });
}

void Release(fuse_req_t req, fuse_ino_t node, fuse_file_info* file) noexcept {
  Ask(req, node, Operation::kRelease, [&](SessionCore& core, Replier& replier) {
    core.gate.Release(file->fh);
    replier.Ok();
  });
}

void GetAttributes(fuse_req_t req, fuse_ino_t node, fuse_file_info* file) noexcept {
  AskOrWait(req, node, Operation::kGetAttributes, [&](Gate& gate, const Request& request, PendingRequest* pending) {
    gate.GetAttributes(
        request, NodeId::FromInode(node), file == nullptr ? 0 : file->fh,
        [pending](Result<Attributes> found) { pending->Answer(std::move(found), &Replier::AttributesOf); });
  });
}

void Access(fuse_req_t req, fuse_ino_t node, int mask) noexcept {
  AskOrWait(req, node, Operation::kAccess, [&](Gate& gate, const Request& request, PendingRequest* pending) {
    gate.Access(request, NodeId::FromInode(node), mask,
                [pending](const Status& allowed) { pending->AnswerDone(allowed); });
  });
}

void StatFs(fuse_req_t req, fuse_ino_t node) noexcept {
  Ask(req, node, Operation::kStatFs, [](SessionCore& core, Replier& replier) { replier.StatFs(core.gate.Count()); });
}

}  // namespace

void SetFileOperations(fuse_lowlevel_ops* operations) {
  operations->open = Open;
  operations->read = Read;
  operations->release = Release;
  operations->getattr = GetAttributes;
  operations->access = Access;
  operations->statfs = StatFs;
}

}  // namespace leasefs
