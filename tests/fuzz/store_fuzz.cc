// Edits to the file of a store and to a log that a crash left beside it, by somebody without the key: what opens and
// can be read is the state before the crash or after it.
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "backend/store/store.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "tests/store/raw_database.h"
#include "tests/store/store_fixture.h"
#include "tests/store/test_vfs.h"

namespace leasefs::store_test {
namespace {

constexpr size_t kPage = 512;

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

// A small store, and the same with a change in its log.
class Original {
 public:
  Original() : path_(directory_ / "store.db") {
    SetLogLevel(LogLevel::kError);
    SetFault(Fault::kNone, 0);
    settings_.keep_versions = 2;
    settings_.value_bytes = 2000;
    Require(Store::Create(path_, RawKey(), random_, settings_).ok(), "the store is made");
    RawDatabase(path_).Run("PRAGMA journal_mode=DELETE; PRAGMA page_size=512; VACUUM; PRAGMA journal_mode=WAL;");
    {
      std::unique_ptr<Store> store = Open();
      PutValues(*store, "web/tls", {{"cert", std::string(700, 'c')}, {"key", "old key"}});
      PutValues(*store, "web/tls", {{"key", "new key"}}, false);
      for (int i = 0; i < 4; ++i) PutValues(*store, StrCat("db", i), {{"password", "hunter2"}});
      Require(store->Remove("db3", {}, 0, At(2)).ok(), "the secret is removed");
      old_ = Picture(*store);
    }
    file_ = ReadFile(path_);
    settings_.vfs = kTestVfs;
    for (int64_t at = 1; log_.empty(); ++at) LeaveALog(at);
    settings_.vfs = nullptr;
  }

  const std::string& file() const { return file_; }
  const std::string& log() const { return log_; }

  void Check(const std::string& file, const std::string& log) {
    WriteFile(path_, file);
    unlink((path_ + "-wal").c_str());
    if (!log.empty()) WriteFile(path_ + "-wal", log);
    const auto store = Store::Open(path_, RawKey(), random_, settings_);
    if (!store.ok()) {
      Require(!store.error().message().empty(), "a refusal has a reason");
      return;
    }
    const std::string picture = Picture(**store);
    if (picture.starts_with("error: ")) return;
    Require(picture == old_ || (!log.empty() && picture == new_), "what is read was written, and is current");
  }

 private:
  std::unique_ptr<Store> Open() {
    auto store = Store::Open(path_, RawKey(), random_, settings_);
    Require(store.ok(), "the store opens");
    return std::move(*store);
  }

  // The change is committed, but the disk is full before anything of it is taken into the file.
  void LeaveALog(int64_t at) {
    WriteFile(path_, file_);
    unlink((path_ + "-wal").c_str());
    std::unique_ptr<Store> store = Open();
    SetFault(Fault::kFullForAll, at);
    const bool done = PutValues(*store, "db1", {{"password", "better"}}) != 0;
    SetFault(Fault::kNone, 0);
    if (!done) return;
    log_ = ReadFile(path_ + "-wal");
    Require(ReadFile(path_) == file_, "the file is as it was");
    new_ = Picture(*store);
  }

  TemporaryDirectory directory_;
  std::string path_;
  SimRandom random_{7};
  StoreSettings settings_;
  std::string file_, log_, old_, new_;
};

// Reads an input as a list of edits.
class Edits {
 public:
  Edits(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  void Apply(std::string& file, std::string& log) {
    while (size_ > 0) {
      const unsigned what = Take();
      switch (what % 5) {
        case 0:
          Change(file);
          break;
        case 1:
          Change(log);
          break;
        case 2:
          CopyPage(file);
          break;
        case 3:
          file.resize(std::min(file.size(), Offset(file)));
          break;
        default:
          log.resize(std::min(log.size(), Offset(log)));
      }
    }
  }

 private:
  unsigned Take() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  size_t Offset(const std::string& bytes) {
    const size_t high = Take();
    return bytes.empty() ? 0 : (high << 8 | Take()) % (bytes.size() + 1);
  }
  void Change(std::string& bytes) {
    size_t at = Offset(bytes);
    for (size_t count = Take() % 16 + 1; count > 0; --count, ++at) {
      if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(Take()));
    }
  }
  void CopyPage(std::string& file) {
    if (file.size() < kPage) return;
    const size_t pages = file.size() / kPage;
    const size_t from = Take() % pages, to = Take() % pages;
    file.replace(to * kPage, kPage, file.substr(from * kPage, kPage));
  }

  const uint8_t* data_;
  size_t size_;
};

}  // namespace
}  // namespace leasefs::store_test

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace leasefs::store_test;  // NOLINT(google-build-using-namespace)
  static Original original;
  if (size == 0) return 0;
  std::string file = original.file();
  std::string log = (data[0] & 1) != 0 ? original.log() : "";
  Edits(data + 1, size - 1).Apply(file, log);
  original.Check(file, log);
  return 0;
}
