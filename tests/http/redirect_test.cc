#include "backend/http/redirect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace leasefs::http {
namespace {

using testing::HasSubstr;

class RedirectTest : public testing::Test {
 protected:
  Result<RedirectTarget> Follow(std::string location, int status = 307) const {
    Response response;
    response.status = status;
    if (!location.empty()) response.headers.push_back({.name = "location", .value = std::move(location)});
    return FollowRedirect(response, configured_, 0, "/v1/a");
  }
  std::string Refusal(std::string location, int status = 307) const {
    const auto target = Follow(std::move(location), status);
    if (target.ok()) return "followed";
    EXPECT_EQ(target.error().kind(), ErrorKind::kRemote);
    EXPECT_THAT(target.error().message(), HasSubstr("a:8200 answered"));
    return target.error().message();
  }

  const std::vector<Address> configured_ = {*ParseAddress("https://a:8200", PlainHttp::kRefused),
                                            *ParseAddress("https://b:8200", PlainHttp::kRefused),
                                            *ParseAddress("http://127.0.0.1:8200", PlainHttp::kToLoopback)};
};

TEST_F(RedirectTest, LeadsToAConfiguredAddress) {
  const auto target = Follow("https://B:8200/v1/a?x=y");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->address, 1U);
  EXPECT_EQ(target->path, "/v1/a?x=y");
  EXPECT_EQ(Follow("https://b:8200/v1/a", 308)->address, 1U);
}

TEST_F(RedirectTest, LeadsToAnotherPathOfTheSameAddress) {
  EXPECT_EQ(Follow("/v1/b")->address, 0U);
  EXPECT_EQ(Follow("https://a:8200/v1/b")->path, "/v1/b");
}

TEST_F(RedirectTest, NeverToWhatIsNotConfigured) {
  EXPECT_THAT(Refusal("https://evil:8200/v1/a"), HasSubstr("evil:8200, which is not among the configured"));
  EXPECT_THAT(Refusal("https://b:8201/v1/a"), HasSubstr("not among the configured"));
  EXPECT_THAT(Refusal("https://b/v1/a"), HasSubstr("b:443"));
  EXPECT_THAT(Refusal("//b:8200/v1/a"), HasSubstr("cannot be followed"));
  EXPECT_THAT(Refusal("https://a:8200@evil/v1/a"), HasSubstr("user name"));
  EXPECT_THAT(Refusal("https://b:8200.evil/v1/a"), HasSubstr("port"));
}

TEST_F(RedirectTest, NeverToPlainHttp) {
  EXPECT_THAT(Refusal("http://b:8200/v1/a"), HasSubstr("plain http"));
  EXPECT_THAT(Refusal("http://127.0.0.1:8200/v1/a"), HasSubstr("plain http"));
}

TEST_F(RedirectTest, SaysWhatIsWrongWithALocation) {
  EXPECT_THAT(Refusal(""), HasSubstr("does not say where"));
  EXPECT_THAT(Refusal("https://fd00::1:8200/v1/a"), HasSubstr("in brackets"));
  EXPECT_THAT(Refusal("https://b:8200/v1/../a"), HasSubstr("well formed"));
  EXPECT_THAT(Refusal("https://b:8200/v1//a"), HasSubstr("well formed"));
  EXPECT_THAT(Refusal("v1/b"), HasSubstr("cannot be followed"));
  EXPECT_THAT(Refusal("/v1/a"), HasSubstr("itself"));
  EXPECT_THAT(Refusal("https://a:8200/v1/a"), HasSubstr("itself"));
}

TEST_F(RedirectTest, OtherRedirectsChangeTheMethodAndAreNotFollowed) {
  for (const int status : {300, 301, 302, 303, 304, 399}) {
    EXPECT_THAT(Refusal("https://b:8200/v1/a", status), HasSubstr("only 307 and 308")) << status;
  }
}

}  // namespace
}  // namespace leasefs::http
