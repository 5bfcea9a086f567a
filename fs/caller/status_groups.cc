// The text of /proc/TID/status, as fs/proc/array.c of the kernel writes it: one "Key:\tvalue" to a line. The thread's
// name can be anything, but the kernel escapes its line breaks, so that it cannot forge a line.
#include <algorithm>
#include <charconv>
#include <string_view>

#include "fs/caller/caller.h"

namespace leasefs {
namespace {

Error Denied(std::string_view why) { return {ErrorKind::kDenied, std::string(why)}; }

bool ParseNumber(std::string_view text, uint32_t& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

// "real\teffective\tsaved\tfs": the last of them.
bool ParseFsId(std::string_view value, uint32_t& out) {
  for (int field = 0; field < 4; ++field) {
    size_t end = std::min(value.find('\t'), value.size());
    if (!ParseNumber(value.substr(0, end), out)) return false;
    if (field == 3) return end == value.size();
    if (end == value.size()) return false;
    value.remove_prefix(end + 1);
  }
  return false;
}

// "4 24 27 ": numbers, each followed by one blank; older kernels write none after the last, and one alone for an
// empty list.
bool ParseGroups(std::string_view value, std::vector<gid_t>& out) {
  if (value == " ") return true;
  while (!value.empty()) {
    size_t end = std::min(value.find(' '), value.size());
    gid_t gid = 0;
    if (!ParseNumber(value.substr(0, end), gid)) return false;
    out.push_back(gid);
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return true;
}

// The value of a key; each of those that matter must be there once.
struct Field {
  std::string_view key;
  std::string_view value{};
  int count = 0;
};

}  // namespace

Result<std::vector<gid_t>> ParseStatusGroups(std::string_view status, const Caller& caller) {
  Field uid{"Uid:\t"}, gid{"Gid:\t"}, groups{"Groups:\t"};
  // SECURITY: a text that was cut ends in the middle of a line, perhaps of the list of groups.
  if (!status.ends_with('\n')) return Denied("the status of the calling thread is cut off");
  while (!status.empty()) {
    size_t end = status.find('\n');
    std::string_view line = status.substr(0, end);
    status.remove_prefix(end + 1);
    for (Field* field : {&uid, &gid, &groups}) {
      if (!line.starts_with(field->key)) continue;
      field->value = line.substr(field->key.size());
      ++field->count;
    }
  }
  if (uid.count != 1 || gid.count != 1 || groups.count != 1) {
    return Denied("the status of the calling thread is incomplete");
  }
  uint32_t fsuid = 0, fsgid = 0;
  if (!ParseFsId(uid.value, fsuid) || !ParseFsId(gid.value, fsgid)) {
    return Denied("the status of the calling thread has no user or group");
  }
  // SECURITY: another identity means another thread, or one that changed since it asked (S21).
  if (fsuid != caller.uid || fsgid != caller.gid) {
    return Denied("the calling thread has another identity than its request");
  }
  std::vector<gid_t> list;
  if (!ParseGroups(groups.value, list)) return Denied("the groups of the calling thread cannot be read");
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

}  // namespace leasefs
