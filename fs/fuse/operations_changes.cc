#include <cerrno>

#include "fs/fuse/operations.h"

namespace leasefs {

namespace {

// One callback per signature of libfuse's: whatever the arguments, the answer is the same errno.
template <Operation operation, int error, class... Arguments>
void Refuse(fuse_req_t req, fuse_ino_t node, Arguments...) noexcept {
  Ask(req, node, operation, [](SessionCore&, Replier& replier) { replier.Errno(error); });
}

template <class... Arguments>
void SetReadOnly(void (**callback)(fuse_req_t, fuse_ino_t, Arguments...)) {
  *callback = Refuse<Operation::kChange, EROFS, Arguments...>;
}

// libfuse's only callback whose node comes later.
void RefuseSymlink(fuse_req_t req, const char*, fuse_ino_t parent, const char*) noexcept {
  Refuse<Operation::kChange, EROFS>(req, parent);
}

}  // namespace

void SetChangeOperations(fuse_lowlevel_ops* operations) {
  SetReadOnly(&operations->setattr);
  SetReadOnly(&operations->mknod);
  SetReadOnly(&operations->mkdir);
  SetReadOnly(&operations->unlink);
  SetReadOnly(&operations->rmdir);
  SetReadOnly(&operations->rename);
  SetReadOnly(&operations->link);
  SetReadOnly(&operations->create);
  SetReadOnly(&operations->write);
  SetReadOnly(&operations->removexattr);
  SetReadOnly(&operations->fallocate);
  operations->symlink = RefuseSymlink;
  operations->setxattr = Refuse<Operation::kChange, EROFS, const char*, const char*, size_t, int>;
  operations->copy_file_range = [](fuse_req_t req, fuse_ino_t, off_t, fuse_file_info*, fuse_ino_t target, off_t,
                                   fuse_file_info*, size_t, int) {
    Ask(req, target, Operation::kChange, [](SessionCore&, Replier& replier) { replier.Errno(EROFS); });
  };
  operations->readlink = Refuse<Operation::kOther, EINVAL>;
  operations->ioctl = [](fuse_req_t req, fuse_ino_t node, unsigned, void*, fuse_file_info*, unsigned, const void*,
                         size_t, size_t) {
    Ask(req, node, Operation::kOther, [](SessionCore&, Replier& replier) { replier.Errno(ENOTTY); });
  };
}

}  // namespace leasefs
