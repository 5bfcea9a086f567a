#include "backend/http/curl_transfer.h"

#include <openssl/ssl.h>

#include <algorithm>

#include "backend/http/curl_error.h"
#include "fs/base/strings.h"

namespace leasefs::http {
namespace {

constexpr std::string_view kKeptHeaders[] = {"location",     "retry-after",   "date",
                                             "content-type", "x-vault-index", "x-vault-namespace"};

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return lower;
}

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

long Milliseconds(Duration duration) {
  return std::max<long>(1, std::chrono::ceil<std::chrono::milliseconds>(duration).count());
}

}  // namespace

CurlTransfer::CurlTransfer(const Attempt& attempt, const TransportOptions& options, CurlSockets& sockets, BootTime now)
    : address_(attempt.address),
      path_(attempt.path),
      request_(attempt.request),
      fresh_connection_(attempt.fresh_connection),
      options_(options),
      pem_(options.tls.pem),
      sockets_(sockets),
      easy_(curl_easy_init()) {
  response_.address = address_.Text();
  response_.sent_at = now;
}

Status CurlTransfer::Prepare() {
  if (easy_ != nullptr) {
    SetTarget();
    if (address_.tls) SetTls();
    SetBehaviour();
    SetMethod();
    SetHeaders();
  }
  if (easy_ != nullptr && settings_ok_) return Ok();
  return Error(ErrorKind::kInternal, StrCat(address_.HostAndPort(), ": curl refuses the settings of a request"));
}

void CurlTransfer::SetTarget() {
  const std::string& name = options_.tls.server_name;
  if (address_.tls && !name.empty()) {
    // curl asks for and verifies the host of the URL: so that is the name, and the connection goes elsewhere.
    connect_to_text_ = StrCat("::", address_.HostAndPort());
    connect_to_ = {.data = connect_to_text_.data(), .next = nullptr};
    Set(CURLOPT_CONNECT_TO, &connect_to_);
    Set(CURLOPT_URL, StrCat("https://", name, ":", address_.port, path_).c_str());
  } else {
    Set(CURLOPT_URL, StrCat(address_.Text(), path_).c_str());
  }
  Set(CURLOPT_PROTOCOLS_STR, address_.tls ? "https" : "http");
  Set(CURLOPT_PATH_AS_IS, 1L);
  // SECURITY: no proxy, whatever the environment says; curl would hand it the token of a plain request.
  Set(CURLOPT_PROXY, "");
  Set(CURLOPT_NOPROXY, "*");
}

void CurlTransfer::SetTls() {
  const TlsOptions& tls = options_.tls;
  Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  Set(CURLOPT_SSL_VERIFYPEER, 1L);
  Set(CURLOPT_SSL_VERIFYHOST, 2L);
  // Each connection verifies anew; a resumed session would not.
  Set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
  Set(CURLOPT_SSL_CTX_FUNCTION, &CurlTransfer::OnTlsContext);
  // Parsing the system's 140 authorities takes tens of milliseconds; a file that was replaced counts soon.
  Set(CURLOPT_CA_CACHE_TIMEOUT, 60L);
  if (!tls.ca_file.empty() || !tls.ca_directory.empty()) {
    // SECURITY: the one that is not given is cleared, else curl's built-in one would count as well.
    Set(CURLOPT_CAINFO, tls.ca_file.empty() ? nullptr : tls.ca_file.c_str());
    Set(CURLOPT_CAPATH, tls.ca_directory.empty() ? nullptr : tls.ca_directory.c_str());
  }
  if (!tls.client_certificate_file.empty()) {
    Set(CURLOPT_SSLCERT, tls.client_certificate_file.c_str());
    Set(CURLOPT_SSLKEY, tls.client_key_file.c_str());
  }
  if (pem_ != nullptr) SetPem();
}

// curl reads the bytes where they are, as long as the handle lives.
void CurlTransfer::SetPem() {
  const auto set = [&](CURLoption option, const SecretBuffer& text) {
    curl_blob blob = {.data = const_cast<std::byte*>(text.Expose().data()),  // it does not write to it
                      .len = text.size(),
                      .flags = CURL_BLOB_NOCOPY};
    Set(option, &blob);
  };
  if (!pem_->authorities.empty()) {
    // SECURITY: as above: no others count.
    Set(CURLOPT_CAINFO, nullptr);
    Set(CURLOPT_CAPATH, nullptr);
    set(CURLOPT_CAINFO_BLOB, pem_->authorities);
  }
  if (!pem_->client_certificate.empty()) {
    Set(CURLOPT_SSLCERT, nullptr);
    Set(CURLOPT_SSLKEY, nullptr);
    set(CURLOPT_SSLCERT_BLOB, pem_->client_certificate);
    set(CURLOPT_SSLKEY_BLOB, pem_->client_key);
  }
}

void CurlTransfer::SetBehaviour() {
  const bool http2 = address_.tls && options_.http2;
  Set(CURLOPT_HTTP_VERSION, static_cast<long>(http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  Set(CURLOPT_PIPEWAIT, http2 ? 1L : 0L);  // a second request waits for the handshake that tells whether it can share
  Set(CURLOPT_NOSIGNAL, 1L);
  Set(CURLOPT_QUICK_EXIT, 1L);  // else ending a request waits for a silent DNS server
  Set(CURLOPT_VERBOSE, 0L);
  Set(CURLOPT_NOPROGRESS, 1L);
  Set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  Set(CURLOPT_FOLLOWLOCATION, 0L);
  Set(CURLOPT_HTTP_CONTENT_DECODING, 0L);
  Set(CURLOPT_TCP_KEEPALIVE, 1L);
  settings_ok_ = sockets_.Install(easy_.get()) && settings_ok_;
  Set(CURLOPT_FRESH_CONNECT, fresh_connection_ ? 1L : 0L);
  // For new connections: curl would go to where a name has led, though nothing answers there any more, for a minute.
  Set(CURLOPT_DNS_CACHE_TIMEOUT, 5L);
  Set(CURLOPT_CONNECTTIMEOUT_MS, Milliseconds(options_.connect_timeout));
  Set(CURLOPT_MAXLIFETIME_CONN,
      static_cast<long>(std::chrono::ceil<std::chrono::seconds>(options_.max_connection_age).count()));
  Set(CURLOPT_ERRORBUFFER, details_.data());
  Set(CURLOPT_PRIVATE, static_cast<void*>(this));
  Set(CURLOPT_HEADERFUNCTION, &CurlTransfer::OnHeader);
  Set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  Set(CURLOPT_WRITEFUNCTION, &CurlTransfer::OnBody);
  Set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  Set(CURLOPT_PREREQFUNCTION, &CurlTransfer::OnRequest);
  Set(CURLOPT_PREREQDATA, static_cast<void*>(this));
}

void CurlTransfer::SetMethod() {
  const Method method = request_->method;
  if (method == Method::kGet) return Set(CURLOPT_HTTPGET, 1L);
  if (method != Method::kDelete || !request_->body.empty()) {
    Set(CURLOPT_POST, 1L);
    Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_->body.size()));
    Set(CURLOPT_POSTFIELDS, request_->body.empty() ? "" : request_->body.ExposeText().data());
  }
  if (method != Method::kPost) Set(CURLOPT_CUSTOMREQUEST, MethodName(method).data());
}

// The lines lie in locked memory, which is wiped with the transfer, and the list's links beside it: curl reads both
// where they are (curl_slist_append would copy).
void CurlTransfer::SetHeaders() {
  std::vector<std::string> fixed = {"Expect:", StrCat("User-Agent: leasefs/", LEASEFS_VERSION)};
  if (address_.tls && !options_.tls.server_name.empty()) fixed.push_back(StrCat("Host: ", address_.HostAndPort()));
  const bool typed = std::ranges::any_of(
      request_->headers, [](const RequestHeader& header) { return LowerCase(header.name) == "content-type"; });
  if (!typed && request_->method != Method::kGet) fixed.emplace_back("Content-Type: application/json");

  size_t bytes = 0;
  for (const std::string& line : fixed) bytes += line.size() + 1;
  for (const RequestHeader& header : request_->headers) bytes += header.name.size() + header.value.size() + 3;
  header_text_.Reserve(bytes);
  std::vector<size_t> starts;
  constexpr std::string_view kEnd("\0", 1);
  for (const std::string& line : fixed) {
    starts.push_back(header_text_.size());
    header_text_.Append(line);
    header_text_.Append(kEnd);
  }
  for (const RequestHeader& header : request_->headers) {
    starts.push_back(header_text_.size());
    header_text_.Append(header.name);
    header_text_.Append(": ");
    header_text_.Append(header.value.Expose());
    header_text_.Append(kEnd);
  }
  char* text = reinterpret_cast<char*>(header_text_.ExposeMutable().data());
  header_list_.resize(starts.size());
  for (size_t i = 0; i < starts.size(); ++i) {
    header_list_[i] = {.data = text + starts[i], .next = i + 1 < starts.size() ? &header_list_[i + 1] : nullptr};
  }
  Set(CURLOPT_HTTPHEADER, header_list_.data());
}

// SECURITY: a second handshake (TLS 1.2) would not be compared with the name that the first one proved.
CURLcode CurlTransfer::OnTlsContext(CURL* /*easy*/, void* context, void* /*self*/) noexcept {
  SSL_CTX_set_options(static_cast<SSL_CTX*>(context), SSL_OP_NO_RENEGOTIATION);
  return CURLE_OK;
}

size_t CurlTransfer::OnHeader(char* data, size_t size, size_t count, void* self) noexcept {
  return static_cast<CurlTransfer*>(self)->TakeHeader({data, size * count}) ? size * count : 0;
}

size_t CurlTransfer::OnBody(char* data, size_t size, size_t count, void* self) noexcept {
  return static_cast<CurlTransfer*>(self)->TakeBody({data, size * count}) ? size * count : 0;
}

// Before the request is sent over a connection. One that was kept may have ended meanwhile: then nothing is sent. And
// when a kept one ends without an answer, curl by itself sends the request again: for what may not reach a server
// twice, that is the end.
int CurlTransfer::OnRequest(void* self, char* /*peer*/, char* /*local*/, int peer_port, int local_port) noexcept {
  auto* transfer = static_cast<CurlTransfer*>(self);
  const bool first = ++transfer->times_sent_ == 1;
  if (first) transfer->kept_connection_ = transfer->Info(CURLINFO_NUM_CONNECTS) == 0;
  if (first && transfer->kept_connection_ && transfer->sockets_.HasEnded(local_port, peer_port)) {
    return CURL_PREREQFUNC_ABORT;
  }
  return first || transfer->request_->repeatable ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

bool CurlTransfer::Refuse(ErrorKind kind, std::string_view what) {
  refusal_ = Error(kind, StrCat(address_.HostAndPort(), ": ", what));
  return false;
}

bool CurlTransfer::TakeHeader(std::string_view line) {
  header_bytes_ += line.size();
  if (header_bytes_ > options_.max_header_bytes) {
    return Refuse(ErrorKind::kTooLarge, StrCat("the headers of the answer are larger than ", options_.max_header_bytes,
                                               " bytes: is this the right server?"));
  }
  if (line.starts_with("HTTP/")) {  // the answer, or one of those that may precede it (100 to 199)
    response_.headers.clear();
    headers_complete_ = false;
    return true;
  }
  if (Trim(line).empty()) headers_complete_ = true;
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  const std::string name = LowerCase(line.substr(0, colon));
  const std::string_view value = Trim(line.substr(colon + 1));
  if (name == "content-encoding" && LowerCase(value) != "identity") {
    return Refuse(ErrorKind::kRemote, "the answer is compressed, which nobody asked for: is a proxy in between?");
  }
  if (std::ranges::find(kKeptHeaders, name) == std::end(kKeptHeaders)) return true;
  if (!std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~'; })) {
    return Refuse(ErrorKind::kRemote, StrCat("the header ", name, " of the answer has bytes that are not printable"));
  }
  if (response_.Header(name).empty()) response_.headers.push_back({.name = name, .value = std::string(value)});
  return true;
}

bool CurlTransfer::TakeBody(std::string_view piece) {
  const size_t limit = options_.max_body_bytes;
  const auto too_large = [&] {
    return Refuse(ErrorKind::kTooLarge, StrCat("the answer is larger than ", limit, " bytes"));
  };
  if (response_.body.empty()) {
    curl_off_t announced = -1;
    curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (announced > 0 && static_cast<uint64_t>(announced) > limit) return too_large();
    if (announced > 0) response_.body.Reserve(static_cast<size_t>(announced));
  }
  if (piece.size() > limit - response_.body.size()) return too_large();
  response_.body.Append(piece);
  return true;
}

long CurlTransfer::Info(CURLINFO info) const {
  long value = 0;
  curl_easy_getinfo(easy_.get(), info, &value);
  return value;
}

Outcome CurlTransfer::Conclude(CURLcode code, BootTime now) {
  if (code == CURLE_OK && !headers_complete_) code = CURLE_PARTIAL_FILE;  // curl takes what came for all
  if (code != CURLE_OK || refusal_) return Failure(code);
  response_.status = static_cast<int>(Info(CURLINFO_RESPONSE_CODE));
  response_.received_at = now;
  return {.response = std::move(response_)};
}

Outcome CurlTransfer::Failure(CURLcode code) {
  const bool was_sent = sent();
  if (refusal_) return {.response = *std::move(refusal_), .sent = was_sent};
  // A line that never ends fills curl's own buffer first.
  if (was_sent && code == CURLE_OUT_OF_MEMORY) {
    Refuse(ErrorKind::kTooLarge, "a line of the answer's headers is too long: is this the right server?");
    return {.response = *std::move(refusal_), .sent = true};
  }
  const bool lost = code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
                    code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM || code == CURLE_ABORTED_BY_CALLBACK;
  const bool stale = lost && kept_connection_ && header_bytes_ == 0;
  if (code == CURLE_ABORTED_BY_CALLBACK) code = CURLE_GOT_NOTHING;
  const CurlFailure failure = {
      .code = code, .verify_result = Info(CURLINFO_SSL_VERIFYRESULT), .details = details_.data()};
  return {.response = ExplainFailure(failure, address_, options_),
          .sent = was_sent,
          .stale_connection = stale,
          .address_failed = !stale};
}

}  // namespace leasefs::http
