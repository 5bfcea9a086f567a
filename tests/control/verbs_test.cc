#include "fs/control/verbs.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fs/control/paths.h"
#include "tests/control/fake_target.h"

namespace leasefs::control {
namespace {

class VerbsTest : public testing::Test {
 protected:
  Result<std::string> Run(const PeerCredentials& peer, std::string verb, std::vector<std::string> arguments = {},
                          std::span<const VerbRow> verbs = Verbs()) {
    std::optional<Result<std::string>> result;
    ControlRequest request{std::move(verb), std::move(arguments)};
    RunVerb(
        target_, clock_, peer, request, [&](Result<std::string> answer) { result.emplace(std::move(answer)); }, verbs);
    if (!result) return Error(ErrorKind::kBusy, "no answer yet");
    return std::move(*result);
  }
  nlohmann::json Json(std::string verb, std::vector<std::string> arguments = {}) {
    auto result = Run(member_, std::move(verb), std::move(arguments));
    EXPECT_TRUE(result.ok()) << result.error().message();
    return nlohmann::json::parse(*result);
  }
  Error ErrorOf(std::string verb, std::vector<std::string> arguments = {}) {
    auto result = Run(member_, std::move(verb), std::move(arguments));
    return result.ok() ? Error(ErrorKind::kInternal, "it succeeded") : result.error();
  }

  SimLoop clock_{1};
  FakeTarget target_;
  PeerCredentials root_{.uid = 0, .gid = 0, .pid = 1, .groups = {}};
  PeerCredentials member_{.uid = 1000, .gid = 1000, .pid = 2, .groups = {4711}};
};

TEST_F(VerbsTest, EachVerbNamesItsRightAndItIsEnforced) {
  const std::map<std::string_view, Right> expected = {{"status", Right::kObserve},  {"stat", Right::kObserve},
                                                      {"explain", Right::kObserve}, {"version", Right::kObserve},
                                                      {"trees", Right::kObserve},   {"refresh", Right::kOperate},
                                                      {"reload", Right::kOperate},  {"stop", Right::kOperate}};
  ASSERT_EQ(Verbs().size(), expected.size());
  for (const VerbRow& row : Verbs()) {
    EXPECT_EQ(row.right, expected.at(row.name)) << row.name;
    // The same row, had it another right.
    for (Right right : {Right::kObserve, Right::kOperate, Right::kReveal}) {
      VerbRow changed = row;
      changed.right = right;
      changed.least_arguments = 0;
      changed.run = [](const VerbCall& call) { call.done(std::string("{}")); };
      EXPECT_TRUE(Run(root_, std::string(row.name), {}, {&changed, 1}).ok());
      auto of_member = Run(member_, std::string(row.name), {}, {&changed, 1});
      EXPECT_EQ(of_member.ok(), right != Right::kReveal);
      if (right == Right::kReveal) {
        EXPECT_EQ(of_member.error().kind(), ErrorKind::kDenied);
        EXPECT_NE(of_member.error().message().find("sudo"), std::string::npos);
      }
    }
  }
}

TEST_F(VerbsTest, TheWrongNumberOfArgumentsSaysWhatIsRight) {
  EXPECT_EQ(ErrorOf("status", {"x"}).message(), "status takes no arguments");
  EXPECT_EQ(ErrorOf("stat").message(), "stat takes PATH");
  EXPECT_EQ(ErrorOf("stat", {"a", "b"}).message(), "stat takes PATH");
  EXPECT_EQ(ErrorOf("explain", {"a", "1"}).message(), "explain takes PATH UID GID [GID,GID,...]");
  EXPECT_EQ(ErrorOf("refresh", {"a", "b"}).message(), "refresh takes [PATH]");
  EXPECT_EQ(target_.calls, 0);
}

TEST_F(VerbsTest, AnUnknownVerbNamesTheKnownOnes) {
  EXPECT_EQ(ErrorOf("sta\ntus").message(),
            "no verb 'sta\\x0atus'; there are: status, stat, explain, trees, version, refresh, reload, stop");
}

TEST_F(VerbsTest, ExplainTakesNumbers) {
  auto answer = Json("explain", {"web/tls", "33", "34", "7,5,7", "9"});
  EXPECT_EQ(answer["caller"]["groups"], (std::vector<int>{5, 7, 9}));
  EXPECT_EQ(target_.question.uid, 33u);
  EXPECT_EQ(target_.question.gid, 34u);
  EXPECT_EQ(target_.question.path, "web/tls");
  for (const char* bad : {"", "x", "-1", "4294967295", "4294967296", "1 ", "0x1"}) {
    EXPECT_EQ(ErrorOf("explain", {"p", bad, "0"}).kind(), ErrorKind::kInvalid) << bad;
    EXPECT_EQ(ErrorOf("explain", {"p", "0", "0", std::string("1,") + bad}).kind(), ErrorKind::kInvalid) << bad;
  }
}

TEST_F(VerbsTest, PathsMayBeAbsoluteOrRelative) {
  for (const char* path : {"web/tls", "/run/leasefs/web/tls", "web//tls/", "/run/leasefs//web/tls"}) {
    Json("stat", {path});
    EXPECT_EQ(target_.path, "web/tls") << path;
  }
  for (const char* path : {"", "/run/leasefs", "/run/leasefs/", "//"}) {
    if (std::string_view(path) == "//") {
      EXPECT_EQ(ErrorOf("stat", {path}).kind(), ErrorKind::kInvalid);
    } else {
      Json("stat", {path});
      EXPECT_EQ(target_.path, "") << path;
    }
  }
  for (const char* path : {"/etc/passwd", "/run/leasefsx/web", "/run", "../etc", "web/../..", "./web"}) {
    Error error = ErrorOf("stat", {path});
    EXPECT_EQ(error.kind(), ErrorKind::kInvalid) << path;
    EXPECT_NE(error.message().find("/run/leasefs"), std::string::npos) << "says where: " << error.message();
  }
  EXPECT_EQ(ErrorOf("stat", {std::string("a\0b", 3)}).kind(), ErrorKind::kInvalid);
}

TEST_F(VerbsTest, RefreshWithoutAPathMeansEverything) {
  EXPECT_EQ(Json("refresh")["asked"], 3);
  EXPECT_EQ(target_.path, "");
  EXPECT_EQ(Json("refresh", {"web"})["path"], "web");
}

TEST_F(VerbsTest, ErrorsOfTheTargetArePassedOn) {
  target_.error = Error(ErrorKind::kNotFound, "there is no such path");
  EXPECT_EQ(ErrorOf("stat", {"web"}).kind(), ErrorKind::kNotFound);
  EXPECT_EQ(ErrorOf("refresh", {"web"}).message(), "there is no such path");
  target_.error = Error(ErrorKind::kInvalid, "leasefs.toml:3:1: unknown key");
  EXPECT_EQ(ErrorOf("reload").message(), "leasefs.toml:3:1: unknown key");
}

TEST_F(VerbsTest, StopIsAnsweredBeforeItIsBegun) {
  EXPECT_EQ(ErrorOf("stop", {"now"}).kind(), ErrorKind::kInvalid);
  EXPECT_FALSE(target_.stopped);
  RunVerb(target_, clock_, member_, {"stop", {}}, [&](const Result<std::string>& answer) {
    EXPECT_TRUE(answer.ok());
    EXPECT_FALSE(target_.stopped) << "the answer might not be sent any more";
  });
  EXPECT_EQ(target_.stopped, false);
  EXPECT_EQ(Json("stop", {"revoke"})["revoke"], true);
  EXPECT_EQ(target_.stopped, true);
}

}  // namespace
}  // namespace leasefs::control
