// A child that speaks the keeper's wire and nothing else. What it sees goes as lines into the file `log` beside the
// executable; files beside it tell it how to misbehave: die-ROLE, deaf-ROLE (does not stop when told to),
// refuse-config.
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "fs/base/aead.h"
#include "fs/base/strings.h"
#include "fs/keeper/child_wire.h"
#include "fs/keeper/memory_files.h"

namespace leasefs {
namespace {

volatile sig_atomic_t reload_wanted = 0;

std::string Folder() {
  char path[PATH_MAX] = {};
  if (readlink("/proc/self/exe", path, sizeof path - 1) < 0) _exit(9);
  std::string text = path;
  return text.substr(0, text.rfind('/'));
}
bool Told(const std::string& what) {
  return access(StrCat(Folder(), "/", what).c_str(), F_OK) == 0;
}

void Note(const std::string& line) {
  static int log = open((Folder() + "/log").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  std::string text = line + "\n";
  if (write(log, text.data(), text.size()) < 0) _exit(9);
}

std::string OpenDescriptors() {
  std::vector<int> numbers;
  DIR* directory = opendir("/proc/self/fd");
  while (const dirent* entry = readdir(directory)) {
    int number = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && number != dirfd(directory)) numbers.push_back(number);
  }
  closedir(directory);
  std::sort(numbers.begin(), numbers.end());
  std::string text;
  for (int number : numbers) text += StrCat(text.empty() ? "" : ",", number);
  return text;
}

std::string Environment() {
  std::string text;
  for (char** variable = environ; *variable != nullptr; ++variable) text += StrCat(*variable, ";");
  return text;
}

// What survives: a counter of starts.
uint64_t CountInState() {
  void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, kStateMemory, 0);
  if (memory == MAP_FAILED) _exit(9);
  return ++*static_cast<uint64_t*>(memory);
}

std::string KeyFingerprint() {
  Result<SecretBuffer> key = ReadKeyPipe(kStateKeyPipe, kKeyBytes);
  if (!key.ok()) return "none";
  return std::to_string(static_cast<unsigned>(HmacSha256(*key, {})[0]));
}

void Send(ChildMessageType type, uint64_t number = 0, const std::string& text = "") {
  if (!SendChildMessage(kKeeperSocket, ChildMessage::Make(type, number, text)).ok()) _exit(8);
}

class FakeChild {
 public:
  explicit FakeChild(std::string role) : role_(std::move(role)) {}

  void Run() {
    if (Told("die-" + role_)) {
      Send(ChildMessageType::kStatus, 0, "told to die");
      _exit(3);
    }
    Send(ChildMessageType::kReady);
    for (;;) {
      pollfd ready[2] = {{kKeeperSocket, POLLIN, 0}, {peer_.get(), POLLIN, 0}};
      (void)poll(ready, 2, 20);
      if (reload_wanted != 0) {
        reload_wanted = 0;
        Send(ChildMessageType::kReloadRequest, 7);
      }
      if (!asked_peer_ && Told("lose-peer-" + role_)) {
        asked_peer_ = true;
        peer_.Reset();
        Send(ChildMessageType::kPeerRequest, 0, "local");
      }
      if (!asked_stop_ && Told("ask-stop-" + role_)) {
        asked_stop_ = true;
        Send(ChildMessageType::kStopRequest, Told("ask-revoke") ? 1 : 0);
      }
      ReadKeeper();
      if (ready[1].revents != 0) ReadPeer();
    }
  }

 private:
  void ReadKeeper() {
    for (;;) {
      auto received = ReceiveChildMessage(kKeeperSocket);
      if (!received.ok()) _exit(7);
      if (!received->has_value()) return;
      Handle(**received);
    }
  }

  void Handle(ChildMessage& message) {
    switch (message.type) {
      case ChildMessageType::kPing:
        return Send(ChildMessageType::kPong, message.number);
      case ChildMessageType::kPeer: {
        peer_ = std::move(message.descriptors.front());
        std::string hello = StrCat(role_, " ", getpid());
        (void)!write(peer_.get(), hello.data(), hello.size());
        return;
      }
      case ChildMessageType::kConfig:
        Note(StrCat(role_, " config ", message.number));
        return Send(ChildMessageType::kConfigResult, message.number, Told("refuse-config") ? "not with me" : "");
      case ChildMessageType::kAuditFile: {
        std::string line = "audit goes on\n";
        (void)!write(message.descriptors.front().get(), line.data(), line.size());
        return Note(role_ + " audit");
      }
      case ChildMessageType::kStoreKey: {
        char text[100];
        ssize_t got = read(message.descriptors.front().get(), text, sizeof text);
        return Note(StrCat(role_, " key ", std::string_view(text, got > 0 ? static_cast<size_t>(got) : 0)));
      }
      case ChildMessageType::kStop:
        Note(StrCat(role_, " stop", message.number == 1 ? " and revoke" : ""));
        if (!Told("deaf-" + role_)) _exit(0);
        return;
      case ChildMessageType::kReloadResult:
        return Note(StrCat(role_, " reload-result ", message.number, " ", message.text));
      default:
        _exit(6);
    }
  }

  void ReadPeer() {
    char text[100];
    ssize_t got = read(peer_.get(), text, sizeof text);
    if (got > 0) return Note(StrCat(role_, " hears ", std::string_view(text, static_cast<size_t>(got))));
    if (got == 0) peer_.Reset();
  }

  const std::string role_;
  UniqueFd peer_;
  bool asked_peer_ = false;
  bool asked_stop_ = false;
};

int Main(int argc, char** argv) {
  std::string arguments, role;
  for (int i = 1; i < argc; ++i) {
    arguments += StrCat(argv[i], " ");
    if (i > 1 && std::string(argv[i - 1]) == "--role") role = argv[i];
  }
  signal(SIGUSR2, [](int) { reload_wanted = 1; });
  sigset_t blocked;
  sigprocmask(SIG_BLOCK, nullptr, &blocked);
  bool clear = sigismember(&blocked, SIGTERM) == 0;
  std::string descriptors = OpenDescriptors();
  std::string line = StrCat(role, " start pid=", getpid(), " fds=", descriptors, " env=", Environment(),
                            " signals=", clear ? "clear" : "blocked");
  if (role == "fs") line += StrCat(" state=", CountInState(), " key=", KeyFingerprint());
  Note(StrCat(line, " args=", arguments));
  FakeChild(role).Run();
  return 0;
}

}  // namespace
}  // namespace leasefs

int main(int argc, char** argv) {
  return leasefs::Main(argc, argv);
}
