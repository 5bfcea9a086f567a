#include "tests/store/test_vfs.h"

#include <sqlite3.h>
#include <unistd.h>

#include <new>

namespace leasefs::store_test {
namespace {

using Kind = FileOperation::Kind;

struct {
  Fault fault = Fault::kNone;
  int64_t at = 0;
  int64_t count = 0;
  std::vector<FileOperation>* log = nullptr;
} g;

struct TestFile {
  sqlite3_file base;
  std::string path;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
static_assert(sizeof(TestFile) % alignof(double) == 0);  // the real file follows

TestFile* Of(sqlite3_file* file) {
  return reinterpret_cast<TestFile*>(file);
}
sqlite3_file* Real(sqlite3_file* file) {
  return Of(file)->real();
}
sqlite3_vfs* Default() {
  static sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
  return vfs;
}

// What an operation that changes a file comes to: SQLITE_OK to go on. `half` does half of it.
template <class Half>
int Meet(Kind kind, const char* path, int64_t offset, const void* data, int size, Half half) {
  ++g.count;
  const bool now = g.count == g.at;
  if (g.fault == Fault::kExit && now) _exit(kKilled);
  if (g.fault == Fault::kExitMidway && now) {
    half();
    _exit(kKilled);
  }
  if ((g.fault == Fault::kFull && now) || (g.fault == Fault::kFullForAll && g.count >= g.at)) {
    return kind == Kind::kSync ? SQLITE_IOERR_FSYNC : SQLITE_FULL;
  }
  if (g.fault == Fault::kIoError && now) return SQLITE_IOERR_WRITE;
  if (g.log != nullptr) {
    g.log->push_back({kind, path, offset, std::string(static_cast<const char*>(data), static_cast<size_t>(size))});
  }
  return SQLITE_OK;
}

int Close(sqlite3_file* file) {
  const int code = Real(file)->pMethods->xClose(Real(file));
  Of(file)->path.~basic_string();
  return code;
}
int Read(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
  return Real(file)->pMethods->xRead(Real(file), out, size, offset);
}
int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  const int code = Meet(Kind::kWrite, Of(file)->path.c_str(), offset, data, size,
                        [&] { Real(file)->pMethods->xWrite(Real(file), data, size / 2, offset); });
  return code != SQLITE_OK ? code : Real(file)->pMethods->xWrite(Real(file), data, size, offset);
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  const int code = Meet(Kind::kTruncate, Of(file)->path.c_str(), size, "", 0, [] {});
  return code != SQLITE_OK ? code : Real(file)->pMethods->xTruncate(Real(file), size);
}
int Sync(sqlite3_file* file, int flags) {
  const int code = Meet(Kind::kSync, Of(file)->path.c_str(), 0, "", 0, [] {});
  return code != SQLITE_OK ? code : Real(file)->pMethods->xSync(Real(file), flags);
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Real(file)->pMethods->xFileSize(Real(file), size);
}
int Lock(sqlite3_file* file, int level) {
  return Real(file)->pMethods->xLock(Real(file), level);
}
int Unlock(sqlite3_file* file, int level) {
  return Real(file)->pMethods->xUnlock(Real(file), level);
}
int CheckReservedLock(sqlite3_file* file, int* out) {
  return Real(file)->pMethods->xCheckReservedLock(Real(file), out);
}
int FileControl(sqlite3_file* file, int what, void* argument) {
  return Real(file)->pMethods->xFileControl(Real(file), what, argument);
}
int SectorSize(sqlite3_file* file) {
  return Real(file)->pMethods->xSectorSize(Real(file));
}
int Characteristics(sqlite3_file* file) {
  return Real(file)->pMethods->xDeviceCharacteristics(Real(file));
}

// Version 1 has no shared memory: a store that wanted a -shm file could not be opened.
constexpr sqlite3_io_methods kMethods = {1,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         Characteristics,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr};

int Open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  const int code = Default()->xOpen(Default(), name, Real(file), flags, out_flags);
  if (code != SQLITE_OK) return code;
  new (&Of(file)->path) std::string(name == nullptr ? "" : name);
  file->pMethods = &kMethods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char* name, int sync_directory) {
  const int code = Meet(Kind::kDelete, name, 0, "", 0, [] {});
  return code != SQLITE_OK ? code : Default()->xDelete(Default(), name, sync_directory);
}

void Register() {
  static sqlite3_vfs vfs = [] {
    sqlite3_vfs copy = *Default();
    copy.iVersion = 1;
    copy.szOsFile = static_cast<int>(sizeof(TestFile)) + Default()->szOsFile;
    copy.zName = kTestVfs;
    copy.pNext = nullptr;
    copy.xOpen = Open;
    copy.xDelete = Delete;
    return copy;
  }();
  sqlite3_vfs_register(&vfs, 0);
}

}  // namespace

void SetFault(Fault fault, int64_t at) {
  Register();
  g.fault = fault;
  g.at = at;
  g.count = 0;
}

int64_t OperationsSinceSetFault() {
  return g.count;
}

void LogOperations(std::vector<FileOperation>* log) {
  Register();
  g.log = log;
}

}  // namespace leasefs::store_test
