// KeeperFiles: the files that a backend logs in with, which its own user has no right to open. The keeper opens them,
// anew for each reading, and hands over the descriptor.
//
// On the loop's thread only.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "backend/vault/credential_files.h"
#include "fs/base/loop.h"
#include "fs/base/unique_fd.h"
#include "fs/config/options.h"

namespace leasefs {

class KeeperFiles : public vault::CredentialFiles {
 public:
  // `files`: VaultFiles of the configuration. `ask` sends the keeper kFileRequest with a number.
  KeeperFiles(Loop& loop, std::vector<KeySource> files, std::function<void(uint64_t number)> ask);
  ~KeeperFiles() override;
  KeeperFiles(const KeeperFiles&) = delete;
  KeeperFiles& operator=(const KeeperFiles&) = delete;

  // The keeper's answers.
  void OnFile(uint64_t number, UniqueFd file);
  void OnProblem(uint64_t number, const std::string& problem);

  // The names are those of the configuration: a path, or the name of a credential. kUnreachable: the keeper does not
  // answer.
  void Read(const std::string& name, std::function<void(Result<SecretBuffer>)> done) override;
  // Looked at every few seconds: modification time, size and inode.
  void Watch(const std::string& name, std::function<void()> changed) override;

 private:
  using Reply = std::function<void(Result<UniqueFd>)>;
  struct Stamp {
    uint64_t device = 0, inode = 0;
    int64_t seconds = 0, nanoseconds = 0, size = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Watched {
    Stamp stamp;  // zeros: not there
    std::vector<std::function<void()>> changed;
  };

  void Open(const std::string& name, Reply reply);
  void Answer(uint64_t number, const std::function<Result<UniqueFd>()>& file);
  void Look();
  void OnLooked(const std::string& name, const Result<UniqueFd>& file);

  Loop& loop_;
  const std::vector<KeySource> files_;
  const std::function<void(uint64_t)> ask_;
  struct Question {
    std::vector<Reply> replies;
    Loop::TimerId timer = Loop::kNoTimer;
  };
  std::map<uint64_t, Question> questions_;
  std::map<std::string, Watched> watched_;
  Loop::TimerId look_timer_ = Loop::kNoTimer;
};

}  // namespace leasefs
