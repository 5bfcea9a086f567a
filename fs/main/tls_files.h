// TlsFiles: the certificates and the key of connections to a server, which the process itself may not read.
//
// On the loop's thread only.
#pragma once

#include <functional>
#include <memory>

#include "backend/http/options.h"
#include "backend/vault/credential_files.h"
#include "backend/vault/settings.h"
#include "fs/base/loop.h"

namespace leasefs {

class TlsFiles {
 public:
  using Pem = std::shared_ptr<const http::TlsPem>;

  // `files` and `loop` outlive this.
  TlsFiles(Loop& loop, vault::CredentialFiles& files, const vault::VaultSettings& settings);
  ~TlsFiles();
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  // Reads all of them, now and whenever one has changed. `use` gets what belongs together (null when the settings name
  // no file), `problem` words for what does not; after a problem they are read again soon.
  void Start(std::function<void(Pem)> use, std::function<void(const std::string&)> problem);

 private:
  void ReadAll();
  void OnRead(uint64_t reading, SecretBuffer http::TlsPem::*member, Result<SecretBuffer> text);
  void Finish();
  void Fail(const std::string& what);

  Loop& loop_;
  vault::CredentialFiles& files_;
  const std::string authorities_, certificate_, key_;
  std::function<void(Pem)> use_;
  std::function<void(const std::string&)> problem_;
  uint64_t reading_ = 0;  // counts them: answers to an older one are of no use
  size_t outstanding_ = 0;
  std::shared_ptr<http::TlsPem> pem_;
  Loop::TimerId retry_timer_ = Loop::kNoTimer;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace leasefs
