#include "backend/http/curl_error.h"

#include <openssl/x509_vfy.h>

#include <string>

#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

std::string Authorities(const TlsOptions& tls) {
  if (tls.pem != nullptr && !tls.pem->authorities.empty()) return "the configured authorities (ca_file)";
  if (!tls.ca_file.empty()) return tls.ca_file;
  if (!tls.ca_directory.empty()) return tls.ca_directory;
  return "the system's authorities";
}

std::string ExplainCertificate(long verify_result, const Address& address, const TlsOptions& tls) {
  switch (verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return "its certificate has expired: renew it on the server, or set this host's clock right";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return "its certificate is not valid yet: one of the clocks is wrong";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return StrCat("its certificate is from an unknown authority: that is not in ", Authorities(tls),
                    "; give the right one as ca_file");
    case X509_V_ERR_CERT_REVOKED:
      return "its certificate has been revoked";
    case X509_V_ERR_INVALID_PURPOSE:
      return "its certificate is not for servers";
    case X509_V_OK:
    case X509_V_ERR_UNSPECIFIED:  // what curl leaves when it compares the name itself
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return StrCat("its certificate is for another name than ",
                    tls.server_name.empty() ? address.host : tls.server_name,
                    ": use a name that is in it, or set server_name");
    default:
      return StrCat("its certificate cannot be accepted: ", X509_verify_cert_error_string(verify_result));
  }
}

// OpenSSL tells the other side's alerts only in text.
struct AlertWords {
  std::string_view part;
  std::string_view meaning;
};
constexpr AlertWords kAlerts[] = {
    {"certificate required", "it asks for a client certificate: configure client_cert and client_key"},
    {"alert unknown ca", "it does not know the authority of our client certificate"},
    {"alert bad certificate", "it refuses our client certificate, or has none of ours"},
    {"alert certificate expired", "our client certificate has expired"},
    {"alert certificate revoked", "our client certificate has been revoked"},
    {"alert certificate unknown", "it refuses our client certificate"},
    {"wrong version number", "it does not speak TLS at this port: is it plain http?"},
    {"packet length too long", "it does not speak TLS at this port"},
    {"http request", "it does not speak TLS at this port: is it plain http?"},
    {"unsupported protocol", "it speaks only TLS older than 1.2"},
    {"alert protocol version", "it speaks only TLS older than 1.2"},
    {"unrecognized name", "it has no certificate for the name that we ask for: set server_name"},
    {"handshake failure", "no TLS version or cipher suits both sides, or it asks for a client certificate"},
};

std::string_view ExplainAlert(std::string_view details) {
  for (const AlertWords& alert : kAlerts) {
    if (details.find(alert.part) != std::string_view::npos) return alert.meaning;
  }
  return "";
}

Error Remote(std::string_view host, std::string_view what) {
  return {ErrorKind::kRemote, StrCat(host, ": ", what)};
}

Error Unreachable(std::string_view host, std::string_view what) {
  return {ErrorKind::kUnreachable, StrCat(host, ": ", what)};
}

// Failures of TLS; "" if the code tells of something else.
std::string ExplainTls(const CurlFailure& failure, const Address& address, const TlsOptions& tls) {
  switch (failure.code) {
    case CURLE_PEER_FAILED_VERIFICATION:
      return ExplainCertificate(failure.verify_result, address, tls);
    case CURLE_SSL_CACERT_BADFILE:
      return StrCat("no authorities can be read from ", Authorities(tls), ": PEM certificates are expected");
    case CURLE_SSL_CERTPROBLEM:
      if (tls.pem != nullptr && !tls.pem->client_certificate.empty()) return "the client certificate cannot be used";
      return StrCat("the client certificate ", tls.client_certificate_file, " and its key ", tls.client_key_file,
                    " cannot be used: PEM that the backend's user can read and that belong together are expected");
    case CURLE_SSL_CONNECT_ERROR: {
      const std::string_view alert = ExplainAlert(failure.details);
      return alert.empty() ? "the TLS handshake was broken off by the other side" : std::string(alert);
    }
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_SHUTDOWN_FAILED:
      return "TLS failed";
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:  // TLS 1.3: a server looks at the client's certificate when we believe the handshake over
      return std::string(ExplainAlert(failure.details));
    default:
      return "";
  }
}

}  // namespace

Error ExplainFailure(const CurlFailure& failure, const Address& address, const TransportOptions& options) {
  const std::string host = address.HostAndPort();
  if (const std::string tls = ExplainTls(failure, address, options.tls); !tls.empty()) return Remote(host, tls);
  switch (failure.code) {
    case CURLE_COULDNT_RESOLVE_HOST:
      return Unreachable(host, "no DNS server or hosts file knows this name");
    case CURLE_COULDNT_CONNECT:
      return Unreachable(host,
                         "nothing answers there: is the server running, is the port right, does a firewall refuse?");
    case CURLE_OPERATION_TIMEDOUT:
      return Unreachable(host, "no connection in time: is the host up, does a firewall drop packets?");
    case CURLE_GOT_NOTHING:
      return Unreachable(host, "it ended the connection without an answer");
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return Unreachable(host, "the connection was lost before the answer was complete");
    case CURLE_PARTIAL_FILE:
      return Unreachable(host, "the answer ended too early");
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return Remote(host, "what answers there does not speak HTTP");
    case CURLE_BAD_CONTENT_ENCODING:
      return Remote(host, "the answer is encoded in a way that it should not be");
    case CURLE_OUT_OF_MEMORY:
      return {ErrorKind::kInternal, StrCat(host, ": no memory for the request")};
    default:
      return Remote(host, StrCat("the exchange failed: ", curl_easy_strerror(failure.code)));
  }
}

}  // namespace leasefs::http
