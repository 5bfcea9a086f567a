// The host's users and groups.
#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "fs/config/config_reader.h"

namespace leasefs {
namespace {

constexpr size_t kMaxRecordBytes = size_t{1} << 22;  // a group of a hundred thousand members

// Calls a getXXXX_r function with a buffer that grows until the record fits. Null: there is no such record.
template <class Record, class Call>
const Record* Ask(Record& record, std::vector<char>& buffer, Call call) {
  for (buffer.resize(1024); buffer.size() <= kMaxRecordBytes; buffer.resize(buffer.size() * 2)) {
    Record* found = nullptr;
    int error = 0;
    do {
      error = call(&record, buffer.data(), buffer.size(), &found);
    } while (error == EINTR);
    if (error != ERANGE) return error == 0 ? found : nullptr;
  }
  return nullptr;
}

class HostAccounts : public AccountDatabase {
 public:
  std::optional<RuleUser> User(const std::string& name) const override {
    passwd record{};
    std::vector<char> buffer;
    auto* found = Ask(record, buffer, [&](passwd* out, char* data, size_t size, passwd** result) {
      return getpwnam_r(name.c_str(), out, data, size, result);
    });
    if (found == nullptr) return std::nullopt;
    return RuleUser{found->pw_uid, found->pw_gid, name};
  }

  std::optional<RuleGroup> Group(const std::string& name) const override {
    group record{};
    std::vector<char> buffer;
    auto* found = Ask(record, buffer, [&](group* out, char* data, size_t size, group** result) {
      return getgrnam_r(name.c_str(), out, data, size, result);
    });
    if (found == nullptr) return std::nullopt;
    return RuleGroup{found->gr_gid, name};
  }

  RuleUser UserByNumber(uid_t uid) const override {
    passwd record{};
    std::vector<char> buffer;
    auto* found = Ask(record, buffer, [&](passwd* out, char* data, size_t size, passwd** result) {
      return getpwuid_r(uid, out, data, size, result);
    });
    if (found == nullptr) return AccountDatabase::UserByNumber(uid);
    return RuleUser{uid, found->pw_gid, std::to_string(uid)};
  }
};

}  // namespace

RuleUser AccountDatabase::UserByNumber(uid_t uid) const { return {uid, uid, std::to_string(uid)}; }

RuleGroup AccountDatabase::GroupByNumber(gid_t gid) const { return {gid, std::to_string(gid)}; }

const AccountDatabase& SystemAccounts() {
  static const HostAccounts accounts;
  return accounts;
}

}  // namespace leasefs
