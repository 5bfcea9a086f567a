#include "fs/main/keeper_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fs/base/strings.h"
#include "fs/main/read_file.h"

namespace leasefs {
namespace {

constexpr Duration kAnswerLimit = std::chrono::seconds(10);
constexpr Duration kLookInterval = std::chrono::seconds(2);

}  // namespace

KeeperFiles::KeeperFiles(Loop& loop, std::vector<KeySource> files, std::function<void(uint64_t)> ask)
    : loop_(loop), files_(std::move(files)), ask_(std::move(ask)) {
  look_timer_ = loop_.After(kLookInterval, [this] { Look(); });
}

KeeperFiles::~KeeperFiles() {
  loop_.Cancel(look_timer_);
  for (auto& [number, question] : questions_) loop_.Cancel(question.timer);
}

void KeeperFiles::Open(const std::string& name, Reply reply) {
  auto found = std::find_if(files_.begin(), files_.end(), [&](const KeySource& file) { return file.name == name; });
  if (found == files_.end()) {
    loop_.Post([reply = std::move(reply), name] {
      reply(Error(ErrorKind::kInternal, StrCat(name, ": not a file of the configuration")));
    });
    return;
  }
  const auto number = static_cast<uint64_t>(found - files_.begin());
  Question& question = questions_[number];
  question.replies.push_back(std::move(reply));
  if (question.timer != Loop::kNoTimer) return;
  question.timer = loop_.After(kAnswerLimit, [this, number] { OnProblem(number, "the keeper does not answer"); });
  ask_(number);
}

void KeeperFiles::Answer(uint64_t number, const std::function<Result<UniqueFd>()>& file) {
  auto node = questions_.extract(number);
  if (node.empty()) return;
  loop_.Cancel(node.mapped().timer);
  for (const Reply& reply : node.mapped().replies) reply(file());
}

void KeeperFiles::OnFile(uint64_t number, UniqueFd file) {
  Answer(number, [&]() -> Result<UniqueFd> {
    UniqueFd copy(fcntl(file.get(), F_DUPFD_CLOEXEC, 3));
    if (!copy || lseek(copy.get(), 0, SEEK_SET) != 0) return ErrnoError("a credential", errno);
    return copy;
  });
}

void KeeperFiles::OnProblem(uint64_t number, const std::string& problem) {
  Answer(number, [&]() -> Result<UniqueFd> { return Error(ErrorKind::kUnreachable, problem); });
}

void KeeperFiles::Read(const std::string& name, std::function<void(Result<SecretBuffer>)> done) {
  Open(name, [name, done = std::move(done)](Result<UniqueFd> file) {
    done(file.ok() ? ReadCredential(name, file->get()) : Result<SecretBuffer>(std::move(file).error()));
  });
}

void KeeperFiles::Watch(const std::string& name, std::function<void()> changed) {
  const bool first = !watched_.contains(name);
  watched_[name].changed.push_back(std::move(changed));
  if (first) Open(name, [this, name](Result<UniqueFd> file) { OnLooked(name, file); });
}

void KeeperFiles::Look() {
  look_timer_ = loop_.After(kLookInterval, [this] { Look(); });
  for (const auto& [name, watched] : watched_) {
    Open(name, [this, name = name](Result<UniqueFd> file) { OnLooked(name, file); });
  }
}

void KeeperFiles::OnLooked(const std::string& name, const Result<UniqueFd>& file) {
  Watched& watched = watched_[name];
  struct stat info {};
  Stamp stamp;
  if (file.ok() && fstat(file->get(), &info) == 0) {
    stamp = {info.st_dev, info.st_ino, info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_size};
  }
  // A file that is gone for a moment is being replaced; its credential is good until another one is there.
  if (stamp == Stamp{} || stamp == watched.stamp) return;
  const bool known = watched.stamp != Stamp{};
  watched.stamp = stamp;
  if (!known) return;
  const std::vector<std::function<void()>> told = watched.changed;
  for (const auto& changed : told) changed();
}

}  // namespace leasefs
