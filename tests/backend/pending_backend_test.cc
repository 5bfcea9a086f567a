#include "fs/main/pending_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backend/scripted_backend.h"

namespace leasefs {
namespace {

class PendingBackendTest : public testing::Test {
 protected:
  PendingBackendTest() {
    real_.Put("db", {{"password", "p"}});
    Backend::Events events;
    events.on_health = [this](protocol::HealthState state, const std::string& message) {
      health_ = state;
      health_words_ = message;
    };
    pending_.SetEvents(std::move(events));
  }
  void AskForBoth() {
    pending_.Read("db", [this](const Result<SecretVersion>& read) {
      answers_.push_back(read.ok() ? "value" : read.error().message());
    });
    pending_.List("db", protocol::Purpose::kNames, [this](const Result<Listing>& listed) {
      answers_.push_back(listed.ok() ? "names" : listed.error().message());
    });
    loop_.RunFor(std::chrono::seconds(1));
  }

  SimLoop loop_{1};
  ScriptedBackend real_{loop_};
  PendingBackend pending_;
  protocol::HealthState health_ = protocol::HealthState::kUp;
  std::string health_words_;
  std::vector<std::string> answers_;
};

TEST_F(PendingBackendTest, WhatIsAskedWhileItStartsIsAnsweredWhenItIsThere) {
  AskForBoth();
  EXPECT_THAT(answers_, testing::IsEmpty());
  EXPECT_EQ(health_, protocol::HealthState::kDown);
  EXPECT_EQ(health_words_, "it is starting");
  pending_.Use(real_);
  loop_.RunFor(std::chrono::seconds(1));
  EXPECT_THAT(answers_, testing::UnorderedElementsAre("value", "names"));
  EXPECT_EQ(health_, protocol::HealthState::kUp);
  AskForBoth();
  EXPECT_EQ(answers_.size(), 4u);
  EXPECT_EQ(real_.reads["db"], 2);
}

TEST_F(PendingBackendTest, AProblemIsToldToThoseWhoWaitAndToThoseWhoComeUntilItIsGone) {
  AskForBoth();
  pending_.SetProblem("no certificate");
  EXPECT_THAT(answers_, testing::ElementsAre("no certificate", "no certificate"));
  EXPECT_EQ(health_words_, "no certificate");
  AskForBoth();
  EXPECT_EQ(answers_.size(), 4u);
  pending_.Use(real_);
  EXPECT_EQ(answers_.size(), 4u) << "nobody is answered twice";
  AskForBoth();
  EXPECT_THAT(answers_, testing::IsSupersetOf({"value", "names"}));
}

}  // namespace
}  // namespace leasefs
