// Answers of backends: the backend decides what is current, this decides when it appears.
#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "fs/base/errno_map.h"
#include "fs/base/log.h"
#include "fs/base/strings.h"
#include "fs/secrets/gate_answers.h"
#include "fs/secrets/name_escape.h"

namespace leasefs {
namespace {

constexpr size_t kMaxFailures = 4096;  // of the negative cache
constexpr size_t kMaxSaid = 16;        // different failures of a backend that go into the log in this time
constexpr Duration kSayAgain = std::chrono::minutes(1);

// A backend's troubles with itself are not ours: to a reader it is one that answers wrongly (S25).
Error ErrorOf(const protocol::Failed& frame) {
  bool internal = frame.kind == ErrorKind::kInternal || frame.kind == ErrorKind::kNoMemory;
  return {internal ? ErrorKind::kRemote : frame.kind, frame.message};
}

}  // namespace

Result<uint32_t> GateAnswers::AddNodeLocked(uint32_t parent, std::string_view name, NodeKind kind) {
  uint32_t before = nodes_.count();
  auto node = nodes_.Add(parent, name, kind);
  if (!node.ok()) return node;
  if (*node >= before) {
    trees_.NodeAdded(*node);
    nodes_[*node].changed_ns = loop_.WallNow().time_since_epoch().count();
  }
  return node;
}

// The file that shows a key: its plain name, or, where a folder has that, the one with the last byte escaped (S4).
uint32_t GateAnswers::KeyNodeLocked(uint32_t directory, const std::string& key) {
  std::string name = EscapeName(key);
  uint32_t folder = nodes_.Find(directory, name, true);
  if ((folder != kNoNode && nodes_[folder].present != 0) || IsTakenLocked(directory, name))
    name = EscapeNameForCollision(key);
  if (name.empty() || name.size() > kMaxNameBytes) return kNoNode;
  auto node = AddNodeLocked(directory, name, NodeKind::kFile);
  return node.ok() ? *node : kNoNode;
}

void GateAnswers::ApplyListingLocked(uint32_t directory, const std::vector<protocol::Entry>& entries) {
  std::set<uint32_t> shown;
  uint32_t not_shown = 0;
  for (const protocol::Entry& entry : entries) {  // folders first: where a key has the same name, the folder has it
    if (entry.kind != protocol::EntryKind::kFolder) continue;
    std::string name = EscapeName(entry.name);
    uint32_t file = nodes_.Find(directory, name, false);
    if (file != kNoNode && derived_.IsFile(file)) {
      ++not_shown;
      continue;
    }
    auto node = name.size() <= kMaxNameBytes ? AddNodeLocked(directory, name, NodeKind::kDirectory)
                                             : Result<uint32_t>(Error(ErrorKind::kTooLarge, ""));
    if (!node.ok()) {
      ++not_shown;
      continue;
    }
    nodes_[*node].present = 1;
    shown.insert(*node);
  }
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (nodes_.IsDirectory(child) && nodes_[child].present != 0 && !shown.contains(child) && !derived_.IsPinned(child))
      held_.Remove(child);
  }
  for (const protocol::Entry& entry : entries) {
    if (entry.kind != protocol::EntryKind::kKey) continue;
    uint32_t node = KeyNodeLocked(directory, entry.name);
    if (node == kNoNode) {
      ++not_shown;
      continue;
    }
    nodes_[node].present = 1;
    shown.insert(node);
  }
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (!nodes_.IsDirectory(child) && nodes_[child].present != 0 && !shown.contains(child) && !derived_.Is(child))
      held_.Remove(child);
  }
  ShowFormsLocked(directory);
  nodes_[directory].not_shown = not_shown;
  nodes_[directory].listed = 1;
}

void GateAnswers::SetFreshnessLocked(uint32_t directory, const protocol::Freshness& freshness) {
  NodeRecord& record = nodes_[directory];
  record.stale_until_ns = ToNanoseconds(freshness.stale_until);
  record.lease_end_ns = ToNanoseconds(freshness.lease_end);
  record.fetched_ns = ToNanoseconds(loop_.Now());
  record.fresh_until_ns = ToNanoseconds(freshness.fresh_until);
  BootTime nearest = held_.NextLeaseEnd();
  held_.NoteLease(directory);
  if (held_.NextLeaseEnd() != nearest) RequestPumpLocked();
}

Result<uint32_t> GateAnswers::StageFieldLocked(uint32_t directory, const protocol::Field& field, uint64_t publication,
                                               std::vector<uint32_t>& staged) {
  uint32_t node = KeyNodeLocked(directory, field.key);
  if (node == kNoNode) return node;
  const NodeRecord& record = nodes_[node];
  VersionTable::Staged version;
  version.node = node;
  version.publication = publication;
  version.changed = loop_.WallNow();
  bool too_large = field.too_large || field.value.size() > limits_.value_bytes;
  bool json = field.json && !too_large;
  version.flags = (too_large ? kVersionTooLarge : 0) | (json ? kVersionJson : 0);
  const SecretBuffer nothing;
  const SecretBuffer& bytes = too_large ? nothing : field.value;
  version.mac = versions_.MacOf(bytes);
  uint32_t current = versions_.CurrentSlot(node);
  bool equal = record.version != 0 && std::equal(version.mac.begin(), version.mac.end(), record.mac) &&
               (current == kNoSlot || versions_.TooLarge(current) == too_large);
  if (equal && current != kNoSlot) {
    versions_.SetJson(current, json);
    nodes_[node].present = 1;
    return node;
  }
  version.number = equal ? record.version.load() : record.version + 1;
  if (equal) version.changed = WallTime(Duration(record.changed_ns));
  LEASEFS_ASSIGN_OR_RETURN(slot, versions_.Stage(version, bytes));
  staged.push_back(slot);
  return node;
}

Status GateAnswers::PublishLocked(uint32_t directory, const protocol::Published& frame) {
  uint64_t bytes = 0;
  for (const protocol::Field& field : frame.fields) bytes += field.value.size() + AeadKey::kOverhead;
  bool room = held_.MakeRoom(bytes, limits_.memory_bytes);
  if (held_.has_idle()) RequestPumpLocked();
  if (!room) {
    return Error(ErrorKind::kNoMemory, "the values that are held have reached limits.memory");
  }
  NodeRecord& record = nodes_[directory];
  uint64_t publication = record.publication + 1;
  std::vector<uint32_t> staged;
  auto discard = [&](Error error) REQUIRES(mutex_) {
    for (uint32_t slot : staged) versions_.Discard(slot);
    return error;
  };
  std::set<uint32_t> shown;
  for (const protocol::Field& field : frame.fields) {
    auto node = StageFieldLocked(directory, field, publication, staged);
    if (!node.ok()) return discard(std::move(node).error());
    shown.insert(*node);
  }
  for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
    if (nodes_.IsDirectory(child) || nodes_[child].present == 0 || shown.contains(child) || derived_.Is(child))
      continue;
    auto slot = versions_.Stage({child, nodes_[child].version, kVersionGone, publication, {}, {}}, {});
    if (!slot.ok()) return discard(std::move(slot).error());
    staged.push_back(*slot);
  }
  record.secret_version[publication & 1] = frame.version;
  record.publication.store(publication, std::memory_order_release);  // committed
  for (uint32_t slot : staged) {
    uint32_t node = versions_[slot].node;
    NodeId superseded{node, nodes_[node].version};
    versions_.Apply(slot);
    if (superseded.version != 0 && superseded.version != nodes_[node].version) notifier_.InvalidateInode(superseded);
  }
  SetFreshnessLocked(directory, frame.freshness);
  held_.NotePublished(directory, loop_.Now());
  failures_.erase(directory);
  ShowFormsLocked(directory);
  MakeDependentsLocked(directory);
  held_.ForgetFreed();
  ++state_.header().counters.publications;
  return Ok();
}

void GateAnswers::OnPublished(const std::string& backend, protocol::Published frame) {
  std::vector<Waiter> waiters;
  std::optional<Error> failure;
  {
    MutexLock lock(mutex_);
    ++state_.header().counters.fetches;
    std::vector<uint32_t> directories = trees_.DirectoriesFor(backend, frame.secret);
    if (directories.empty() && trees_.ScopedTreeAbove(backend, frame.secret) != nullptr) {
      ended_.emplace_back(backend, frame.secret);  // its holder is gone, or a predecessor's word was lost: not used
      RequestPumpLocked();
    }
    for (uint32_t directory : directories) {
      bool for_open = waits_.IsAskedForOpen(directory);
      bool asked = waits_.IsAsked(directory, Question::kValue) || for_open;
      auto asking = waits_.TakeAll(directory, Question::kValue);
      if (!asked && SecretVersionLocked(directory) == 0) {  // nobody asked for it and nobody holds it
        if (nodes_[directory].minted != 0) held_.NotePublished(directory, loop_.Now());  // its Idle may have been lost
        continue;
      }
      Status published = PublishLocked(directory, frame);
      if (for_open) held_.NoteAsked(directory);
      if (for_open && published.ok()) held_.NoteBrought(directory);
      if (!published.ok()) failure = std::move(published).error();
      std::move(asking.begin(), asking.end(), std::back_inserter(waiters));
    }
  }
  Resume(waiters, failure);
}

void GateAnswers::OnUnchanged(const std::string& backend, const protocol::Unchanged& frame) {
  std::vector<Waiter> waiters;
  {
    MutexLock lock(mutex_);
    for (uint32_t directory : trees_.DirectoriesFor(backend, frame.secret)) {
      if (SecretVersionLocked(directory) == frame.version) SetFreshnessLocked(directory, frame.freshness);
      failures_.erase(directory);
      auto asking = waits_.TakeAll(directory, Question::kValue);
      std::move(asking.begin(), asking.end(), std::back_inserter(waiters));
    }
  }
  Resume(waiters, std::nullopt);
}

bool GateAnswers::MayNotBeListedLocked(uint32_t directory) const {
  auto failure = listing_failures_.find(directory);
  return failure != listing_failures_.end() && failure->second.error.kind() == ErrorKind::kDenied;
}

void GateAnswers::NoteFoundLocked(uint32_t directory) {
  if (nodes_[directory].present == 0 && MayNotBeListedLocked(nodes_[directory].parent)) nodes_[directory].present = 1;
}

// That a reader asked for what is not there is no news; that the one secret which a tree is to show is missing is.
std::optional<std::string> GateAnswers::WordsLocked(Link& link, const protocol::Failed& frame) const {
  if (frame.kind == ErrorKind::kNotFound) {
    if (frame.what == protocol::Failed::What::kDirectory) return std::nullopt;
    std::vector<uint32_t> directories = trees_.DirectoriesFor(link.link.name(), frame.path);
    auto is_root = [&](uint32_t node) REQUIRES(mutex_) { return trees_.IsRoot(node); };
    if (std::none_of(directories.begin(), directories.end(), is_root)) return std::nullopt;
  }
  BootTime now = loop_.Now();
  std::erase_if(link.said, [&](const auto& item) { return now - item.second > kSayAgain; });
  if (link.said.size() >= kMaxSaid || !link.said.emplace(frame.message, now).second) return std::nullopt;
  return StrCat("backend ", link.link.name(), ", ", frame.path.empty() ? "its root" : Printable(frame.path, 200), ": ",
                frame.message);
}

void GateAnswers::OnFailed(const std::string& backend, const protocol::Failed& frame) {
  bool names = frame.what == protocol::Failed::What::kDirectory;
  Error error = ErrorOf(frame);
  bool empty_listing = names && frame.kind == ErrorKind::kNotFound;  // of a tree's root the directory stays, empty
  std::vector<Waiter> waiters;
  std::optional<std::string> words;
  {
    MutexLock lock(mutex_);
    if (Link* link = FindLinkLocked(backend)) words = WordsLocked(*link, frame);
    for (uint32_t directory : trees_.DirectoriesFor(backend, frame.path)) {
      auto& failures = names ? listing_failures_ : failures_;
      if (failures.size() >= kMaxFailures) failures.erase(failures.begin());
      failures.insert_or_assign(directory, Failure{error, frame.retry_at});
      if (names && frame.kind == ErrorKind::kDenied) NoteFoundLocked(directory);
      if (empty_listing) {
        failures.erase(directory);
        ApplyListingLocked(directory, {});
        nodes_[directory].listed_until_ns = ToNanoseconds(frame.retry_at == BootTime{} ? kNever : frame.retry_at);
      }
      if (frame.kind == ErrorKind::kNotFound && !names) {
        held_.Withdraw(directory);
        for (uint32_t child = nodes_.FirstChild(directory); child != kNoNode; child = nodes_.NextSibling(child)) {
          if (!nodes_.IsDirectory(child) && !derived_.IsFile(child)) held_.Remove(child);
        }
      } else if (!IsOutage(error.kind()) && !names) {  // an answer: what is held goes at once (S17)
        held_.Withdraw(directory);
      }
      held_.ForgetFreed();
      auto asking = waits_.TakeAll(directory, names ? Question::kNames : Question::kValue);
      std::move(asking.begin(), asking.end(), std::back_inserter(waiters));
    }
  }
  if (words) LogWarning(*words);
  Resume(waiters, empty_listing ? std::nullopt : std::optional<Error>(error));
}

void GateAnswers::OnEntries(const std::string& backend, protocol::Entries frame) {
  std::vector<Waiter> waiters;
  {
    MutexLock lock(mutex_);
    Link* link = FindLinkLocked(backend);
    if (link == nullptr) return;
    auto& entries = link->partial_listings[frame.directory];
    std::move(frame.entries.begin(), frame.entries.end(), std::back_inserter(entries));
    if (!frame.last) return;
    for (uint32_t directory : trees_.DirectoriesFor(backend, frame.directory)) {
      if (!entries.empty()) NoteFoundLocked(directory);
      nodes_[directory].minted = frame.minted ? 1 : 0;  // first: what is listed is known to be either
      ApplyListingLocked(directory, entries);
      nodes_[directory].listed_until_ns = ToNanoseconds(frame.fresh_until);
      listing_failures_.erase(directory);
      auto asking = waits_.TakeAll(directory, Question::kNames);
      std::move(asking.begin(), asking.end(), std::back_inserter(waiters));
    }
    link->partial_listings.erase(frame.directory);
    held_.ForgetFreed();
  }
  Resume(waiters, std::nullopt);
}

void GateAnswers::OnEntryChanged(const std::string& backend, const protocol::EntryChanged& frame) {
  MutexLock lock(mutex_);
  std::string name = EscapeName(frame.entry.name);
  bool folder = frame.entry.kind == protocol::EntryKind::kFolder;
  for (uint32_t directory : trees_.DirectoriesFor(backend, frame.directory)) {
    listing_failures_.erase(directory);
    if (nodes_[directory].listed == 0) continue;
    uint32_t other = nodes_.Find(directory, name, !folder);
    uint32_t evading = nodes_.Find(directory, EscapeNameForCollision(frame.entry.name), false);
    if (other != kNoNode || evading != kNoNode || name.size() > kMaxNameBytes || IsTakenLocked(directory, name)) {
      nodes_[directory].listed = 0;  // a key and a folder of one name: the whole listing says who is shown how
      continue;
    }
    if (!frame.present) {
      uint32_t node = nodes_.Find(directory, name, folder);
      if (node != kNoNode && nodes_[node].present != 0 && !derived_.IsPinned(node)) held_.Remove(node);
      if (!folder) ShowFormsLocked(directory);
      continue;
    }
    auto node = AddNodeLocked(directory, name, folder ? NodeKind::kDirectory : NodeKind::kFile);
    if (node.ok()) {
      nodes_[*node].present = 1;
      if (!folder) ShowFormsLocked(directory);
    } else {
      ++nodes_[directory].not_shown;
    }
  }
  held_.ForgetFreed();
}

void GateAnswers::OnChanged(const std::string& backend, const protocol::Changed& frame) {
  MutexLock lock(mutex_);
  Link* link = FindLinkLocked(backend);
  if (link == nullptr) return;
  for (uint32_t directory : trees_.DirectoriesFor(backend, frame.secret)) {
    held_.Expire(directory);
    failures_.erase(directory);
  }
  link->record.generation = std::max<uint64_t>(link->record.generation, frame.generation);
}

}  // namespace leasefs
