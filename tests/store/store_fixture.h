// A directory in memory with a store in it, and words for what a store shows.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/store/store.h"
#include "fs/base/sim_loop.h"

namespace leasefs::store_test {

// Removed with all that is in it.
class TemporaryDirectory {
 public:
  TemporaryDirectory();  // on /dev/shm where there is one: a test may open thousands of stores
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);  // "" when there is none
void WriteFile(const std::string& path, const std::string& bytes);
std::vector<std::string> FilesIn(const std::string& directory);

using Values = std::map<std::string, std::string>;

StoreKey RawKey(char fill = 'k');
StoreKey Passphrase(const std::string& text);
WallTime At(int64_t second);
Store::Put PutOf(const std::string& secret, const Values& values, bool replace = true);
Values ValuesOf(const std::vector<protocol::Field>& fields);

// Everything that a reader can see: every secret, every kept version, its values, and what each directory lists.
std::string Picture(const Store& store);

class StoreFixture : public ::testing::Test {
 protected:
  StoreFixture();

  void Create() { ASSERT_TRUE(Store::Create(path_, RawKey(), random_, settings_).ok()); }
  Result<std::unique_ptr<Store>> TryOpen(const StoreKey& key = RawKey()) {
    return Store::Open(path_, key, random_, settings_);
  }
  // Ends the test when the store does not open.
  std::unique_ptr<Store> Open();
  std::unique_ptr<Store> Fresh() {
    Create();
    return Open();
  }

  TemporaryDirectory directory_;
  std::string path_;
  SimRandom random_{7};
  StoreSettings settings_;
};

Status FinishRekey(Store& store);                                                                        // in one go
Status CopyTo(Store& store, const std::string& path);                                                    // likewise
uint64_t PutValues(Store& store, const std::string& secret, const Values& values, bool replace = true);  // 0: refused
Values Get(const Store& store, const std::string& secret, uint64_t version = 0);    // {} : an error
std::vector<std::string> Listed(const Store& store, const std::string& directory);  // "key", "folder/"

}  // namespace leasefs::store_test
