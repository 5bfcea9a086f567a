#include "fs/main/tls_files.h"

#include <utility>

namespace leasefs {
namespace {

constexpr Duration kRetry = std::chrono::seconds(2);

}  // namespace

TlsFiles::TlsFiles(Loop& loop, vault::CredentialFiles& files, const vault::VaultSettings& settings)
    : loop_(loop),
      files_(files),
      authorities_(settings.ca_file),
      certificate_(settings.client_certificate_file),
      key_(settings.client_key_file) {}

TlsFiles::~TlsFiles() {
  loop_.Cancel(retry_timer_);
}

void TlsFiles::Start(std::function<void(Pem)> use, std::function<void(const std::string&)> problem) {
  use_ = std::move(use);
  problem_ = std::move(problem);
  for (const std::string& name : {authorities_, certificate_, key_}) {
    if (name.empty()) continue;
    files_.Watch(name, [this, alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) ReadAll();
    });
  }
  ReadAll();
}

void TlsFiles::ReadAll() {
  loop_.Cancel(std::exchange(retry_timer_, Loop::kNoTimer));
  const uint64_t reading = ++reading_;
  pem_ = std::make_shared<http::TlsPem>();
  const std::pair<const std::string&, SecretBuffer http::TlsPem::*> wanted[] = {
      {authorities_, &http::TlsPem::authorities},
      {certificate_, &http::TlsPem::client_certificate},
      {key_, &http::TlsPem::client_key}};
  outstanding_ = 1;
  for (const auto& [name, member] : wanted) {
    if (name.empty()) continue;
    ++outstanding_;
    files_.Read(name, [this, reading, member = member, alive = std::weak_ptr<bool>(alive_)](Result<SecretBuffer> text) {
      if (!alive.expired()) OnRead(reading, member, std::move(text));
    });
  }
  loop_.Post([this, reading, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && reading == reading_ && --outstanding_ == 0) Finish();
  });
}

void TlsFiles::OnRead(uint64_t reading, SecretBuffer http::TlsPem::*member, Result<SecretBuffer> text) {
  if (reading != reading_) return;
  if (!text.ok()) return Fail(text.error().message());
  pem_.get()->*member = std::move(*text);
  if (--outstanding_ == 0) Finish();
}

void TlsFiles::Finish() {
  if (authorities_.empty() && certificate_.empty()) return use_(nullptr);
  Status fit = http::CheckPem(*pem_);
  if (!fit.ok()) return Fail(fit.error().message());
  use_(std::exchange(pem_, nullptr));
}

// A certificate and its key are two files, and may be seen between the replacing of one and of the other.
void TlsFiles::Fail(const std::string& what) {
  ++reading_;
  retry_timer_ = loop_.After(kRetry, [this] {
    retry_timer_ = Loop::kNoTimer;
    ReadAll();
  });
  problem_(what);
}

}  // namespace leasefs
