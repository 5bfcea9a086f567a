// What tests of the configuration share: a beginning that is correct, and tables of errors.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fs/config/config_reader.h"
#include "tests/config/fake_accounts.h"

namespace leasefs {

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
