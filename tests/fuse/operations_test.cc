// What each operation makes of the gate's answer.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/fuse/session_fixture.h"

namespace leasefs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FuseOperationsTest : public SessionTest {
 protected:
  void SetUp() override { Serve(); }

  uint64_t OpenKey() { return client_.Open(kKeyNode).As<fuse_open_out>().fh; }
  FuseReply GetXattr(std::string_view name, uint32_t size) {
    fuse_getxattr_in body{};
    body.size = size;
    return client_.Call(FUSE_GETXATTR, kKeyNode, Joined({BodyOf(body), NameBody(name)}));
  }
};

TEST_F(FuseOperationsTest, LookupTellsTheInodeAndItsTimes) {
  FuseReply reply = client_.Lookup(kRootId, "key");
  ASSERT_EQ(reply.error, 0);
  auto out = reply.As<fuse_entry_out>();
  EXPECT_EQ(out.nodeid, kKeyNode.inode());
  EXPECT_EQ(out.attr.ino, kKeyNode.inode());
  EXPECT_EQ(out.entry_valid, 3600u);
  EXPECT_EQ(out.attr_valid, 1u);
  EXPECT_EQ(out.attr_valid_nsec, 500000000u);
  EXPECT_EQ(out.attr.mode, S_IFREG | 0440u);
  EXPECT_EQ(out.attr.nlink, 1u);
  EXPECT_EQ(out.attr.size, kKeyBytes.size());
  EXPECT_EQ(out.attr.blocks, 1u);
  EXPECT_EQ(out.attr.blksize, 4096u);
  EXPECT_EQ(out.attr.uid, 33u);
  EXPECT_EQ(out.attr.gid, 44u);
  EXPECT_EQ(out.attr.mtime, 1700000000u);
  EXPECT_EQ(out.attr.mtimensec, 123456789u);
  EXPECT_EQ(out.attr.ctime, 1700000000u);
  EXPECT_EQ(out.attr.atime, 1700000000u);
}

TEST_F(FuseOperationsTest, TheGenerationIsAlwaysTheSame) {
  uint64_t generation = client_.Lookup(kRootId, "key").As<fuse_entry_out>().generation;
  EXPECT_NE(generation, 0u);
  EXPECT_EQ(client_.Lookup(kRootId, "folder").As<fuse_entry_out>().generation, generation);
  Succeed();
  EXPECT_EQ(client_.Lookup(kRootId, "key").As<fuse_entry_out>().generation, generation);
}

TEST_F(FuseOperationsTest, LookupOfDotFindsTheInodeOfAHandle) {
  EXPECT_EQ(client_.Lookup(kKeyNode, ".").As<fuse_entry_out>().nodeid, kKeyNode.inode());
  EXPECT_EQ(client_.Lookup(kFolderNode, "..").As<fuse_entry_out>().nodeid, kRootId.inode());
  EXPECT_EQ(client_.Lookup({77, 1}, ".").error, ENOENT);
}

TEST_F(FuseOperationsTest, NamesThatNoFileCanHaveAreTooLong) {
  EXPECT_EQ(client_.Lookup(kRootId, std::string(255, 'n')).error, ENOENT);
  EXPECT_EQ(client_.Lookup(kRootId, std::string(256, 'n')).error, ENAMETOOLONG);
  EXPECT_EQ(client_.Lookup(kRootId, std::string(1024, 'n')).error, ENAMETOOLONG);
}

TEST_F(FuseOperationsTest, DirectoriesHaveTwoLinks) {
  auto out = client_.GetAttributes(kRootId).As<fuse_attr_out>();
  EXPECT_EQ(out.attr.mode, S_IFDIR | 0755u);
  EXPECT_EQ(out.attr.nlink, 2u);
  EXPECT_EQ(out.attr_valid, 1u);
}

TEST_F(FuseOperationsTest, GetattrPassesTheHandleOn) {
  EXPECT_EQ(client_.GetAttributes(kKeyNode).As<fuse_attr_out>().attr.size, kKeyBytes.size());
  EXPECT_EQ(client_.GetAttributes(kKeyNode, 424242).As<fuse_attr_out>().attr.size, 424242u);
}

TEST_F(FuseOperationsTest, AnOpenOfTheCurrentInodeKeepsTheCache) {
  uint64_t unique = client_.SendOpen(kKeyNode);
  auto out = client_.Wait(unique).As<fuse_open_out>();
  EXPECT_EQ(out.fh, unique);
  EXPECT_EQ(out.open_flags, FOPEN_KEEP_CACHE | FOPEN_NOFLUSH);
}

TEST_F(FuseOperationsTest, AnOpenOfAnotherVersionIsDirect) {
  EXPECT_EQ(client_.Open(kOldKeyNode).As<fuse_open_out>().open_flags, FOPEN_DIRECT_IO | FOPEN_NOFLUSH);
}

TEST_F(FuseOperationsTest, TheGateSeesTheCallerOfTheRequest) {
  ForgedCaller caller{31337, 1234, 99};
  client_.Open(kKeyNode, 0, caller);
  Request seen = gate_.requests().back();
  EXPECT_EQ(seen.caller.uid, 31337u);
  EXPECT_EQ(seen.caller.gid, 1234u);
  EXPECT_EQ(seen.caller.tid, 99);
  EXPECT_EQ(seen.arrival, loop_.Now());
  EXPECT_FALSE(seen.replay);
}

// S21
TEST_F(FuseOperationsTest, UidZeroOfNobodyIsNotRoot) {
  EXPECT_EQ(client_.Open(kKeyNode, 0, {0, 0, 0}).error, EACCES);
  EXPECT_EQ(client_.Open(kKeyNode, 0, {0xffffffff, 0, 5}).error, EACCES);
  EXPECT_EQ(client_.Open(kKeyNode, 0, {0, 0, 5}).error, 0);
}

TEST_F(FuseOperationsTest, ReadsAnyPart) {
  uint64_t handle = OpenKey();
  EXPECT_EQ(client_.Read(kKeyNode, handle, 0, 4096).Text(), kKeyBytes);
  EXPECT_EQ(client_.Read(kKeyNode, handle, 8, 5).Text(), "horse");
  EXPECT_EQ(client_.Read(kKeyNode, handle, kKeyBytes.size(), 5).Text(), "");
  EXPECT_EQ(client_.Read(kKeyNode, handle, 0, 0).Text(), "");
  EXPECT_EQ(client_.Read(kKeyNode, handle, uint64_t{1} << 62, 5).Text(), "");
  EXPECT_EQ(client_.Read(kKeyNode, handle, uint64_t{1} << 63, 5).error, EINVAL);
}

TEST_F(FuseOperationsTest, ReleaseEndsAHandle) {
  uint64_t handle = OpenKey();
  EXPECT_EQ(client_.Release(kKeyNode, handle).error, 0);
  EXPECT_THAT(gate_.handles(), IsEmpty());
  EXPECT_EQ(client_.Read(kKeyNode, handle, 0, 10).error, EIO);
}

TEST_F(FuseOperationsTest, ListsDotsFirst) {
  ASSERT_EQ(client_.Call(FUSE_OPENDIR, kRootId, BodyOf(fuse_open_in{})).error, 0);
  auto entries = ParseDirectory(client_.ReadDirectory(kRootId, 0, 4096));
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[0].name, ".");
  EXPECT_EQ(entries[0].inode, kRootId.inode());
  EXPECT_EQ(entries[1].name, "..");
  EXPECT_EQ(entries[2].name, "key");
  EXPECT_EQ(entries[2].inode, kKeyNode.inode());
  EXPECT_EQ(entries[2].type, S_IFREG >> 12u);
  EXPECT_EQ(entries[3].type, S_IFDIR >> 12u);
  EXPECT_THAT(ParseDirectory(client_.ReadDirectory(kRootId, entries.back().offset, 4096)), IsEmpty());
}

// Offsets are cookies: a successor goes on where a predecessor ended.
TEST_F(FuseOperationsTest, AListingGoesOnAfterATakeover) {
  std::vector<std::string> names;
  uint64_t offset = 0;
  for (int round = 0;; ++round) {
    auto entries = ParseDirectory(client_.ReadDirectory(kFolderNode, offset, 300));
    if (entries.empty()) break;
    for (const auto& entry : entries) names.push_back(entry.name);
    offset = entries.back().offset;
    if (round == 3) Succeed();
  }
  ASSERT_EQ(names.size(), kManyEntries + 2);
  EXPECT_EQ(names[2], "entry-1");
  EXPECT_EQ(names.back(), "entry-" + std::to_string(kManyEntries));
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
}

TEST_F(FuseOperationsTest, EveryOffsetOfAListingCanBeReturnedTo) {
  auto all = ParseDirectory(client_.ReadDirectory(kRootId, 0, 4096));
  for (size_t i = 0; i + 1 < all.size(); ++i) {
    auto rest = ParseDirectory(client_.ReadDirectory(kRootId, all[i].offset, 4096));
    ASSERT_FALSE(rest.empty());
    EXPECT_EQ(rest[0].name, all[i + 1].name);
  }
}

TEST_F(FuseOperationsTest, AListingWithoutRoomIsEmpty) {
  EXPECT_THAT(client_.ReadDirectory(kRootId, 0, 0).body, IsEmpty());
  EXPECT_THAT(client_.ReadDirectory(kRootId, 0, 31).body, IsEmpty());
  EXPECT_EQ(ParseDirectory(client_.ReadDirectory(kRootId, 0, 32)).size(), 1u);
  EXPECT_EQ(client_.ReadDirectory(kRootId, 0, 0xffffffff).error, 0);
}

TEST_F(FuseOperationsTest, SeekingNowhereInAListingIsInvalid) {
  EXPECT_EQ(client_.ReadDirectory(kFolderNode, uint64_t{1} << 40, 4096).error, EINVAL);
  EXPECT_EQ(client_.ReadDirectory(kFolderNode, ~uint64_t{0}, 4096).error, EINVAL);
}

TEST_F(FuseOperationsTest, OpendirOfAFileIsNotADirectory) {
  EXPECT_EQ(client_.Call(FUSE_OPENDIR, kKeyNode, BodyOf(fuse_open_in{})).error, ENOTDIR);
  EXPECT_EQ(client_.Call(FUSE_RELEASEDIR, kRootId, BodyOf(fuse_release_in{})).error, 0);
}

TEST_F(FuseOperationsTest, AccessIsTheGates) {
  fuse_access_in body{};
  body.mask = 4;
  EXPECT_EQ(client_.Call(FUSE_ACCESS, kKeyNode, BodyOf(body)).error, 0);
  body.mask = 2;
  EXPECT_EQ(client_.Call(FUSE_ACCESS, kKeyNode, BodyOf(body)).error, EROFS);
}

TEST_F(FuseOperationsTest, StatfsIsFull) {
  auto out = client_.Call(FUSE_STATFS, kRootId).As<fuse_statfs_out>();
  EXPECT_EQ(out.st.bsize, 4096u);
  EXPECT_EQ(out.st.blocks, 3u);
  EXPECT_EQ(out.st.bfree, 0u);
  EXPECT_EQ(out.st.files, 7u);
  EXPECT_EQ(out.st.ffree, 0u);
  EXPECT_EQ(out.st.namelen, 255u);
}

TEST_F(FuseOperationsTest, ExtendedAttributesTellTheirSizeFirst) {
  EXPECT_EQ(GetXattr("user.leasefs.status", 0).As<fuse_getxattr_out>().size, 5u);
  EXPECT_EQ(GetXattr("user.leasefs.status", 5).Text(), "fresh");
  EXPECT_EQ(GetXattr("user.leasefs.status", 4).error, ERANGE);
  EXPECT_EQ(GetXattr("security.capability", 0).error, ENODATA);
}

TEST_F(FuseOperationsTest, ExtendedAttributesAreListed) {
  fuse_getxattr_in body{};
  EXPECT_EQ(client_.Call(FUSE_LISTXATTR, kKeyNode, BodyOf(body)).As<fuse_getxattr_out>().size, 41u);
  body.size = 100;
  EXPECT_EQ(client_.Call(FUSE_LISTXATTR, kKeyNode, BodyOf(body)).Text(),
            std::string("user.leasefs.status\0user.leasefs.version\0", 41));
  body.size = 40;
  EXPECT_EQ(client_.Call(FUSE_LISTXATTR, kKeyNode, BodyOf(body)).error, ERANGE);
}

// S25
TEST_F(FuseOperationsTest, ErrorsFollowTheTable) {
  struct Row {
    ErrorKind kind;
    int own;
    int posix;
  };
  for (auto [kind, own, posix] : {Row{ErrorKind::kDenied, EACCES, EACCES}, Row{ErrorKind::kUnreachable, ETIMEDOUT, EIO},
                                  Row{ErrorKind::kRemote, EREMOTEIO, EIO}, Row{ErrorKind::kLocked, ENOKEY, EACCES},
                                  Row{ErrorKind::kStale, ESTALE, ESTALE}, Row{ErrorKind::kInternal, EIO, EIO}}) {
    gate_.FailWith(kind);
    gate_.posix_errors = false;
    EXPECT_EQ(client_.Open(kKeyNode).error, own);
    EXPECT_EQ(client_.Lookup(kRootId, "key").error, own);
    gate_.posix_errors = true;
    EXPECT_EQ(client_.Open(kKeyNode).error, posix);
    EXPECT_EQ(client_.Read(kKeyNode, 1, 0, 1).error, posix);
  }
}

// S3
TEST_F(FuseOperationsTest, EveryChangeIsRefusedAsReadOnly) {
  RawBytes name = NameBody("a");
  RawBytes two_names = Joined({name, NameBody("b")});
  struct Change {
    const char* what;
    uint32_t opcode;
    RawBytes body;
  };
  fuse_write_in write{};
  write.size = 3;
  fuse_setxattr_in setxattr{};
  setxattr.size = 1;
  RawBytes short_setxattr = BodyOf(setxattr);
  short_setxattr.resize(FUSE_COMPAT_SETXATTR_IN_SIZE);
  for (const Change& change : {
           Change{"setattr", FUSE_SETATTR, BodyOf(fuse_setattr_in{})},
           Change{"symlink", FUSE_SYMLINK, two_names},
           Change{"mknod", FUSE_MKNOD, Joined({BodyOf(fuse_mknod_in{}), name})},
           Change{"mkdir", FUSE_MKDIR, Joined({BodyOf(fuse_mkdir_in{}), name})},
           Change{"unlink", FUSE_UNLINK, name},
           Change{"rmdir", FUSE_RMDIR, name},
           Change{"rename", FUSE_RENAME, Joined({BodyOf(fuse_rename_in{}), two_names})},
           Change{"rename2", FUSE_RENAME2, Joined({BodyOf(fuse_rename2_in{}), two_names})},
           Change{"link", FUSE_LINK, Joined({BodyOf(fuse_link_in{}), name})},
           Change{"create", FUSE_CREATE, Joined({BodyOf(fuse_create_in{}), name})},
           Change{"tmpfile", FUSE_TMPFILE, Joined({BodyOf(fuse_create_in{}), name})},
           Change{"write", FUSE_WRITE, Joined({BodyOf(write), name})},
           Change{"setxattr", FUSE_SETXATTR, Joined({BodyOf(setxattr), name, name})},
           Change{"setxattr of 8 bytes", FUSE_SETXATTR, Joined({short_setxattr, name, name})},
           Change{"removexattr", FUSE_REMOVEXATTR, name},
           Change{"fallocate", FUSE_FALLOCATE, BodyOf(fuse_fallocate_in{})},
           Change{"copy_file_range", FUSE_COPY_FILE_RANGE, BodyOf(fuse_copy_file_range_in{})},
           Change{"open for writing", FUSE_OPEN, BodyOf(fuse_open_in{O_RDWR, 0})},
       }) {
    EXPECT_EQ(client_.Call(change.opcode, kKeyNode, change.body, {0, 0, 1}).error, EROFS) << change.what;
  }
  EXPECT_THAT(gate_.handles(), IsEmpty());
}

TEST_F(FuseOperationsTest, WhatHasNoMeaningHereSaysSo) {
  EXPECT_EQ(client_.Call(FUSE_READLINK, kKeyNode).error, EINVAL);
  fuse_ioctl_in ioctl{};
  EXPECT_EQ(client_.Call(FUSE_IOCTL, kKeyNode, BodyOf(ioctl)).error, ENOTTY);
  ioctl.flags = FUSE_IOCTL_DIR;
  ioctl.in_size = 0xffffffff;
  EXPECT_EQ(client_.Call(FUSE_IOCTL, kRootId, BodyOf(ioctl)).error, ENOTTY);
}

// The kernel does these better by itself, once it has been told so.
TEST_F(FuseOperationsTest, LeavesToTheKernelWhatItDoesAlone) {
  EXPECT_EQ(client_.Call(FUSE_FLUSH, kKeyNode, BodyOf(fuse_flush_in{})).error, ENOSYS);
  EXPECT_EQ(client_.Call(FUSE_FSYNC, kKeyNode, BodyOf(fuse_fsync_in{})).error, ENOSYS);
  EXPECT_EQ(client_.Call(FUSE_LSEEK, kKeyNode, BodyOf(fuse_lseek_in{})).error, ENOSYS);
  EXPECT_EQ(client_.Call(FUSE_POLL, kKeyNode, BodyOf(fuse_poll_in{})).error, ENOSYS);
  EXPECT_EQ(client_.Call(FUSE_GETLK, kKeyNode, BodyOf(fuse_lk_in{})).error, ENOSYS);
  EXPECT_EQ(client_.Call(FUSE_READDIRPLUS, kRootId, BodyOf(fuse_read_in{})).error, ENOSYS);
}

TEST_F(FuseOperationsTest, ForgetsAreTakenWithoutAnAnswer) {
  uint64_t one = client_.Send(FUSE_FORGET, kKeyNode, BodyOf(fuse_forget_in{1}));
  fuse_batch_forget_in batch{};
  batch.count = 0xffffffff;
  uint64_t many = client_.Send(FUSE_BATCH_FORGET, NodeId{}, BodyOf(batch));
  EXPECT_EQ(client_.GetAttributes(kRootId).error, 0);
  EXPECT_TRUE(client_.StaysUnanswered(one, std::chrono::milliseconds(20)));
  EXPECT_EQ(client_.replies_to(many), 0u);
}

}  // namespace
}  // namespace leasefs
