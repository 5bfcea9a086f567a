#include "fs/audit/file_sink.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace leasefs {
namespace {

// Writes until all is written or the file takes no more. Returns the bytes written; *error_number is 0 when that is
// all.
size_t WriteAll(int fd, std::string_view text, int* error_number) {
  size_t done = 0;
  *error_number = 0;
  while (done < text.size()) {
    ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      *error_number = n < 0 ? errno : EIO;
      break;
    }
    done += static_cast<size_t>(n);
  }
  return done;
}

bool SameFile(const SinkMark& mark, const struct stat& now) {
  return mark.device == now.st_dev && mark.inode == now.st_ino;
}

}  // namespace

FileSink::FileSink(UniqueFd file, std::string path) : path_(std::move(path)), file_(std::move(file)) {
  Prepare();
}

void FileSink::Prepare() {
  struct stat now {};
  regular_ = fstat(file_.get(), &now) == 0 && S_ISREG(now.st_mode);
  int flags = fcntl(file_.get(), F_GETFL);
  // A file that refuses either shows it at the first write.
  if (flags >= 0) fcntl(file_.get(), F_SETFL, flags | O_APPEND | (regular_ ? 0 : O_NONBLOCK));
}

void FileSink::Replace(UniqueFd file) {
  MutexLock lock(mutex_);
  replacement_ = std::move(file);
}

void FileSink::AdoptReplacement() {
  std::optional<UniqueFd> fresh;
  {
    MutexLock lock(mutex_);
    fresh = std::exchange(replacement_, std::nullopt);
  }
  if (!fresh) return;
  struct stat before {
  }, after{};
  bool same = fstat(file_.get(), &before) == 0 && fstat(fresh->get(), &after) == 0 && before.st_dev == after.st_dev &&
              before.st_ino == after.st_ino;
  if (!same) DropPartialLine();
  file_ = std::move(*fresh);
  Prepare();
}

// Half a line stays behind in a file that is not written any more, or whose line was given up: take it back, else end
// it.
void FileSink::DropPartialLine() {
  if (partial_ == 0) return;
  struct stat now {};
  bool taken_back = regular_ && fstat(file_.get(), &now) == 0 && now.st_size >= static_cast<off_t>(partial_) &&
                    ftruncate(file_.get(), now.st_size - static_cast<off_t>(partial_)) == 0;
  int error_number = 0;
  if (!taken_back) WriteAll(file_.get(), "\n", &error_number);
  partial_ = 0;
}

// How many bytes of `text`, the lines from `position` on, are in the file already.
size_t FileSink::WrittenByPredecessor(const SinkMark& mark, uint64_t position, std::string_view text,
                                      const struct stat& now) const {
  if (mark.position != position || !SameFile(mark, now)) return 0;
  if (!regular_) return mark.offset < text.size() ? mark.offset : 0;
  auto size = static_cast<uint64_t>(now.st_size);
  if (size <= mark.offset || size - mark.offset > text.size()) return 0;
  std::string_view expected = text.substr(0, size - mark.offset);
  std::string found(expected.size(), '\0');
  ssize_t n = pread(file_.get(), found.data(), found.size(), static_cast<off_t>(mark.offset));
  bool unreadable = n < 0 && errno == EBADF;
  return unreadable || found == expected ? expected.size() : 0;
}

AuditSink::Taken FileSink::Write(AuditRing& ring, uint64_t position, std::span<const AuditLine> lines) {
  AdoptReplacement();
  std::string_view text(lines.front().text.data(),
                        static_cast<size_t>(lines.back().text.end() - lines.front().text.begin()));
  struct stat now {};
  if (fstat(file_.get(), &now) != 0) return {.error = ErrnoError("fstat", errno).message()};
  if (!std::exchange(recovered_, true)) {
    partial_ = WrittenByPredecessor(ring.mark(id()), position, text, now);
  } else if (position != next_position_) {
    DropPartialLine();
    if (fstat(file_.get(), &now) != 0) return {.error = ErrnoError("fstat", errno).message()};
  }
  if (regular_ && static_cast<size_t>(now.st_size) < partial_) partial_ = 0;  // cut by somebody: the line begins anew

  SinkMark mark{position, now.st_dev, now.st_ino, regular_ ? static_cast<uint64_t>(now.st_size) - partial_ : partial_};
  ring.SetMark(id(), mark);
  int error_number = 0;
  size_t done = partial_ + WriteAll(file_.get(), text.substr(partial_), &error_number);

  Taken taken;
  size_t whole = 0;  // bytes
  while (taken.lines < lines.size() && whole + lines[taken.lines].text.size() <= done) {
    whole += lines[taken.lines++].text.size();
  }
  partial_ = done - whole;
  next_position_ = position + taken.lines;
  mark.position = next_position_;
  mark.offset = regular_ ? mark.offset + whole : partial_;
  ring.SetMark(id(), mark);
  if (error_number != 0) taken.error = ErrnoError("write", error_number).message();
  return taken;
}

}  // namespace leasefs
