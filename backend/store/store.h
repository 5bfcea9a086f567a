// Store: the embedded encrypted store, one SQLite file. See the head of store.cc for the format.
//
// Values and names are sealed with AES-256-GCM under a data key; the data key is wrapped by a key file, a credential or
// a passphrase. Path, key and version are authenticated, and so is the set of all rows: a file with a row changed,
// swapped, removed or taken from an older copy is refused when it is opened. (A consistent old copy of the whole file
// is not noticed.) Every call that changes something is durable when it returns. Used by one thread of one process.
// Blocks on local file I/O only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/protocol.h"
#include "fs/base/random.h"
#include "fs/base/result.h"
#include "fs/base/secret_buffer.h"
#include "fs/base/time.h"

namespace leasefs {

// What unwraps the data key.
struct StoreKey {
  enum class Kind : uint8_t { kRaw, kPassphrase };  // kRaw: a key file or a credential, already parsed by ParseKeyFile
  Kind kind = Kind::kRaw;
  SecretBuffer bytes;
};
// "leasefs-store-key-1:BASE64OF32BYTES\n" (the line end may be missing). kInvalid names what is wrong, never what it
// read.
Result<SecretBuffer> ParseKeyFile(const SecretBuffer& text);
SecretBuffer MakeKeyFile(Random& random);

struct StoreSettings {
  uint32_t keep_versions = 10;  // the current one included; 0 keeps it too
  uint64_t value_bytes = 0;     // limits.value; 0: kHardMaxValueBytes
  const char* vfs = nullptr;    // SQLite VFS, for tests; null: the default
};

// One version of a secret, without values.
struct VersionInfo {
  uint64_t version = 0;
  WallTime created{};
  uint32_t author = 0;                                 // uid that put it
  std::string note;                                    // "put", "import", "rollback to 3"
  std::vector<std::pair<std::string, uint64_t>> keys;  // name, size
};
struct StoreFigures {
  uint64_t secrets = 0, versions = 0, generation = 0, file_bytes = 0;
};

// A consistent copy in the making: sealed as the store is, opened by the same keys. The store goes on meanwhile; what
// is changed before the last page was copied is in it. Gone before the store; a copy that is not whole goes with it.
class StoreCopy {
 public:
  virtual ~StoreCopy() = default;
  // A slice of the work: a MiB or so is copied, or read back. True: the copy is whole, and was checked in whole; it is
  // not synced to the disk.
  virtual Result<bool> Step() = 0;
};

class Store {
 public:
  // A new store at `path`, mode 0600, whole or not at all. kInvalid when there is something already: nothing is ever
  // overwritten.
  static Status Create(const std::string& path, const StoreKey& key, Random& random,
                       const StoreSettings& settings = {});
  // kNotFound: no file. kLocked: `key` does not open it. kRemote: damaged, with the reason. kInvalid: not a leasefs
  // store, or a newer format. kUnreachable: another process has it open. `random` must outlive the store. Checks the
  // whole set of rows: O(rows), a few µs each, and O(bytes).
  static Result<std::unique_ptr<Store>> Open(const std::string& path, const StoreKey& key, Random& random,
                                             const StoreSettings& settings);
  virtual ~Store() = default;

  struct Put {
    std::string secret;
    std::vector<protocol::Field> fields;
    bool replace = true;  // false: keys not named keep their values
  };
  // All of `puts` or nothing, each one a new version with a generation of its own. A put whose bytes are the current
  // ones makes no version: its number is the current one. Returns the version numbers. kInvalid: a bad path or key, a
  // secret named twice, no key at all. kTooLarge: a value over the limit, too many keys, or names and values of one
  // secret over kMaxSecretBytes.
  virtual Result<std::vector<uint64_t>> Apply(std::vector<Put> puts, uint32_t author, const std::string& note,
                                              WallTime now) = 0;
  // `keys` empty: the secret goes with all its versions. Otherwise a new version without them (none left: the secret
  // goes).
  virtual Status Remove(const std::string& secret, const std::vector<std::string>& keys, uint32_t author,
                        WallTime now) = 0;
  // Makes the bytes of `version` a new version, unless they are the current ones.
  virtual Result<uint64_t> Rollback(const std::string& secret, uint64_t version, uint32_t author, WallTime now) = 0;

  // `version` 0: the current one. kNotFound: no such secret, or version. kRemote: the row is damaged. A value over the
  // limit (it was put under a higher one) is too_large and comes without its bytes.
  virtual Result<std::pair<uint64_t, std::vector<protocol::Field>>> Get(const std::string& secret,
                                                                        uint64_t version) const = 0;
  virtual Result<std::vector<VersionInfo>> History(const std::string& secret) const = 0;  // newest first
  virtual Result<std::vector<protocol::Entry>> List(const std::string& directory) const = 0;
  virtual std::vector<std::string> Secrets(const std::string& prefix) const = 0;  // all paths at or below, sorted
  // Rises with every change of a secret, by steps that nobody can guess, so that one that was told is never mistaken
  // after an older copy of the store was put back. 0: nothing was ever put.
  virtual uint64_t generation() const = 0;
  // Paths, removed ones too, in the order of their last changes. kNotFound: cannot be known; take it that everything
  // changed.
  virtual Result<std::vector<std::string>> ChangedSince(uint64_t generation) const = 0;

  // `new_key` opens the store too from now on. (A rekey that was not finished is forgotten.)
  virtual Status Rekey(const StoreKey& new_key) = 0;
  // Seals everything anew under a new data key, a slice with each call; true: all is done. From the first call on only
  // the key of the last Rekey opens the store. Between calls the store is used as ever; after a restart the calls go
  // on where they were. No rekey under way: true. kInvalid: the store was opened with the old key after the Rekey, so
  // that the new one may be lost.
  virtual Result<bool> FinishRekeySome() = 0;
  // Begins a copy at `path`, in the place of an unfinished one that a crash has left there.
  virtual Result<std::unique_ptr<StoreCopy>> BeginCopy(const std::string& path) = 0;

  // For the changes to come (a reload). What lies in the file stays as it is; the vfs cannot be changed.
  virtual void SetLimits(uint32_t keep_versions, uint64_t value_bytes) = 0;

  virtual StoreFigures figures() const = 0;
};

}  // namespace leasefs
