#include "tests/store/store_fixture.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "fs/base/strings.h"

namespace leasefs::store_test {

TemporaryDirectory::TemporaryDirectory() {
  std::string name =
      std::filesystem::is_directory("/dev/shm") ? "/dev/shm/leasefs-store-XXXXXX" : "/tmp/leasefs-store-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
  ASSERT_TRUE(out.good()) << path;
}

std::vector<std::string> FilesIn(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.insert(entry.path().filename());
  return {names.begin(), names.end()};
}

StoreKey RawKey(char fill) {
  return {StoreKey::Kind::kRaw, SecretBuffer::CopyOf(std::string(32, fill))};
}
StoreKey Passphrase(const std::string& text) {
  return {StoreKey::Kind::kPassphrase, SecretBuffer::CopyOf(text)};
}
WallTime At(int64_t second) {
  return WallTime(std::chrono::seconds(second));
}

Store::Put PutOf(const std::string& secret, const Values& values, bool replace) {
  Store::Put put{secret, {}, replace};
  for (const auto& [key, value] : values) put.fields.push_back({key, false, SecretBuffer::CopyOf(value)});
  return put;
}

Values ValuesOf(const std::vector<protocol::Field>& fields) {
  Values values;
  for (const protocol::Field& field : fields) values[field.key] = field.value.ExposeText();
  return values;
}

std::string Picture(const Store& store) {
  std::string out;
  std::set<std::string> directories = {""};
  for (const std::string& path : store.Secrets("")) {
    for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      directories.insert(path.substr(0, slash));
    }
    directories.insert(path);
    const auto history = store.History(path);
    if (!history.ok()) return "error: " + history.error().message();
    for (const VersionInfo& version : *history) {
      out += StrCat(path, "@", version.version, " by ", version.author, " at ",
                    version.created.time_since_epoch().count(), " (", version.note, ")");
      const auto got = store.Get(path, version.version);
      if (!got.ok()) return "error: " + got.error().message();
      for (const auto& [key, value] : ValuesOf(got->second)) out += StrCat(" ", key, "=", value);
      out += '\n';
    }
  }
  for (const std::string& directory : directories) {
    out += StrCat("in ", directory, ":");
    for (const std::string& name : Listed(store, directory)) out += StrCat(" ", name);
    out += '\n';
  }
  return out;
}

StoreFixture::StoreFixture() : path_(directory_ / "store.db") {
  settings_.keep_versions = 3;
  settings_.value_bytes = 1000;
}

std::unique_ptr<Store> StoreFixture::Open() {
  auto store = TryOpen();
  if (store.ok()) return std::move(*store);
  ADD_FAILURE() << store.error().message();
  std::abort();
}

Status FinishRekey(Store& store) {
  for (;;) {
    LEASEFS_ASSIGN_OR_RETURN(finished, store.FinishRekeySome());
    if (finished) return Ok();
  }
}

Status CopyTo(Store& store, const std::string& path) {
  LEASEFS_ASSIGN_OR_RETURN(copy, store.BeginCopy(path));
  for (;;) {
    LEASEFS_ASSIGN_OR_RETURN(whole, copy->Step());
    if (whole) return Ok();
  }
}

uint64_t PutValues(Store& store, const std::string& secret, const Values& values, bool replace) {
  std::vector<Store::Put> puts;
  puts.push_back(PutOf(secret, values, replace));
  const auto versions = store.Apply(std::move(puts), 1000, "put", At(1));
  return versions.ok() ? versions->at(0) : 0;
}

Values Get(const Store& store, const std::string& secret, uint64_t version) {
  const auto got = store.Get(secret, version);
  return got.ok() ? ValuesOf(got->second) : Values();
}

std::vector<std::string> Listed(const Store& store, const std::string& directory) {
  const auto entries = store.List(directory);
  if (!entries.ok()) return {"error: " + entries.error().message()};
  std::vector<std::string> names;
  for (const protocol::Entry& entry : *entries)
    names.push_back(entry.name + (entry.kind == protocol::EntryKind::kFolder ? "/" : ""));
  return names;
}

}  // namespace leasefs::store_test
