// The tables of surviving memory, each attached again as a successor of a killed process does it.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "fs/base/sim_loop.h"
#include "fs/secrets/extent_allocator.h"
#include "fs/secrets/handle_table.h"
#include "fs/secrets/name_escape.h"
#include "fs/secrets/node_table.h"
#include "fs/secrets/version_table.h"
#include "tests/support/sim_mount.h"

namespace leasefs {
namespace {

constexpr uint32_t kNames = 200'000;

struct Memory {
  Memory() : memory(StateMemoryBytes(kNames)), state(StateMemory::Attach(memory.bytes(), kNames).value()) {}
  SimMemory memory;
  StateMemory state;
};

TEST(NameEscapeTest, S4_RoundTripOfAHundredThousandRandomNames) {
  SimRandom random(7);
  for (int i = 0; i < 100'000; ++i) {
    std::string raw(1 + random.Below(40), '\0');
    for (char& byte : raw)
      byte = static_cast<char>(random.Below(3) == 0 ? "/.%\0a"[random.Below(5)] : random.Below(256));
    std::string plain = EscapeName(raw), evading = EscapeNameForCollision(raw);
    ASSERT_NE(plain, evading);
    for (const std::string& name : {plain, evading}) {
      if (name.empty()) continue;  // nothing is left to escape: such a key gives way to a folder
      ASSERT_EQ(UnescapeName(name), raw);
      ASSERT_EQ(name.find('/'), std::string::npos);
      ASSERT_EQ(name.find('\0'), std::string::npos);
      ASSERT_NE(name, ".");
      ASSERT_NE(name, "..");
    }
    ASSERT_EQ(evading.empty(), raw == "." || raw.find_first_not_of(std::string_view("%/\0", 3)) == std::string::npos);
  }
  EXPECT_EQ(EscapeNameForCollision("name"), "nam%65");
  EXPECT_EQ(EscapeNameForCollision("ab%"), "a%62%25");
  EXPECT_EQ(EscapeNameForCollision(".."), "%2E%2E");
  EXPECT_FALSE(UnescapeName("a%2").has_value());
  EXPECT_FALSE(UnescapeName("%zz").has_value());
}

TEST(ExtentAllocatorTest, NeverHandsOutOverlapAndCoalesces) {
  ExtentAllocator allocator(1 << 20);
  SimRandom random(3);
  std::map<uint64_t, uint64_t> held;
  for (int i = 0; i < 20'000; ++i) {
    if (random.Below(2) == 0 || held.empty()) {
      uint64_t size = 1 + random.Below(3000);
      auto offset = allocator.Allocate(size);
      if (!offset) continue;
      auto next = held.lower_bound(*offset);
      ASSERT_TRUE(next == held.end() || *offset + size <= next->first);
      ASSERT_TRUE(next == held.begin() || std::prev(next)->first + std::prev(next)->second <= *offset);
      held[*offset] = size;
    } else {
      auto it = std::next(held.begin(), static_cast<long>(random.Below(held.size())));
      allocator.Free(it->first, it->second);
      held.erase(it);
    }
  }
  for (auto [offset, size] : held) allocator.Free(offset, size);
  EXPECT_EQ(allocator.used(), 0u);
  EXPECT_EQ(allocator.Allocate(1 << 20), 0u);
}

TEST(NodeTableTest, ASuccessorFindsTheSameNodes) {
  Memory memory;
  NodeTable nodes(memory.state);
  std::map<std::string, uint32_t> by_path;
  for (int i = 0; i < 50'000; ++i) {
    uint32_t directory = *nodes.Add(kRootNode, "d" + std::to_string(i % 100), NodeKind::kDirectory);
    uint32_t file = *nodes.Add(directory, "k" + std::to_string(i), NodeKind::kFile);
    nodes[directory].present = nodes[file].present = 1;
    by_path[nodes.Path(file)] = file;
  }
  NodeTable successor(memory.state);
  EXPECT_EQ(successor.count(), nodes.count());
  for (const auto& [path, node] : by_path) ASSERT_EQ(successor.Walk(kRootNode, path), node) << path;
  size_t children = 0;
  for (uint32_t child = successor.FirstChild(kRootNode); child != kNoNode; child = successor.NextSibling(child))
    ++children;
  EXPECT_EQ(children, 100u);
}

TEST(NodeTableTest, AFullTableIsAnError) {
  SimMemory memory(StateMemoryBytes(8));
  NodeTable nodes(StateMemory::Attach(memory.bytes(), 8).value());
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(nodes.Add(kRootNode, std::to_string(i), NodeKind::kFile).ok());
  EXPECT_EQ(nodes.Add(kRootNode, "more", NodeKind::kFile).error().kind(), ErrorKind::kNoMemory);
  EXPECT_FALSE(StateMemory::Attach(memory.bytes(), 9).ok());
}

class VersionTableTest : public testing::Test {
 protected:
  VersionTableTest() : key_(kKeyBytes), nodes_(memory_.state) {
    directory_ = *nodes_.Add(kRootNode, "secret", NodeKind::kDirectory);
    for (const char* name : {"a", "b", "c"}) files_.push_back(*nodes_.Add(directory_, name, NodeKind::kFile));
  }
  uint32_t Stage(VersionTable& table, uint32_t file, uint64_t publication, const std::string& bytes) {
    SecretBuffer value = SecretBuffer::CopyOf(bytes);
    return *table.Stage({file, nodes_[file].version + 1, 0, publication, {}, table.MacOf(value)}, value);
  }
  // Staged, committed and applied.
  uint32_t Publish(VersionTable& table, uint32_t file, uint64_t publication, const std::string& bytes) {
    uint32_t slot = Stage(table, file, publication, bytes);
    nodes_[directory_].publication = publication;
    table.Apply(slot);
    return slot;
  }
  std::string BytesOf(const VersionTable& table, uint32_t file) {
    uint32_t slot = table.CurrentSlot(file);
    return slot == kNoSlot ? "" : std::string(table.Unseal(slot)->ExposeText());
  }

  Memory memory_;
  SimRandom random_{1};
  SecretBuffer key_;
  NodeTable nodes_;
  uint32_t directory_;
  std::vector<uint32_t> files_;
};

TEST_F(VersionTableTest, APublicationThatWasNotCommittedLeavesNothing) {
  {
    VersionTable table(memory_.state, nodes_, random_, key_);
    for (uint32_t file : files_) Stage(table, file, 1, "bytes");
  }
  VersionTable successor(memory_.state, nodes_, random_, key_);
  successor.FinishRecovery();
  for (uint32_t file : files_) EXPECT_EQ(successor.CurrentSlot(file), kNoSlot);
  EXPECT_EQ(successor.sealed_bytes(), 0u);
}

TEST_F(VersionTableTest, ACommittedPublicationIsWholeWhereverTheKillFell) {
  std::string before;
  for (size_t round = 0; round <= files_.size() + 1; ++round) {
    size_t applied = std::min(round == 0 ? files_.size() : round - 1, files_.size());
    std::string bytes = "round " + std::to_string(round);
    uint64_t open = 2 * round;  // of the version that is superseded in this round
    {
      VersionTable table(memory_.state, nodes_, random_, key_);
      HandleTable handles(memory_.state, table);
      table.FinishRecovery();
      if (round > 0) {
        ASSERT_TRUE(
            handles.Insert(open, table.CurrentSlot(files_[0]), files_[0], nodes_[files_[0]].version, false, 0).ok());
      }
      uint64_t publication = nodes_[directory_].publication + 1;
      std::vector<uint32_t> slots;
      for (uint32_t file : files_) slots.push_back(Stage(table, file, publication, bytes));
      nodes_[directory_].publication = publication;
      for (size_t i = 0; i < applied; ++i) table.Apply(slots[i]);
    }
    VersionTable successor(memory_.state, nodes_, random_, key_);
    HandleTable handles(memory_.state, successor);
    successor.FinishRecovery();
    for (uint32_t file : files_) EXPECT_EQ(BytesOf(successor, file), bytes);
    if (round > 0) {
      EXPECT_EQ(successor.sealed_bytes(), (files_.size() + 1) * 64);
      // Nobody is given the place of what the descriptor reads.
      for (int i = 0; i < 4; ++i) Stage(successor, files_[1], nodes_[directory_].publication + 1, "of another secret");
      ASSERT_TRUE(handles.IsIntact(*handles.Find(open)));
      EXPECT_EQ(successor.Unseal(handles.Find(open)->slot)->ExposeText(), before);
      handles.Remove(open);
    }
    before = bytes;
  }
}

TEST_F(VersionTableTest, S8_TwoPlacesOfOneInodeAreKnownUntilBothAreClosed) {
  VersionTable table(memory_.state, nodes_, random_, key_);
  HandleTable handles(memory_.state, table);
  table.FinishRecovery();
  uint32_t first = Publish(table, files_[0], 1, "equal");
  ASSERT_TRUE(handles.Insert(2, first, files_[0], 1, false, 0).ok());
  table.Drop(files_[0]);  // let go of, and fetched again
  SecretBuffer value = SecretBuffer::CopyOf("equal");
  uint32_t second = *table.Stage({files_[0], 1, 0, 2, {}, table.MacOf(value)}, value);
  nodes_[directory_].publication = 2;
  table.Apply(second);
  ASSERT_TRUE(handles.Insert(4, second, files_[0], 1, false, 0).ok());
  Publish(table, files_[0], 3, "and longer");
  handles.Remove(4);
  EXPECT_EQ(table.SupersededSlot({files_[0], 1}), first);
  handles.Remove(2);
  EXPECT_EQ(table.SupersededSlot({files_[0], 1}), kNoSlot);
}

TEST_F(VersionTableTest, ADescriptorWhosePlaceHasAnotherVersionIsNotIntact) {
  VersionTable table(memory_.state, nodes_, random_, key_);
  HandleTable handles(memory_.state, table);
  table.FinishRecovery();
  uint32_t slot = Publish(table, files_[0], 1, "v");
  ASSERT_TRUE(handles.Insert(2, slot, files_[0], 1, false, 0).ok());
  EXPECT_TRUE(handles.IsIntact(*handles.Find(2)));
  memory_.state.versions()[slot].node = files_[1];
  EXPECT_FALSE(handles.IsIntact(*handles.Find(2)));
}

TEST_F(VersionTableTest, AHeldVersionOutlivesItsReplacementAndItsProcess) {
  uint32_t first = 0;
  {
    VersionTable table(memory_.state, nodes_, random_, key_);
    HandleTable handles(memory_.state, table);
    table.FinishRecovery();
    first = Publish(table, files_[0], 1, "first");
    ASSERT_TRUE(handles.Insert(1002, first, files_[0], 1, false, 0).ok());
    Publish(table, files_[0], 2, "second");
  }
  VersionTable successor(memory_.state, nodes_, random_, key_);
  HandleTable handles(memory_.state, successor);
  successor.FinishRecovery();
  ASSERT_NE(handles.Find(1002), nullptr);
  EXPECT_EQ(successor.Unseal(handles.Find(1002)->slot)->ExposeText(), "first");
  EXPECT_EQ(successor.SupersededSlot({files_[0], 1}), first);
  EXPECT_EQ(BytesOf(successor, files_[0]), "second");
  handles.Remove(1002);
  EXPECT_EQ(successor.SupersededSlot({files_[0], 1}), kNoSlot);
}

TEST_F(VersionTableTest, AReplayedOpenInsertsNothingTwiceNorAfterItsRelease) {
  VersionTable table(memory_.state, nodes_, random_, key_);
  HandleTable handles(memory_.state, table);
  table.FinishRecovery();
  uint32_t slot = Publish(table, files_[0], 1, "v");
  ASSERT_TRUE(handles.Insert(42, slot, files_[0], 1, false, 0).ok());
  ASSERT_TRUE(handles.Insert(42, slot, files_[0], 1, true, 0).ok());
  EXPECT_EQ(handles.count(), 1u);
  handles.Remove(42);
  ASSERT_TRUE(handles.Insert(42, slot, files_[0], 1, true, 0).ok());
  EXPECT_EQ(handles.count(), 0u);
  ASSERT_TRUE(handles.Insert(44, slot, files_[0], 1, false, 0).ok());
  handles.Undo(44);  // nobody was told of it: its replay is as new
  EXPECT_EQ(handles.count(), 0u);
  ASSERT_TRUE(handles.Insert(44, slot, files_[0], 1, true, 0).ok());
  EXPECT_EQ(handles.count(), 1u);
}

TEST_F(VersionTableTest, S25_OneUidLeavesDescriptorsToOthers) {
  uint32_t slot = 0;
  {
    VersionTable table(memory_.state, nodes_, random_, key_);
    HandleTable handles(memory_.state, table);
    table.FinishRecovery();
    slot = Publish(table, files_[0], 1, "v");
    for (uint64_t i = 1; i <= kMaxHandlesPerUid; ++i) {
      ASSERT_TRUE(handles.Insert(2 * i, slot, files_[0], 1, false, 1000).ok());
    }
    EXPECT_EQ(handles.Insert(1, slot, files_[0], 1, false, 1000).error().kind(), ErrorKind::kBusy);
    EXPECT_TRUE(handles.Insert(3, slot, files_[0], 1, false, 2000).ok());
  }
  VersionTable successor(memory_.state, nodes_, random_, key_);
  HandleTable handles(memory_.state, successor);
  successor.FinishRecovery();
  EXPECT_EQ(handles.Insert(1, slot, files_[0], 1, false, 1000).error().kind(), ErrorKind::kBusy);
  handles.Remove(2);
  EXPECT_TRUE(handles.Insert(1, slot, files_[0], 1, false, 1000).ok());
}

TEST_F(VersionTableTest, DamagedMemoryIsAnErrorNeverOtherBytes) {
  VersionTable table(memory_.state, nodes_, random_, key_);
  uint32_t slot = Stage(table, files_[0], 1, "value");
  memory_.state.blobs()[table[slot].blob_offset + 14] ^= std::byte{1};
  EXPECT_FALSE(table.Unseal(slot).ok());
}

TEST(ReopenMarksTest, AMarkIsTakenOnceAndSurvives) {
  Memory memory;
  ReopenMarks marks(memory.state);
  marks.Set(7, {8, false, 40});
  marks.Set(7, {9, true, 42});
  EXPECT_EQ(marks.Find(7)->unique, 42u);
  EXPECT_FALSE(marks.Take(8).has_value());
  auto taken = ReopenMarks(memory.state).Take(7);
  ASSERT_TRUE(taken.has_value());
  EXPECT_EQ(taken->node, 9u);
  EXPECT_TRUE(taken->fetched);
  EXPECT_EQ(taken->unique, 42u);
  EXPECT_FALSE(marks.Take(7).has_value());
}

TEST(ReopenMarksTest, TenThousandThreadsAtOnceLoseNone) {
  Memory memory;
  ReopenMarks marks(memory.state);
  for (uint32_t tid = 1; tid <= 10'000; ++tid) marks.Set(tid, {5, false});
  for (uint32_t tid = 1; tid <= 10'000; ++tid) ASSERT_TRUE(marks.Take(tid).has_value()) << tid;
  EXPECT_EQ(memory.state.header().far_marks, 0u);
}

TEST(ReopenMarksTest, ASuccessorCountsWhatItsPredecessorLeft) {
  Memory memory;
  ReopenMarks marks(memory.state);
  for (uint32_t tid = 1; tid <= 1000; ++tid) marks.Set(tid, {5, false});
  const uint32_t far = memory.state.header().far_marks;
  EXPECT_GT(far, 0u);
  ++memory.state.header().far_marks;  // killed before it set the mark
  ReopenMarks successor(memory.state);
  EXPECT_EQ(memory.state.header().far_marks, far);
  for (uint32_t tid = 1; tid <= 1000; ++tid) ASSERT_TRUE(successor.Take(tid).has_value()) << tid;
  EXPECT_EQ(memory.state.header().far_marks, 0u);
}

TEST(ReopenMarksTest, AFewThreadsAtATimeNeedOnePage) {
  Memory memory;
  ReopenMarks marks(memory.state);
  for (uint32_t tid = 1; tid <= 10'000; ++tid) {
    marks.Set(tid, {5, false});
    if (tid > 8) ASSERT_TRUE(marks.Take(tid - 8).has_value()) << tid;
    ASSERT_EQ(memory.state.header().far_marks, 0u);
  }
  const auto is_free = [](const ReopenMark& mark) { return mark.key == 0; };
  EXPECT_TRUE(std::ranges::all_of(memory.state.marks().subspan(kNearMarks), is_free));
}

}  // namespace
}  // namespace leasefs
