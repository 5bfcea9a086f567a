// What a store does while nothing goes wrong.
#include "backend/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "fs/base/limits.h"
#include "tests/store/store_fixture.h"

namespace leasefs::store_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StoreTest : public StoreFixture {
 protected:
  static Status Apply(Store& store, Store::Put put) {
    std::vector<Store::Put> puts;
    puts.push_back(std::move(put));
    auto versions = store.Apply(std::move(puts), 0, "put", At(1));
    return versions.ok() ? Ok() : Status(std::move(versions).error());
  }
};

TEST_F(StoreTest, ANewStoreIsEmptyAndForItsOwnerOnly) {
  auto store = Fresh();
  EXPECT_THAT(store->Secrets(""), IsEmpty());
  EXPECT_THAT(Listed(*store, ""), IsEmpty());
  EXPECT_EQ(store->generation(), 0U);
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
}

TEST_F(StoreTest, NothingIsOverwrittenByANewStore) {
  WriteFile(path_, "precious");
  const Status status = Store::Create(path_, RawKey(), random_, settings_);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(status.error().message(), HasSubstr("exists already"));
  EXPECT_EQ(ReadFile(path_), "precious");
  EXPECT_THAT(FilesIn(directory_ / ""), ElementsAre("store.db"));
}

TEST_F(StoreTest, ValuesAreThereAgainAfterReopening) {
  const Values values = {{"empty", ""}, {"binary", std::string("\0\xff\n\0", 4)}, {"text", "hunter2"}};
  {
    auto store = Fresh();
    EXPECT_EQ(PutValues(*store, "web/tls", values), 1U);
    EXPECT_EQ(Get(*store, "web/tls"), values);
  }
  auto store = Open();
  EXPECT_EQ(Get(*store, "web/tls"), values);
  EXPECT_THAT(FilesIn(directory_ / ""), ElementsAre("store.db", "store.db-wal"));
  EXPECT_EQ(ReadFile(path_ + "-wal"), "");
}

}  // namespace
}  // namespace leasefs::store_test
