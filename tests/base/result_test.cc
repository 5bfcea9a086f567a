#include "fs/base/result.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <set>

namespace leasefs {
namespace {

Result<int> Half(int number) {
  if (number % 2 != 0) return Error(ErrorKind::kInvalid, "odd");
  return number / 2;
}

Result<int> Quarter(int number) {
  LEASEFS_ASSIGN_OR_RETURN(half, Half(number));
  LEASEFS_ASSIGN_OR_RETURN(quarter, Half(half));
  return quarter;
}

Status CheckDivisibleByFour(int number) {
  LEASEFS_RETURN_IF_ERROR(Quarter(number));
  return Ok();
}

TEST(ResultTest, HoldsAValueOrAnError) {
  Result<int> good = Half(4);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(*good, 2);
  Result<int> bad = Half(3);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().kind(), ErrorKind::kInvalid);
  EXPECT_EQ(bad.error().message(), "odd");
}

TEST(ResultTest, MacrosPassTheFirstErrorOn) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(Quarter(6).error().message(), "odd");
  EXPECT_TRUE(CheckDivisibleByFour(8).ok());
  EXPECT_EQ(CheckDivisibleByFour(5).error().message(), "odd");
}

TEST(ResultTest, MovesOutWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 7);
}

TEST(ResultTest, ContextIsAddedInFront) {
  Error error = Error(ErrorKind::kNotFound, "no such row").Context("table t").Context("store s");
  EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
  EXPECT_EQ(error.message(), "store s: table t: no such row");
}

TEST(ResultDeathTest, AskingForWhatIsNotThereAborts) {
  EXPECT_DEATH(Half(3).value(), "");
  EXPECT_DEATH(static_cast<void>(Half(4).error()), "");
}

TEST(ResultTest, ErrnoErrorSaysWhatFailedAndWhy) {
  Error denied = ErrnoError("open /etc/x", EACCES);
  EXPECT_EQ(denied.kind(), ErrorKind::kInternal);
  EXPECT_EQ(denied.message(), "open /etc/x: Permission denied");
  EXPECT_EQ(ErrnoError("open", ENOENT, ErrorKind::kInvalid).kind(), ErrorKind::kInvalid);
  EXPECT_EQ(ErrnoError("open", 4321).message(), "open: error 4321");
}

TEST(ResultTest, EveryKindHasANameOfItsOwn) {
  std::set<std::string_view> names;
  constexpr int kKinds = static_cast<int>(ErrorKind::kInvalid) + 1;
  for (int kind = 0; kind < kKinds; ++kind) names.insert(ErrorKindName(static_cast<ErrorKind>(kind)));
  EXPECT_EQ(names.size(), static_cast<size_t>(kKinds));
  EXPECT_EQ(ErrorKindName(ErrorKind::kNotFound), "not_found");
}

}  // namespace
}  // namespace leasefs
