// Rows changed, exchanged, removed, added or taken from an older copy, by means of SQL: refused when the store is
// opened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "backend/store/store.h"
#include "fs/base/strings.h"
#include "tests/store/raw_database.h"
#include "tests/store/store_fixture.h"

namespace leasefs::store_test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

class StoreRowsTest : public StoreFixture {
 protected:
  struct Column {
    const char* table;
    const char* column;
  };
  static constexpr Column kColumns[] = {{"meta", "body"}, {"secret", "body"}, {"version", "head"}, {"version", "body"}};

  StoreRowsTest() : older_(directory_ / "older.db") {
    auto store = Fresh();
    PutValues(*store, "a", {{"k", "first"}});
    PutValues(*store, "b", {{"k", "first"}});
    PutValues(*store, "gone", {{"k", "first"}});
    PutValues(*store, "back", {{"k", "first"}});
    EXPECT_TRUE(store->Remove("back", {}, 0, At(2)).ok());
    EXPECT_TRUE(CopyTo(*store, older_).ok());
    PutValues(*store, "a", {{"k", "second"}});
    PutValues(*store, "b", {{"k", "second"}});
    PutValues(*store, "back", {{"k", "second"}});
    EXPECT_TRUE(store->Remove("gone", {}, 0, At(2)).ok());
    EXPECT_TRUE(store->Rekey(RawKey('n')).ok());
    truth_ = Picture(*store);
    store.reset();
    base_ = ReadFile(path_);
  }

  // Does `sql` to the file, with the older copy attached, and says why the store is not opened then. "": it is opened.
  std::string RefusalAfter(const std::string& sql) {
    WriteFile(path_, base_);
    {
      RawDatabase raw(path_);
      raw.Run(StrCat("ATTACH '", older_, "' AS older; ", sql));
    }
    auto store = TryOpen();
    if (store.ok()) return "";
    EXPECT_THAT(store.error().kind(), AnyOf(ErrorKind::kRemote, ErrorKind::kLocked)) << sql;
    return store.error().message();
  }

  std::vector<std::string> Ids(const std::string& table) {
    WriteFile(path_, base_);
    std::vector<std::string> ids;
    for (const auto& row : RawDatabase(path_).Query(StrCat("SELECT id FROM ", table))) ids.push_back(row[0]);
    return ids;
  }

  std::string older_, truth_, base_;
};

TEST_F(StoreRowsTest, UntouchedItOpens) {
  EXPECT_EQ(RefusalAfter(""), "");
  EXPECT_EQ(Picture(**TryOpen()), truth_);
}

TEST_F(StoreRowsTest, RowsExchangedAreRefused) {
  for (const auto& [table, column] : kColumns) {
    const std::vector<std::string> ids = Ids(table);
    ASSERT_GT(ids.size(), 2U);
    for (const std::string& to : ids) {
      for (const std::string& from : ids) {
        if (to == from) continue;
        const std::string sql = StrCat("UPDATE ", table, " SET ", column, "=(SELECT ", column, " FROM ", table,
                                       " WHERE id=", from, ") WHERE id=", to);
        ASSERT_NE(RefusalAfter(sql), "") << sql;
      }
    }
  }
}

TEST_F(StoreRowsTest, RowsUnderEachOthersNumbersAreRefused) {
  for (const char* table : {"meta", "secret", "version"}) {
    const std::vector<std::string> ids = Ids(table);
    for (size_t i = 1; i < ids.size(); ++i) {
      const std::string sql =
          StrCat("UPDATE ", table, " SET id=-1 WHERE id=", ids[0], "; UPDATE ", table, " SET id=", ids[0],
                 " WHERE id=", ids[i], "; UPDATE ", table, " SET id=", ids[i], " WHERE id=-1");
      ASSERT_NE(RefusalAfter(sql), "") << sql;
    }
    ASSERT_NE(RefusalAfter(StrCat("UPDATE ", table, " SET id=1000 WHERE id=", ids.back())), "");
    ASSERT_NE(RefusalAfter(StrCat("UPDATE ", table, " SET id=-5 WHERE id=", ids.back())), "");
  }
}

TEST_F(StoreRowsTest, ARemovedRowIsRefused) {
  for (const char* table : {"meta", "secret", "version"}) {
    for (const std::string& id : Ids(table)) {
      ASSERT_NE(RefusalAfter(StrCat("DELETE FROM ", table, " WHERE id=", id)), "") << table << " " << id;
    }
    ASSERT_NE(RefusalAfter(StrCat("DELETE FROM ", table)), "");
  }
  // A whole secret with all its versions.
  ASSERT_THAT(
      RefusalAfter("DELETE FROM secret WHERE id=1; DELETE FROM version WHERE id IN (SELECT id FROM version LIMIT 2)"),
      HasSubstr("damaged"));
}

TEST_F(StoreRowsTest, ADoubledRowIsRefused) {
  for (const char* table : {"meta", "secret", "version"}) {
    const std::string columns = std::string(table) == "version" ? "head, body" : "body";
    for (const std::string& id : Ids(table)) {
      const std::string sql =
          StrCat("INSERT INTO ", table, " SELECT 1000, ", columns, " FROM ", table, " WHERE id=", id);
      ASSERT_THAT(RefusalAfter(sql), HasSubstr("damaged")) << sql;
    }
  }
}

TEST_F(StoreRowsTest, RowsOfAnOlderCopyAreRefused) {
  for (const auto& [table, column] : kColumns) {
    WriteFile(path_, base_);
    std::vector<std::string> different;
    {
      RawDatabase raw(path_);
      raw.Run(StrCat("ATTACH '", older_, "' AS older"));
      for (const auto& row : raw.Query(StrCat("SELECT o.id FROM older.", table, " o LEFT JOIN main.", table,
                                              " m ON o.id = m.id WHERE o.", column, " IS NOT m.", column))) {
        different.push_back(row[0]);
      }
    }
    EXPECT_FALSE(different.empty()) << table;
    for (const std::string& id : different) {
      const std::string sql =
          StrCat("INSERT OR REPLACE INTO ", table, " SELECT * FROM older.", table, " WHERE id=", id);
      ASSERT_NE(RefusalAfter(sql), "") << sql;
    }
  }
}

TEST_F(StoreRowsTest, TablesOfAnOlderCopyAreRefused) {
  const std::vector<std::string> tables = {"meta", "secret", "version"};
  for (unsigned set = 1; set < 8; ++set) {
    std::string sql;
    for (size_t i = 0; i < tables.size(); ++i) {
      if ((set >> i & 1) != 0) {
        sql += StrCat("DELETE FROM main.", tables[i], "; INSERT INTO main.", tables[i], " SELECT * FROM older.",
                      tables[i], ";");
      }
    }
    if (set == 7) {
      // The whole of an older copy is a store: nothing in it says that there is a newer one.
      EXPECT_EQ(RefusalAfter(sql), "");
    } else {
      EXPECT_NE(RefusalAfter(sql), "") << sql;
    }
  }
  // The state with any single table of the old copy.
  const std::string state = "INSERT OR REPLACE INTO meta SELECT * FROM older.meta WHERE id=3;";
  EXPECT_NE(RefusalAfter(state + "DELETE FROM secret; INSERT INTO secret SELECT * FROM older.secret"), "");
  EXPECT_NE(RefusalAfter(state + "DELETE FROM version; INSERT INTO version SELECT * FROM older.version"), "");
}

TEST_F(StoreRowsTest, RowsOfAnotherStoreWithTheSameKeyAreRefused) {
  const std::string mine = path_;
  path_ = older_ = directory_ / "other.db";
  {
    auto store = Fresh();
    PutValues(*store, "a", {{"k", "evil"}});
    PutValues(*store, "b", {{"k", "evil"}});
  }
  path_ = mine;
  for (const char* sql : {"INSERT OR REPLACE INTO version SELECT * FROM older.version",
                          "INSERT OR REPLACE INTO secret SELECT * FROM older.secret",
                          "INSERT OR REPLACE INTO meta SELECT * FROM older.meta WHERE id=1",
                          "INSERT OR REPLACE INTO meta SELECT * FROM older.meta WHERE id=2",
                          "INSERT OR REPLACE INTO meta SELECT * FROM older.meta WHERE id=3",
                          "INSERT OR REPLACE INTO meta SELECT * FROM older.meta"}) {
    EXPECT_NE(RefusalAfter(sql), "") << sql;
  }
}

TEST_F(StoreRowsTest, EditedKeySlotsAreRefused) {
  const size_t size = std::stoul(RawDatabase(path_).Query("SELECT length(body) FROM meta WHERE id=2")[0][0]);
  ASSERT_GT(size, 200U) << "two slots";
  const std::string slots = RawDatabase(path_).Query("SELECT hex(body) FROM meta WHERE id=2")[0][0];
  for (size_t at = 0; at < size; ++at) {
    for (const unsigned flip : {0x01U, 0x80U, 0xffU}) {
      const unsigned byte = static_cast<unsigned>(std::stoul(slots.substr(2 * at, 2), nullptr, 16)) ^ flip;
      std::string edited = slots;
      edited[2 * at] = "0123456789ABCDEF"[byte >> 4];
      edited[2 * at + 1] = "0123456789ABCDEF"[byte & 15];
      ASSERT_NE(RefusalAfter(StrCat("UPDATE meta SET body=x'", edited, "' WHERE id=2")), "") << "byte " << at;
    }
  }
  const std::string first = "01" + slots.substr(2, size - 1), second = "01" + slots.substr(size + 1);
  EXPECT_THAT(RefusalAfter(StrCat("UPDATE meta SET body=x'", first, "' WHERE id=2")), HasSubstr("damaged"));
  EXPECT_NE(RefusalAfter(StrCat("UPDATE meta SET body=x'", second, "' WHERE id=2")), "")
      << "the key of this slot is another";
  EXPECT_THAT(RefusalAfter(StrCat("UPDATE meta SET body=x'02", second.substr(2), first.substr(2), "' WHERE id=2")),
              HasSubstr("damaged"));
  EXPECT_THAT(RefusalAfter("UPDATE meta SET body=zeroblob(10000) WHERE id=2"), HasSubstr("unreadable"));
}

TEST_F(StoreRowsTest, ValuesOfOtherTypesAreRefused) {
  for (const auto& [table, column] : kColumns) {
    for (const char* value : {"'text'", "17", "1.5", "x''", "CAST(body AS TEXT)"}) {
      for (const std::string& id : Ids(table)) {
        const std::string sql = StrCat("UPDATE ", table, " SET ", column, "=", value, " WHERE id=", id);
        ASSERT_NE(RefusalAfter(sql), "") << sql;
      }
    }
  }
}

TEST_F(StoreRowsTest, OtherTablesAreRefused) {
  for (const char* sql : {
           "CREATE INDEX i ON secret(body)",
           "CREATE TABLE more(x)",
           "CREATE VIEW v AS SELECT 1",
           "CREATE TRIGGER t AFTER INSERT ON secret BEGIN DELETE FROM secret; END",
           "DROP TABLE version",
           "ALTER TABLE secret RENAME TO hidden; CREATE VIEW secret AS SELECT * FROM hidden WHERE id > 1",
           "ALTER TABLE secret ADD COLUMN more",
           "ANALYZE",
           "CREATE TABLE again AS SELECT * FROM secret; DROP TABLE secret; ALTER TABLE again RENAME TO secret",
       }) {
    EXPECT_THAT(RefusalAfter(sql), HasSubstr("damaged: ")) << sql;
  }
}

TEST_F(StoreRowsTest, AnUnknownFormatOrProgramIsNamedAndLeftAlone) {
  WriteFile(path_, base_);
  RawDatabase(path_).Run("PRAGMA user_version=2");
  auto newer = TryOpen();
  EXPECT_EQ(newer.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(newer.error().message(), HasSubstr("the store has format 2 and this leasefs knows format 1 only"));

  const std::string other = directory_ / "browser.db";
  RawDatabase(other).Run("CREATE TABLE cookies(x); INSERT INTO cookies VALUES (1)");
  const std::string bytes = ReadFile(other);
  auto store = Store::Open(other, RawKey(), random_, settings_);
  EXPECT_EQ(store.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(store.error().message(), HasSubstr("not a leasefs store"));
  EXPECT_EQ(ReadFile(other), bytes);
}

TEST_F(StoreRowsTest, WhatIsChangedWhileTheStoreIsOpenIsDamageAndNotAbsence) {
  WriteFile(path_, base_);
  settings_.value_bytes = 1 << 20;
  auto store = Open();
  // More than SQLite keeps in memory, so that values are read from the file again.
  const auto value = [](int i) { return std::string(200'000, static_cast<char>('a' + i)); };
  for (int i = 0; i < 26; ++i) ASSERT_NE(PutValues(*store, StrCat("large", i), {{"k", value(i)}}), 0U);
  std::string bytes = ReadFile(path_);
  for (size_t at = 8192; at < bytes.size(); at += 1000) bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
  WriteFile(path_, bytes);
  int damaged = 0;
  for (int i = 0; i < 26; ++i) {
    const auto got = store->Get(StrCat("large", i), 0);
    if (got.ok()) {
      EXPECT_EQ(ValuesOf(got->second), (Values{{"k", value(i)}}));
    } else {
      EXPECT_EQ(got.error().kind(), ErrorKind::kRemote) << got.error().message();
      EXPECT_THAT(got.error().message(), HasSubstr("damaged"));
      ++damaged;
    }
  }
  EXPECT_GT(damaged, 10);
}

}  // namespace
}  // namespace leasefs::store_test
