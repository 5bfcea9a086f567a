// Who is believed to be the server, and whom the server believes us to be.
#include <gmock/gmock.h>

#include <atomic>
#include <fstream>
#include <sstream>

#include "fs/base/strings.h"
#include "tests/http/client_fixture.h"

namespace leasefs::http {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::Answer;
using test::CertificateFiles;
using test::RecordedRequest;
using test::TlsServer;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class TlsTest : public ClientFixture {
 protected:
  static TlsServer::Script Fine() {
    return TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "fine"); });
  }
  // What comes of a request to a server with these options, and that it never saw it if it was refused.
  std::string Try(const TlsServer::Options& server_options) {
    client_.reset();
    options_.client.addresses.clear();
    TlsServer server(server_options, Fine());
    ConnectTo(server);
    const BootTime start = loop_->Now();
    std::string outcome = Outcome(Get());
    if (outcome != "status 200") {
      EXPECT_THAT(outcome, HasSubstr(StrCat("127.0.0.1:", server.port())));
      EXPECT_TRUE(server.requests().empty());
      EXPECT_LT(loop_->Now() - start, seconds(5));
    }
    client_.reset();
    return outcome;
  }
  std::string Refused() const {
    const auto client = HttpClient::Create(options_, *loop_);
    if (client.ok()) return "accepted";
    EXPECT_EQ(client.error().kind(), ErrorKind::kInvalid);
    return client.error().message();
  }
};

TEST_F(TlsTest, AGoodCertificateIsBelieved) {
  EXPECT_EQ(Try({.files = files_}), "status 200");
}

TEST_F(TlsTest, AnExpiredCertificate) {
  EXPECT_THAT(Try({.files = authority_.Issue({.begins_in = hours(-48), .ends_in = hours(-24)})}),
              AllOf(StartsWith("remote: "), HasSubstr("has expired")));
}

TEST_F(TlsTest, ACertificateThatIsNotValidYet) {
  EXPECT_THAT(Try({.files = authority_.Issue({.begins_in = hours(24), .ends_in = hours(48)})}),
              AllOf(StartsWith("remote: "), HasSubstr("not valid yet")));
}

TEST_F(TlsTest, AnUnknownAuthority) {
  test::TestAuthority other("somebody else");
  EXPECT_THAT(Try({.files = other.Issue({})}),
              AllOf(StartsWith("remote: "), HasSubstr("unknown authority"), HasSubstr(authority_.certificate_file())));
}

TEST_F(TlsTest, ACertificateForAnotherName) {
  EXPECT_THAT(Try({.files = authority_.Issue({.common_name = "other", .alternative_names = "DNS:other"})}),
              AllOf(StartsWith("remote: "), HasSubstr("another name than 127.0.0.1"), HasSubstr("or set server_name")));
}

TEST_F(TlsTest, AnotherServerNameIsAskedForAndVerified) {
  options_.transport.tls.server_name = "vault.internal";
  const CertificateFiles named =
      authority_.Issue({.common_name = "vault.internal", .alternative_names = "DNS:vault.internal"});
  EXPECT_EQ(Try({.files = named}), "status 200");
  EXPECT_THAT(Try({.files = files_}), HasSubstr("another name than vault.internal"));

  TlsServer server({.files = named}, Fine());
  options_.client.addresses.clear();
  ConnectTo(server);
  EXPECT_EQ(Ask(Get())->address, server.address());
  EXPECT_EQ(server.requests()[0].headers["host"], StrCat("127.0.0.1:", server.port()));
}

// Two addresses with one name in their certificates: connections must not be taken for each other's.
TEST_F(TlsTest, AddressesWithOneServerNameStayApart) {
  options_.transport.tls.server_name = "vault.internal";
  const CertificateFiles named = authority_.Issue({.alternative_names = "DNS:vault.internal"});
  TlsServer first({.files = named}, TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "first"); }));
  TlsServer second({.files = named},
                   TlsServer::Answering([](const RecordedRequest&) { return Answer(200, "second"); }));
  Trust(first.address());
  ConnectTo(second);
  EXPECT_EQ(BodyOf(Get()), "first");
  client_->Avoid(first.address());
  EXPECT_EQ(BodyOf(Get()), "second");
}

TEST_F(TlsTest, TlsOlderThan12IsNotSpoken) {
  EXPECT_THAT(Try({.files = files_, .max_tls_version = TLS1_1_VERSION}), StartsWith("remote: "));
  EXPECT_EQ(Try({.files = files_, .max_tls_version = TLS1_2_VERSION}), "status 200");
}

// What came of a second handshake would be verified by nobody.
TEST_F(TlsTest, AServerThatAsksForAnotherHandshakeIsRefused) {
  std::atomic<int> asked = 0;
  std::atomic<int> taken_part = 0;
  TlsServer server({.files = files_, .max_tls_version = TLS1_2_VERSION}, [&](TlsServer::Connection& connection) {
    if (!connection.Read()) return;
    ++asked;
    if (!connection.Renegotiate()) return;
    ++taken_part;
    connection.Write(Answer(200, "after another handshake"));
  });
  ConnectTo(server);
  EXPECT_THAT(Outcome(Get("/v1/a", seconds(2))), Not(StartsWith("status")));
  EXPECT_GE(asked, 1);
  EXPECT_EQ(taken_part, 0);
}

TEST_F(TlsTest, AServerThatDoesNotSpeakTls) {
  options_.transport.connect_timeout = milliseconds(100);
  TlsServer plain({}, Fine());
  Trust(StrCat("https://127.0.0.1:", plain.port()));
  Connect();
  EXPECT_THAT(Outcome(Get("/v1/a", milliseconds(400))),
              StartsWith("unreachable: "));  // it waits for the end of a request that never comes
}

TEST_F(TlsTest, APlainAnswerToTls) {
  TlsServer plain({}, [](TlsServer::Connection& connection) {
    connection.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.Wait(seconds(5));
  });
  Trust(StrCat("https://127.0.0.1:", plain.port()));
  Connect();
  EXPECT_THAT(Outcome(Get()), AllOf(StartsWith("remote: "), HasSubstr("does not speak TLS")));
}

TEST_F(TlsTest, AClientCertificateIsShown) {
  const CertificateFiles ours = authority_.Issue({.common_name = "leasefs", .alternative_names = ""});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const TlsServer::Options server = {
        .files = files_, .client_ca_file = authority_.certificate_file(), .max_tls_version = version};
    options_.transport.tls.client_certificate_file = ours.certificate;
    options_.transport.tls.client_key_file = ours.key;
    EXPECT_EQ(Try(server), "status 200") << version;

    test::TestAuthority other("somebody else");
    const CertificateFiles strange = other.Issue({.common_name = "leasefs", .alternative_names = ""});
    options_.transport.tls.client_certificate_file = strange.certificate;
    options_.transport.tls.client_key_file = strange.key;
    EXPECT_THAT(Try(server), AllOf(StartsWith("remote: "), HasSubstr("client certificate"))) << version;

    options_.transport.tls.client_certificate_file = options_.transport.tls.client_key_file = "";
    EXPECT_THAT(Try(server), AllOf(StartsWith("remote: "), HasSubstr("client certificate"))) << version;
  }
}

TEST_F(TlsTest, AKeyThatDoesNotBelongToTheCertificate) {
  options_.transport.tls.client_certificate_file = authority_.Issue({}).certificate;
  options_.transport.tls.client_key_file = authority_.Issue({}).key;
  EXPECT_THAT(Try({.files = files_}), AllOf(StartsWith("remote: "), HasSubstr("cannot be used")));
}

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::shared_ptr<TlsPem> PemOf(const std::string& authorities, const CertificateFiles& client = {}) {
  auto pem = std::make_shared<TlsPem>();
  pem->authorities = SecretBuffer::CopyOf(authorities.empty() ? "" : Contents(authorities));
  pem->client_certificate = SecretBuffer::CopyOf(client.certificate.empty() ? "" : Contents(client.certificate));
  pem->client_key = SecretBuffer::CopyOf(client.key.empty() ? "" : Contents(client.key));
  return pem;
}

TEST_F(TlsTest, AuthoritiesFromMemoryCountAndNoOthers) {
  options_.transport.tls.pem = PemOf(authority_.certificate_file());
  options_.transport.tls.ca_file = "";
  EXPECT_EQ(Try({.files = files_}), "status 200");
  // Also beside a file in which the right one is.
  const test::TestAuthority other("somebody else");
  options_.transport.tls.pem = PemOf(other.certificate_file());
  options_.transport.tls.ca_file = authority_.certificate_file();
  EXPECT_THAT(Try({.files = files_}), AllOf(StartsWith("remote: "), HasSubstr("unknown authority")));
}

TEST_F(TlsTest, AClientCertificateFromMemoryIsShownAndCanBeReplaced) {
  const CertificateFiles ours = authority_.Issue({.common_name = "leasefs", .alternative_names = ""});
  test::TestAuthority other("somebody else");
  const CertificateFiles strange = other.Issue({.common_name = "leasefs", .alternative_names = ""});
  options_.transport.tls.pem = PemOf("", ours);
  TlsServer server({.files = files_, .client_ca_file = authority_.certificate_file()}, Fine());
  ConnectTo(server);
  EXPECT_EQ(Outcome(Get()), "status 200");
  EXPECT_EQ(Outcome(Get()), "status 200");
  EXPECT_EQ(server.connections(), 1);
  // For new connections from now on, be the old one still open.
  ASSERT_TRUE(client_->UsePem(PemOf("", strange)).ok());
  EXPECT_THAT(Outcome(Get()), AllOf(StartsWith("remote: "), HasSubstr("client certificate")));
  ASSERT_TRUE(client_->UsePem(PemOf("", authority_.Issue({.common_name = "renewed", .alternative_names = ""}))).ok());
  EXPECT_EQ(Outcome(Get()), "status 200");
}

TEST_F(TlsTest, MemoryThatCannotWorkIsRefusedAndChangesNothing) {
  const CertificateFiles ours = authority_.Issue({.common_name = "leasefs", .alternative_names = ""});
  const auto wrong = [&](const std::shared_ptr<TlsPem>& pem) { return CheckPem(*pem).error().message(); };
  EXPECT_THAT(wrong(PemOf(ours.key)), HasSubstr("authorities holds no PEM certificate"));
  EXPECT_THAT(wrong(PemOf("", {.certificate = ours.certificate, .key = ""})), HasSubstr("both or none"));
  EXPECT_THAT(wrong(PemOf("", {.certificate = ours.key, .key = ours.key})), HasSubstr("no PEM certificate"));
  EXPECT_THAT(wrong(PemOf("", {.certificate = ours.certificate, .key = ours.certificate})), HasSubstr("no PEM key"));
  EXPECT_THAT(wrong(PemOf("", {.certificate = ours.certificate, .key = files_.key})), HasSubstr("does not belong"));
  EXPECT_TRUE(CheckPem(*PemOf(authority_.certificate_file(), ours)).ok());

  TlsServer server({.files = files_}, Fine());
  ConnectTo(server);
  EXPECT_FALSE(client_->UsePem(PemOf(ours.key)).ok());
  EXPECT_EQ(Outcome(Get()), "status 200");
  options_.transport.tls.pem = PemOf(ours.key);
  EXPECT_THAT(Refused(), HasSubstr("authorities holds no PEM certificate"));
}

TEST_F(TlsTest, AnAuthorityDirectoryCounts) {
  options_.transport.tls.ca_file = "";
  options_.transport.tls.ca_directory = authority_.directory();
  const std::string rehash = StrCat("openssl rehash ", authority_.directory(), " 2>/dev/null");
  ASSERT_EQ(system(rehash.c_str()), 0);  // NOLINT(cert-env33-c)
  EXPECT_EQ(Try({.files = files_}), "status 200");
  test::TestAuthority empty("none");
  options_.transport.tls.ca_directory = empty.directory();
  EXPECT_THAT(Try({.files = files_}), HasSubstr("unknown authority"));
}

TEST_F(TlsTest, WithoutOneTheSystemsAuthoritiesCount) {
  options_.transport.tls.ca_file = "";
  EXPECT_THAT(Try({.files = files_}), AllOf(HasSubstr("unknown authority"), HasSubstr("the system's authorities")));
}

TEST_F(TlsTest, OptionsThatCannotWorkAreRefusedAtOnce) {
  EXPECT_THAT(Refused(), HasSubstr("1 to 16 addresses"));
  Trust("https://127.0.0.1:1");
  EXPECT_EQ(Refused(), "accepted");
  TlsOptions& tls = options_.transport.tls;
  const TlsOptions good = tls;
  tls.ca_directory = "/";
  EXPECT_THAT(Refused(), HasSubstr("not both"));
  tls = good;
  tls.ca_file = "/nonexistent/ca.pem";
  EXPECT_THAT(Refused(), HasSubstr("/nonexistent/ca.pem: No such file"));
  tls.ca_file = authority_.directory() + "/text";
  std::ofstream(tls.ca_file) << "no certificate\n";
  EXPECT_THAT(Refused(), HasSubstr("no PEM certificate"));
  tls = good;
  tls.client_certificate_file = files_.certificate;
  EXPECT_THAT(Refused(), HasSubstr("both files or none"));
  tls.client_key_file = "/nonexistent/key";
  EXPECT_THAT(Refused(), HasSubstr("No such file"));
  tls = good;
  tls.server_name = "a:1";
  EXPECT_THAT(Refused(), HasSubstr("host name alone"));
  tls = good;
  Trust("https://127.0.0.1:1");
  EXPECT_THAT(Refused(), HasSubstr("twice"));
}

}  // namespace
}  // namespace leasefs::http
