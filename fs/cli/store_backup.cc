// `leasefs store backup`: a consistent copy of a store that goes on working.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "fs/base/strings.h"
#include "fs/cli/client.h"
#include "fs/cli/json_writer.h"
#include "fs/cli/key_file.h"
#include "fs/cli/places.h"
#include "fs/cli/read_file.h"
#include "fs/cli/table.h"
#include "fs/cli/verbs.h"

namespace leasefs::cli {
namespace {

// A file without a name where the file system has that (it vanishes by itself), else one beside `destination`.
class Unfinished {
 public:
  explicit Unfinished(std::string destination) : destination_(std::move(destination)) {}
  ~Unfinished() {
    if (!name_.empty()) unlink(name_.c_str());
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  Status Open() {
    fd_ = UniqueFd(open(ParentDirectory(destination_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
    if (fd_) return Ok();
    std::string name = destination_ + ".unfinished-XXXXXX";
    fd_ = UniqueFd(mkostemp(name.data(), O_CLOEXEC));
    if (!fd_) return ErrnoError(StrCat("making ", destination_), errno);
    name_ = std::move(name);
    return Ok();
  }
  int fd() const { return fd_.get(); }

  // Gives the file its name, if nobody has taken that. Durable.
  Status Name() {
    if (fsync(fd_.get()) != 0) return ErrnoError(StrCat("syncing ", destination_), errno);
    const std::string self = StrCat("/proc/self/fd/", fd_.get());
    const char* from = name_.empty() ? self.c_str() : name_.c_str();
    if (linkat(AT_FDCWD, from, AT_FDCWD, destination_.c_str(), name_.empty() ? AT_SYMLINK_FOLLOW : 0) == 0) {
      return SyncDirectory(ParentDirectory(destination_));
    }
    // File systems without links (FAT): a rename that refuses to overwrite.
    if (!name_.empty() && errno != EEXIST &&
        renameat2(AT_FDCWD, from, AT_FDCWD, destination_.c_str(), RENAME_NOREPLACE) == 0) {
      name_.clear();
      return SyncDirectory(ParentDirectory(destination_));
    }
    return ErrnoError(StrCat("naming ", destination_), errno);
  }

 private:
  std::string destination_;
  std::string name_;
  UniqueFd fd_;
};

Finished RunBackup(Context& context, const Arguments& arguments) {
  const std::string destination = arguments.Positional(0);
  if (Exists(destination)) {
    return Failure{Exit::kLocal, "invalid", StrCat(Printable(destination), " exists already and is left as it is"),
                   "name a file that does not exist"};
  }
  LEASEFS_ASSIGN_OR_RETURN(backend, NamedBackend(arguments, 1));
  LEASEFS_ASSIGN_OR_RETURN(place, FindStore(context, backend));
  const std::string hint = "name a file in a directory that you can write, with enough room";
  Unfinished file(destination);
  LEASEFS_RETURN_IF_ERROR(Local(file.Open(), hint));
  uint64_t size = 0;
  const auto take = [&](std::span<const std::byte> part) -> Finished {
    size += part.size();
    while (!part.empty()) {
      const ssize_t written = write(file.fd(), part.data(), part.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return LocalFailure(ErrnoError(StrCat("writing ", destination), errno), hint);
      part = part.subspan(static_cast<size_t>(written));
    }
    return Finish();
  };
  store_admin::AdminRequest request;
  request.verb = store_admin::Verb::kBackup;
  LEASEFS_RETURN_IF_ERROR(AskStore(place.socket, request, kPatient, take));
  if (size == 0)
    return Failure{Exit::kDaemon, "remote", "the store sent an empty copy", "`journalctl -u leasefs` may say why"};
  LEASEFS_RETURN_IF_ERROR(Local(file.Name(), hint));
  if (context.settings.json) {
    JsonWriter writer;
    writer.BeginObject().Text("backend", place.backend).Text("file", destination).Number("bytes", size);
    context.console.Data(std::move(writer.EndObject()).Take());
  }
  context.console.Words(
      StrCat(Printable(destination), ": ", ShowBytes(size), ", sealed as the store is; its key is not in it"));
  return Finish();
}

constexpr PositionalSpec kPositionals[] = {{.name = "FILE", .offer = Offer::kFile},
                                           {.name = "BACKEND", .required = false, .offer = Offer::kBackend}};
constexpr OptionSpec kOptions[] = {
    {.name = "--backend", .letter = 'b', .argument = "NAME", .help = "this store", .offer = Offer::kBackend}};

}  // namespace

const VerbSpec kStoreBackup = {
    .group = "store",
    .name = "backup",
    .summary = "copy a store while it is in use (root only)",
    .details =
        "FILE must not exist; it appears when it is whole and on the disk. To restore it, stop the daemon, "
        "remove the store's -wal and -shm files if they are there (they belong to the old file), and put the copy in "
        "the "
        "place of the store. The copy opens with the key that the store has now: keep that too, elsewhere.",
    .positionals = kPositionals,
    .options = kOptions,
    .touches_values = true,
    .run = RunBackup,
};

}  // namespace leasefs::cli
