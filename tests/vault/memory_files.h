// CredentialFiles of a test: names and contents in memory.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backend/vault/credential_files.h"
#include "fs/base/loop.h"

namespace leasefs::test {

class MemoryFiles : public vault::CredentialFiles {
 public:
  explicit MemoryFiles(Loop& loop) : loop_(loop) {}

  void Read(const std::string& name, std::function<void(Result<SecretBuffer>)> done) override {
    ++reads[name];
    loop_.After(Duration(0), [this, name, done = std::move(done)] {
      const auto found = contents.find(name);
      if (unreachable) return done(Error(ErrorKind::kUnreachable, name + ": nobody opens it for us"));
      if (found == contents.end()) return done(Error(ErrorKind::kNotFound, name + ": No such file or directory"));
      done(SecretBuffer::CopyOf(found->second));
    });
  }
  void Watch(const std::string& name, std::function<void()> changed) override {
    watchers_[name].push_back(std::move(changed));
  }
  void Change(const std::string& name, std::string content) {
    contents[name] = std::move(content);
    for (const auto& changed : watchers_[name]) changed();
  }

  std::map<std::string, std::string> contents;
  std::map<std::string, int> reads;
  bool unreachable = false;

 private:
  Loop& loop_;
  std::map<std::string, std::vector<std::function<void()>>> watchers_;
};

}  // namespace leasefs::test
