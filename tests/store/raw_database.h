// The file of a store as somebody with sqlite3 and without the key can change it.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <functional>
#include <string>
#include <vector>

namespace leasefs::store_test {

class RawDatabase {
 public:
  explicit RawDatabase(const std::string& path) {
    EXPECT_EQ(sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr), SQLITE_OK);
  }
  ~RawDatabase() { sqlite3_close(db_); }
  RawDatabase(const RawDatabase&) = delete;
  RawDatabase& operator=(const RawDatabase&) = delete;

  void Run(const std::string& sql) {
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << sql << ": " << error;
    sqlite3_free(error);
  }
  // The rows of a query, each column as text.
  std::vector<std::vector<std::string>> Query(const std::string& sql) {
    std::vector<std::vector<std::string>> rows;
    const auto take = [](void* out, int count, char** columns, char**) {
      std::vector<std::string> row;
      row.reserve(static_cast<size_t>(count));
      for (int i = 0; i < count; ++i) row.emplace_back(columns[i] == nullptr ? "" : columns[i]);
      static_cast<std::vector<std::vector<std::string>>*>(out)->push_back(std::move(row));
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(db_, sql.c_str(), take, &rows, nullptr), SQLITE_OK) << sql;
    return rows;
  }

 private:
  sqlite3* db_ = nullptr;
};

}  // namespace leasefs::store_test
