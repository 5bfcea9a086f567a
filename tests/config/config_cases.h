// What tests of the configuration share: accounts they can rely on, a beginning that is correct, and tables of errors.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "fs/config/config_reader.h"

namespace leasefs {

class FakeAccounts : public AccountDatabase {
 public:
  std::optional<RuleUser> User(const std::string& name) const override {
    static const std::map<std::string, RuleUser> users = {{"root", {0, 0, "root"}},
                                                          {"www-data", {33, 33, "www-data"}},
                                                          {"postgres", {101, 104, "postgres"}},
                                                          {"alice", {1000, 1000, "alice"}},
                                                          {"leasefs", {997, 997, "leasefs"}}};
    auto found = users.find(name);
    return found == users.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<RuleGroup> Group(const std::string& name) const override {
    static const std::map<std::string, RuleGroup> groups = {
        {"www-data", {33, "www-data"}}, {"ssl-cert", {110, "ssl-cert"}}, {"leasefs", {997, "leasefs"}}};
    auto found = groups.find(name);
    return found == groups.end() ? std::nullopt : std::optional(found->second);
  }
};

// Beginnings of 5 and of 9 lines, for tests of something else.
inline constexpr char kStore[] = R"([backend.local]
type = "store"
path = "/var/lib/leasefs/store.db"
key = { file = "/etc/leasefs/store.key" }

)";
inline constexpr char kStoreAndTree[] = R"([backend.local]
type = "store"
path = "/var/lib/leasefs/store.db"
key = { file = "/etc/leasefs/store.key" }

[[tree]]
path = "web"
source = "local:web"

)";

// The error of a text as file "c", or "accepted".
inline std::string ErrorOf(const std::string& text) {
  Result<Config> config = ParseConfig(text, "c", FakeAccounts());
  if (config.ok()) return "accepted";
  EXPECT_EQ(config.error().kind(), ErrorKind::kInvalid);
  return config.error().message();
}

struct ErrorCase {
  std::string text;
  std::string error;
};

inline void ExpectErrors(const std::vector<ErrorCase>& cases, const std::string& before = "") {
  for (const ErrorCase& each : cases) {
    SCOPED_TRACE(each.text);
    EXPECT_EQ(ErrorOf(before + each.text), each.error);
  }
}

}  // namespace leasefs
