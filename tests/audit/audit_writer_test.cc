// The writer with real sinks in simulated time: files, pipes, full disks, rotation, syslog and the journal.
#include "fs/audit/audit_writer.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

#include "fs/audit/syslog_sink.h"
#include "tests/audit/audit_support.h"

namespace leasefs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Sinks = std::vector<std::unique_ptr<AuditSink>>;

class AuditWriterTest : public testing::Test {
 protected:
  Status Open(uint64_t unique, bool required = true) {
    return ring_.Append(OpenEvent(unique), clock_.Now(), kMaxWait, required);
  }
  void OpenMany(uint64_t first, uint64_t last) {
    for (uint64_t unique = first; unique <= last; ++unique) ASSERT_TRUE(Open(unique).ok());
  }
  std::unique_ptr<AuditWriter> MakeWriter(Sinks sinks) {
    return std::make_unique<AuditWriter>(clock_, ring_, TestPath, std::move(sinks));
  }
  Sinks File(UniqueFd file) {
    Sinks sinks;
    sinks.push_back(std::make_unique<FileSink>(std::move(file), path_));
    return sinks;
  }
  Sinks File() { return File(OpenLog(path_)); }
  void AddSyslog(Sinks& sinks, const std::string& path) { sinks.push_back(std::make_unique<SyslogSink>(clock_, path)); }
  std::string Log() { return ReadAll(path_); }

  ScratchFolder folder_;
  std::string path_ = folder_ / "audit.jsonl";
  SimLoop clock_{1};
  RingMemory memory_;
  AuditRing ring_ = memory_.Attach();
};

// A receiver of datagrams at a path.
class Receiver {
 public:
  explicit Receiver(const std::string& path, int buffer = 0) : socket_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) std::abort();
    if (buffer > 0) setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
  }
  std::vector<std::string> Drain() {
    std::vector<std::string> all;
    char text[8192];
    for (;;) {
      ssize_t n = recv(socket_.get(), text, sizeof(text), MSG_DONTWAIT);
      if (n < 0) return all;
      all.emplace_back(text, static_cast<size_t>(n));
    }
  }

 private:
  UniqueFd socket_;
};

TEST_F(AuditWriterTest, WritesWhatWasRecordedAndReleasesIt) {
  auto writer = MakeWriter(File());
  OpenMany(1, 3000);
  while (writer->Step() > 0) {
  }
  EXPECT_EQ(FirstFlaw(Log()), "");
  EXPECT_EQ(LinesOf(Log()).size(), 3000u);
  EXPECT_EQ(ring_.figures().released, 3000u);
  ASSERT_EQ(writer->figures().size(), 1u);
  EXPECT_EQ(writer->figures()[0].accepted, 3000u);
  EXPECT_EQ(writer->figures()[0].behind, 0u);
  EXPECT_TRUE(writer->figures()[0].up);
}

TEST_F(AuditWriterTest, WithoutASinkRecordsAreTakenOutUnseen) {
  auto writer = MakeWriter({});
  OpenMany(1, 100);
  EXPECT_EQ(writer->Step(), 100u);
  EXPECT_TRUE(writer->figures().empty());
  clock_.RunFor(seconds(10));
  EXPECT_TRUE(Open(101).ok());
}

TEST_F(AuditWriterTest, GoesOnBehindWhatTheFileHad) {
  ASSERT_EQ(write(OpenLog(path_).get(), "{\"of\":\"yesterday\"}\n", 19), 19);
  auto writer = MakeWriter(File());
  OpenMany(1, 2);
  writer->Step();
  std::vector<std::string> lines = LinesOf(Log());
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "{\"of\":\"yesterday\"}");
  EXPECT_EQ(NumberIn(lines[2], "seq"), 2);
}

// S23
TEST_F(AuditWriterTest, OpensAreRefusedAfter250MillisecondsOfAPipeThatNobodyReads) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  UniqueFd reader(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  auto writer = MakeWriter(File(OpenLog(path_)));
  uint64_t unique = 0;
  while (writer->figures()[0].up) {  // until the pipe is full
    ASSERT_TRUE(Open(++unique).ok());
    writer->Step();
  }
  EXPECT_GE(writer->figures()[0].failed, 1u);
  EXPECT_NE(writer->figures()[0].last_error.find("temporarily unavailable"), std::string::npos);
  EXPECT_TRUE(Open(++unique).ok());
  for (int ms = 0; ms < 250; ms += 50) {
    clock_.RunFor(milliseconds(50));
    writer->Step();
  }
  EXPECT_TRUE(Open(++unique).ok()) << "250 ms, not more";
  clock_.RunFor(milliseconds(1));
  Status refused = Open(unique + 1);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind(), ErrorKind::kInternal);

  std::string log;
  char buffer[65536];
  for (int round = 0; round < 40; ++round) {
    ssize_t n;
    while ((n = read(reader.get(), buffer, sizeof(buffer))) > 0) log.append(buffer, static_cast<size_t>(n));
    clock_.RunFor(milliseconds(100));
    writer->Step();
  }
  EXPECT_EQ(FirstFlaw(log), "");
  EXPECT_EQ(LinesOf(log).size(), unique);
  EXPECT_TRUE(writer->figures()[0].up);
  EXPECT_TRUE(Open(unique + 1).ok());
}

TEST_F(AuditWriterTest, APipeWithoutAnyReaderFailsWithoutASignal) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  UniqueFd reader(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  UniqueFd file = OpenLog(path_);
  reader.Reset();
  auto writer = MakeWriter(File(std::move(file)));
  ASSERT_TRUE(Open(1).ok());
  std::thread thread([&] { writer->Run(); });  // Run blocks SIGPIPE
  while (writer->figures()[0].failed == 0) std::this_thread::yield();
  writer->Stop(Duration(0));
  thread.join();
  EXPECT_NE(writer->figures()[0].last_error.find("Broken pipe"), std::string::npos);
}

// A small tmpfs in a mount namespace of a child's own. Prints why it failed.
int WithSmallDisk(const std::string& folder, const std::function<bool()>& test) {
  pid_t child = fork();
  if (child == 0) {
    bool mounted = unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                   mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") == 0;
    if (!mounted) _exit(2);
    _exit(test() && !testing::Test::HasFailure() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(AuditWriterTest, AFullDiskLosesAndRepeatsNothing) {
  std::string disk = folder_ / "disk";
  ASSERT_EQ(mkdir(disk.c_str(), 0700), 0);
  int outcome = WithSmallDisk(disk, [&] {
    path_ = disk + "/audit.jsonl";
    std::string ballast = disk + "/ballast";
    EXPECT_EQ(write(OpenLog(ballast).get(), std::string(20'000, 'x').data(), 20'000), 20'000);
    auto writer = MakeWriter(File());
    for (uint64_t unique = 1; unique <= 250; ++unique) EXPECT_TRUE(Open(unique).ok());
    size_t taken = writer->Step();
    EXPECT_GT(taken, 0u);
    EXPECT_LT(taken, 250u);
    EXPECT_NE(Log().back(), '\n') << "the disk was full within a line";
    clock_.RunFor(milliseconds(100));
    EXPECT_EQ(writer->Step(), 0u);
    EXPECT_FALSE(writer->figures()[0].up);
    EXPECT_NE(writer->figures()[0].last_error.find("No space left"), std::string::npos);
    clock_.RunFor(milliseconds(200));
    EXPECT_FALSE(Open(251).ok()) << "S23";
    EXPECT_EQ(unlink(ballast.c_str()), 0);
    clock_.RunFor(seconds(1));
    EXPECT_GT(writer->Step(), 0u);
    while (writer->Step() > 0) clock_.RunFor(milliseconds(20));
    EXPECT_TRUE(writer->figures()[0].up);
    EXPECT_EQ(FirstFlaw(Log()), "");
    EXPECT_EQ(LinesOf(Log()).size(), 250u);
    EXPECT_TRUE(Open(251).ok());
    return true;
  });
  ASSERT_EQ(outcome, 0) << (outcome == 2 ? "needs root, to mount a small disk" : "");
}

TEST_F(AuditWriterTest, ARotatedFileIsLeftWholeAndTheNewOneTakesOver) {
  auto writer = MakeWriter(File());
  OpenMany(1, 10);
  writer->Step();
  ASSERT_EQ(rename(path_.c_str(), (folder_ / "audit.1").c_str()), 0);
  OpenMany(11, 20);
  writer->Step();  // still the old file
  writer->ReplaceFile(OpenLog(path_));
  OpenMany(21, 30);
  writer->Step();
  EXPECT_EQ(LinesOf(ReadAll(folder_ / "audit.1")).size(), 20u);
  EXPECT_EQ(FirstFlaw(ReadAll(folder_ / "audit.1") + Log()), "");
  EXPECT_EQ(LinesOf(Log()).size(), 10u);
}

TEST_F(AuditWriterTest, HalfALineDoesNotStayInARotatedFile) {
  std::string disk = folder_ / "disk";
  ASSERT_EQ(mkdir(disk.c_str(), 0700), 0);
  int outcome = WithSmallDisk(disk, [&] {
    auto writer = MakeWriter(File(OpenLog(disk + "/full")));
    for (uint64_t unique = 1; unique <= 400; ++unique) EXPECT_TRUE(Open(unique).ok());
    writer->Step();
    EXPECT_NE(ReadAll(disk + "/full").back(), '\n');
    writer->ReplaceFile(OpenLog(path_));  // elsewhere, with room
    writer->Step();
    std::string old = ReadAll(disk + "/full");
    EXPECT_EQ(FirstFlaw(old + Log()), "");
    EXPECT_EQ(LinesOf(old + Log()).size(), 400u);
    return true;
  });
  ASSERT_EQ(outcome, 0);
}

TEST_F(AuditWriterTest, AFileThatWasCutToNothingGoesOnWithWholeLines) {
  auto writer = MakeWriter(File());
  OpenMany(1, 10);
  writer->Step();
  ASSERT_EQ(truncate(path_.c_str(), 0), 0);  // logrotate's copytruncate
  OpenMany(11, 12);
  writer->Step();
  std::vector<std::string> lines = LinesOf(Log());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(NumberIn(lines[0], "seq"), 11);
}

TEST_F(AuditWriterTest, TheJournalGetsFields) {
  ASSERT_TRUE(SyslogSink::SpeaksJournal("/run/systemd/journal/socket"));
  ASSERT_TRUE(SyslogSink::SpeaksJournal("/run/systemd/journal.secrets/socket"));
  ASSERT_FALSE(SyslogSink::SpeaksJournal("/dev/log"));
  ASSERT_FALSE(SyslogSink::SpeaksJournal("/run/journal-socket"));
  ASSERT_EQ(mkdir((folder_ / "journal").c_str(), 0700), 0);
  Receiver receiver(folder_ / "journal/socket");
  Sinks sinks;
  AddSyslog(sinks, folder_ / "journal/socket");
  AuditEvent denied = OpenEvent(2);
  denied.error = EACCES;
  OpenMany(1, 1);
  ASSERT_TRUE(ring_.Append(denied, clock_.Now(), kMaxWait, true).ok());
  MakeWriter(std::move(sinks))->Step();
  std::vector<std::string> got = receiver.Drain();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_TRUE(got[0].starts_with("SYSLOG_IDENTIFIER=leasefs-audit\nSYSLOG_FACILITY=10\nPRIORITY=6\nMESSAGE={"))
      << got[0];
  EXPECT_NE(got[1].find("\nPRIORITY=5\nMESSAGE={\"seq\":2,"), std::string::npos) << "a refusal is notable";
  EXPECT_TRUE(got[1].ends_with("}\n"));
}

TEST_F(AuditWriterTest, SyslogGetsAPriorityAndATag) {
  Receiver receiver(folder_ / "log");
  Sinks sinks;
  AddSyslog(sinks, folder_ / "log");
  OpenMany(1, 1);
  MakeWriter(std::move(sinks))->Step();
  std::vector<std::string> got = receiver.Drain();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_TRUE(got[0].starts_with("<86>leasefs-audit: {\"seq\":1,")) << got[0];
  EXPECT_EQ(got[0].back(), '}');
}

TEST_F(AuditWriterTest, ASyslogThatIsNotThereBesideAFileHoldsNothingUp) {
  Sinks sinks = File();
  AddSyslog(sinks, folder_ / "log");
  auto writer = MakeWriter(std::move(sinks));
  for (uint64_t unique = 1; unique <= 2 * AuditRing::kRecords; ++unique) {
    ASSERT_TRUE(Open(unique).ok()) << unique;
    if (unique % 1000 == 0) {
      writer->Step();
      clock_.RunFor(milliseconds(20));
    }
  }
  while (writer->Step() > 0) {
  }
  EXPECT_EQ(FirstFlaw(Log()), "");
  EXPECT_EQ(LinesOf(Log()).size(), 2 * AuditRing::kRecords);
  auto figures = writer->figures();
  EXPECT_FALSE(figures[1].up);
  EXPECT_EQ(figures[1].lost + figures[1].behind, 2 * AuditRing::kRecords);
  EXPECT_LE(figures[1].behind, AuditRing::kRecords / 2);

  Receiver receiver(folder_ / "log");
  std::atomic<bool> done{false};
  size_t received = 0;
  std::thread reader([&] {
    while (!done.load()) received += receiver.Drain().size();
    received += receiver.Drain().size();
  });
  for (int round = 0; round < 20'000 && writer->figures()[1].behind > 0; ++round) {
    clock_.RunFor(seconds(1));
    writer->Step();
  }
  done.store(true);
  reader.join();
  EXPECT_EQ(received, figures[1].behind) << "what was kept for it";
  EXPECT_TRUE(writer->figures()[1].up);
}

TEST_F(AuditWriterTest, AFileThatFailsBesideSyslogCatchesUp) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  UniqueFd reader(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  Receiver receiver(folder_ / "log");
  Sinks sinks = File(OpenLog(path_));
  AddSyslog(sinks, folder_ / "log");
  auto writer = MakeWriter(std::move(sinks));
  for (uint64_t unique = 1; unique <= 5000; ++unique) {
    ASSERT_TRUE(Open(unique).ok()) << "syslog has them";
    if (unique % 5 == 0) {
      writer->Step();
      receiver.Drain();
      clock_.RunFor(milliseconds(20));
    }
  }
  EXPECT_FALSE(writer->figures()[0].up);
  std::string log;
  char buffer[65536];
  for (int round = 0; round < 500 && writer->figures()[0].behind > 0; ++round) {
    ssize_t n;
    while ((n = read(reader.get(), buffer, sizeof(buffer))) > 0) log.append(buffer, static_cast<size_t>(n));
    clock_.RunFor(seconds(1));
    writer->Step();
  }
  ssize_t n;
  while ((n = read(reader.get(), buffer, sizeof(buffer))) > 0) log.append(buffer, static_cast<size_t>(n));
  EXPECT_EQ(FirstFlaw(log), "");
  EXPECT_EQ(LinesOf(log).size(), 5000u);
}

TEST_F(AuditWriterTest, AReceiverThatWasRestartedIsFoundAgain) {
  auto receiver = std::make_unique<Receiver>(folder_ / "log");
  Sinks sinks;
  AddSyslog(sinks, folder_ / "log");
  auto writer = MakeWriter(std::move(sinks));
  OpenMany(1, 1);
  writer->Step();
  EXPECT_EQ(receiver->Drain().size(), 1u);
  receiver.reset();
  ASSERT_EQ(unlink((folder_ / "log").c_str()), 0);
  receiver = std::make_unique<Receiver>(folder_ / "log");
  OpenMany(2, 2);
  EXPECT_EQ(writer->Step(), 1u);
  EXPECT_EQ(receiver->Drain().size(), 1u);
}

TEST_F(AuditWriterTest, ASuccessorGoesOnForEachSinkWhereItWas) {
  Receiver receiver(folder_ / "log");
  {
    Sinks sinks = File();
    AddSyslog(sinks, folder_ / "nobody");
    auto writer = MakeWriter(std::move(sinks));
    OpenMany(1, 8);
    writer->Step();
  }
  AuditRing ring = memory_.Attach();
  Sinks sinks = File();
  AddSyslog(sinks, folder_ / "log");
  AuditWriter writer(clock_, ring, TestPath, std::move(sinks));
  writer.Step();
  EXPECT_EQ(LinesOf(Log()).size(), 8u);
  EXPECT_EQ(receiver.Drain().size(), 8u);
}

// The thread, with a real clock for its sleeps.
TEST_F(AuditWriterTest, RunWritesAndStopDrains) {
  auto writer = MakeWriter(File());
  std::thread thread([&] { writer->Run(); });
  std::vector<std::thread> appenders;
  for (uint64_t t = 0; t < 3; ++t) {
    appenders.emplace_back([&, t] {
      for (uint64_t i = 1; i <= 5000; ++i) {
        while (!Open(t * 100'000 + i).ok()) std::this_thread::yield();
      }
    });
  }
  for (int i = 0; i < 20; ++i) writer->ReplaceFile(OpenLog(path_));
  for (auto& appender : appenders) appender.join();
  writer->Stop(seconds(100));
  thread.join();
  EXPECT_EQ(FirstFlaw(Log()), "");
  EXPECT_EQ(LinesOf(Log()).size(), 15'000u);
  EXPECT_EQ(ring_.figures().released, 15'000u);
}

}  // namespace
}  // namespace leasefs
