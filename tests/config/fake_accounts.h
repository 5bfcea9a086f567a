// Accounts that tests can rely on.
#pragma once

#include <map>
#include <string>

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

}  // namespace leasefs
