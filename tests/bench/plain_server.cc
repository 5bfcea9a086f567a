// The other side of the comparison: the least that a low-level libfuse server can do. One thread, one file per name in
// one directory, cached (keep_cache, noflush, timeouts of an hour) or direct_io. No rules, no record.
//
//   plain_server MOUNTPOINT FILES BYTES cached|direct
#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr double kHour = 3600;
fuse_ino_t files = 1;
std::string bytes;
bool direct = false;

void FillAttr(fuse_ino_t node, struct stat* st) {
  *st = {};
  st->st_ino = node;
  st->st_mode = node == FUSE_ROOT_ID ? S_IFDIR | 0555 : S_IFREG | 0444;
  st->st_nlink = 1;
  st->st_size = node == FUSE_ROOT_ID ? 0 : static_cast<off_t>(bytes.size());
}

void Lookup(fuse_req_t req, fuse_ino_t, const char* name) {
  fuse_ino_t number = name[0] == 's' ? std::strtoul(name + 1, nullptr, 10) : files;
  if (number >= files) {
    fuse_reply_err(req, ENOENT);
    return;
  }
  fuse_entry_param entry{};
  entry.ino = number + 2;
  entry.attr_timeout = entry.entry_timeout = kHour;
  FillAttr(entry.ino, &entry.attr);
  fuse_reply_entry(req, &entry);
}

void GetAttr(fuse_req_t req, fuse_ino_t node, fuse_file_info*) {
  struct stat st;
  FillAttr(node, &st);
  fuse_reply_attr(req, &st, kHour);
}

void Open(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
  fi->direct_io = direct;
  fi->keep_cache = !direct;
  fi->noflush = 1;
  fuse_reply_open(req, fi);
}

void Read(fuse_req_t req, fuse_ino_t, size_t size, off_t offset, fuse_file_info*) {
  size_t from = std::min(static_cast<size_t>(offset), bytes.size());
  fuse_reply_buf(req, bytes.data() + from, std::min(size, bytes.size() - from));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  files = std::strtoul(argv[2], nullptr, 10);
  bytes.assign(std::strtoul(argv[3], nullptr, 10), 'x');
  direct = std::strcmp(argv[4], "direct") == 0;
  fuse_lowlevel_ops ops{};
  ops.lookup = Lookup, ops.getattr = GetAttr, ops.open = Open, ops.read = Read;
  const char* arguments[] = {argv[0], "-oallow_other,fsname=plain,ro"};
  fuse_args args = FUSE_ARGS_INIT(2, const_cast<char**>(arguments));
  fuse_session* session = fuse_session_new(&args, &ops, sizeof ops, nullptr);
  if (session == nullptr || fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, argv[1]) != 0)
    return 1;
  int result = fuse_session_loop(session);
  fuse_session_unmount(session);
  return result == 0 ? 0 : 1;
}
