// A model of fs and a server that die at any moment, over a backend that changes all the time: in the end fs believes
// what is true, whatever was lost on the way. One seed, one history.

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "backend/server.h"
#include "tests/backend/scripted_backend.h"
#include "tests/support/environment.h"

namespace leasefs {
namespace {

using protocol::FrameType;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What fs keeps over its death, and the least that it must do with each frame.
class FsModel {
 public:
  explicit FsModel(Loop& loop) : loop_(loop) {}

  void Start(BackendServer& server) {
    partial_.clear();
    crossed_.clear();
    peer_.emplace(loop_, server, milliseconds(5));
    peer_->on_frame = [this](FrameType type, std::span<const std::byte> payload) { OnFrame(type, payload); };
    peer_->Hello(generation_);
    for (const std::string& secret : wanting_) peer_->Want(secret, held_[secret]);
    for (const std::string& directory : listing_) peer_->Send(protocol::List{directory});
  }
  void Die() { peer_.reset(); }
  bool alive() const { return peer_.has_value(); }
  void Want(const std::string& secret) {
    wanting_.insert(secret);
    if (peer_) peer_->Want(secret, held_[secret]);
  }
  void List(const std::string& directory) {
    listing_.insert(directory);
    if (peer_) peer_->Send(protocol::List{directory});
  }
  void Idle(const std::string& secret) {
    if (wanting_.count(secret) != 0 || held_.erase(secret) == 0 || !peer_) return;
    crossed_.insert(secret);
    peer_->Send(protocol::Idle{secret});
  }

  void Check(const ScriptedBackend& backend) const {
    EXPECT_TRUE(wanting_.empty());
    EXPECT_TRUE(listing_.empty());
    for (const auto& [secret, version] : held_) EXPECT_EQ(version, backend.VersionOf(secret)) << secret;
    for (const auto& [directory, names] : listed_) {
      std::set<std::string> truth;
      for (const protocol::Entry& entry : backend.NamesIn(directory)) truth.insert(Text(entry));
      EXPECT_EQ(names, truth) << "in '" << directory << "'";
    }
  }

 private:
  template <class Frame>
  static Frame Decode(std::span<const std::byte> payload) {
    return std::move(Frame::Decode(payload)).value();
  }
  static std::string Text(const protocol::Entry& entry) {
    return (entry.kind == protocol::EntryKind::kFolder ? "folder " : "key ") + entry.name;
  }
  void OnFrame(FrameType type, std::span<const std::byte> payload);
  void OnFailed(const protocol::Failed& frame);
  void Settle(const std::string& secret, uint64_t version) {
    EXPECT_GE(version, held_[secret]) << secret << " went back";
    held_[secret] = version;
    wanting_.erase(secret);
  }

  Loop& loop_;
  uint64_t generation_ = 0;
  std::map<std::string, uint64_t> held_;  // 0: known to be missing, or wanted
  std::map<std::string, std::set<std::string>> listed_;
  std::set<std::string> wanting_, listing_;
  std::set<std::string> crossed_;  // went idle on this connection: an answer may still be under way
  std::map<std::string, std::set<std::string>> partial_;
  std::optional<FsPeer> peer_;
};

void FsModel::OnFrame(FrameType type, std::span<const std::byte> payload) {
  if (type == FrameType::kWelcome) {
    auto frame = Decode<protocol::Welcome>(payload);
    generation_ = frame.generation;
    if (!frame.everything_changed) return;
    for (const auto& [directory, names] : listed_) List(directory);
    for (const auto& [secret, version] : held_) Want(secret);
  } else if (type == FrameType::kHealth) {
    generation_ = std::max(generation_, Decode<protocol::Health>(payload).generation);
  } else if (type == FrameType::kChanged) {
    auto frame = Decode<protocol::Changed>(payload);
    generation_ = std::max(generation_, frame.generation);
    if (held_.count(frame.secret) != 0) Want(frame.secret);
    if (listed_.count(frame.secret) != 0) List(frame.secret);
  } else if (type == FrameType::kEntryChanged) {
    auto frame = Decode<protocol::EntryChanged>(payload);
    auto found = listed_.find(frame.directory);
    if (found == listed_.end()) return;
    if (frame.present) found->second.insert(Text(frame.entry));
    if (!frame.present) found->second.erase(Text(frame.entry));
  } else if (type == FrameType::kEntries) {
    auto frame = Decode<protocol::Entries>(payload);
    for (const protocol::Entry& entry : frame.entries) partial_[frame.directory].insert(Text(entry));
    if (!frame.last) return;
    listed_[frame.directory] = std::move(partial_[frame.directory]);
    partial_.erase(frame.directory);
    listing_.erase(frame.directory);
  } else if (type == FrameType::kPublished) {
    auto frame = Decode<protocol::Published>(payload);
    Settle(frame.secret, frame.version);
  } else if (type == FrameType::kUnchanged) {
    auto frame = Decode<protocol::Unchanged>(payload);
    if (crossed_.count(frame.secret) != 0 && held_.count(frame.secret) == 0) return;
    EXPECT_EQ(frame.version, held_[frame.secret]);
    Settle(frame.secret, frame.version);
  } else if (type == FrameType::kFailed) {
    OnFailed(Decode<protocol::Failed>(payload));
  }
}

void FsModel::OnFailed(const protocol::Failed& frame) {
  bool secret = frame.what == protocol::Failed::What::kSecret;
  if (frame.kind == ErrorKind::kNotFound) {
    if (secret) held_[frame.path] = 0, wanting_.erase(frame.path);
    if (!secret) listed_.erase(frame.path), listing_.erase(frame.path);
    return;
  }
  loop_.At(std::max(frame.retry_at, loop_.Now()), [this, secret, path = frame.path] {
    if (secret && wanting_.count(path) != 0) Want(path);
    if (!secret && listing_.count(path) != 0) List(path);
  });
}

// Everything that happens, drawn from the seed.
class World {
 public:
  explicit World(uint64_t seed) : loop_(seed) {
    backend_.delay = milliseconds(1);
    backend_.jitter = milliseconds(20);
    server_.emplace(loop_, backend_, ServerOptions{});
    fs_.Start(*server_);
  }
  void Run() {
    for (int i = 0; i < 400; ++i) {
      Act();
      loop_.RunFor(milliseconds(static_cast<int>(loop_.random().Below(20))));
    }
    backend_.failures.clear();
    if (!fs_.alive()) fs_.Start(*server_);
    loop_.RunFor(std::chrono::minutes(3));
    fs_.Check(backend_);
  }

 private:
  std::string Pick(std::initializer_list<const char*> names) {
    return names.begin()[loop_.random().Below(names.size())];
  }
  std::string Secret() { return Pick({"a", "a/b", "a/b/c", "a/d", "e", "f/g", "f/h"}); }
  std::string Directory() { return Pick({"", "a", "a/b", "a/b/c", "e", "f", "f/g"}); }
  void Act() {
    switch (loop_.random().Below(14)) {
      case 0:
      case 1:
      case 2:
        return backend_.Put(Secret(), {{Pick({"x", "y", "z"}), "v"}, {"w", "v"}});
      case 3:
        return backend_.Remove(Secret());
      case 4:
      case 5:
      case 6:
        return fs_.Want(Secret());
      case 7:
      case 8:
        return fs_.List(Directory());
      case 9:
        return fs_.Idle(Secret());
      case 10:
        return fs_.Die();
      case 11:
        return fs_.Start(*server_);  // also in place of one that lives
      case 12:
        if (loop_.random().Below(4) != 0) return;
        server_.emplace(loop_, backend_, ServerOptions{});
        return fs_.Start(*server_);
      default:
        backend_.failures.clear();
        if (loop_.random().Below(2) == 0)
          backend_.failures.insert_or_assign(Secret(), Error(ErrorKind::kUnreachable, "down"));
        if (loop_.random().Below(4) == 0) backend_.forgotten = backend_.Generation();
    }
  }

  SimLoop loop_;
  ScriptedBackend backend_{loop_};
  std::optional<BackendServer> server_;
  FsModel fs_{loop_};
};

// LEASEFS_SEEDS: how many histories, LEASEFS_SEED: the first of them.
TEST(ServerSimTest, FsBelievesWhatIsTrueInTheEnd) {
  uint64_t first = NumberFromEnvironment("LEASEFS_SEED", 1);
  uint64_t end = first + NumberFromEnvironment("LEASEFS_SEEDS", 100);
  for (uint64_t seed = first; seed < end && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    World(seed).Run();
  }
}

}  // namespace
}  // namespace leasefs
