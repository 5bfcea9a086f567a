#include "fs/cli/prompt.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "fs/base/strings.h"
#include "fs/cli/read_file.h"

namespace leasefs::cli {
namespace {

constexpr size_t kTerminalLine = 4095;  // N_TTY_BUF_SIZE - 1: what is longer is cut without a word
constexpr size_t kMinPassphrase = 8;
constexpr size_t kMaxPassphrase = 4096;

constexpr std::array kSignals = {SIGALRM, SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};
volatile sig_atomic_t caught_signal = 0;

void Remember(int number) {
  caught_signal = number;
}

// While it lives the terminal does not show what is typed. Signals are held back and come only while ReadLine waits,
// where they are only remembered: so none is lost between the question and the answer.
class HiddenInput {
 public:
  explicit HiddenInput(int terminal) : terminal_(terminal) {
    caught_signal = 0;
    sigset_t held;
    sigemptyset(&held);
    for (const int number : kSignals) sigaddset(&held, number);
    // These come from the calls below, when we are in the background: then nothing is changed and we stop, as others
    // do.
    for (const int number : {SIGTTIN, SIGTTOU}) sigdelset(&held, number);
    sigprocmask(SIG_BLOCK, &held, &old_mask_);
    struct sigaction remember {};
    remember.sa_handler = Remember;
    for (size_t i = 0; i < kSignals.size(); ++i) {
      sigaction(kSignals[i], nullptr, &old_actions_[i]);
      if (old_actions_[i].sa_handler != SIG_IGN) sigaction(kSignals[i], &remember, nullptr);
    }
    valid_ = tcgetattr(terminal_, &old_mode_) == 0;
    termios hidden = old_mode_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL);
    hidden.c_lflag |= static_cast<tcflag_t>(ICANON | ISIG);
    if (valid_) valid_ = tcsetattr(terminal_, TCSAFLUSH, &hidden) == 0;
  }
  ~HiddenInput() {
    if (valid_) tcsetattr(terminal_, TCSAFLUSH, &old_mode_);
    sigprocmask(SIG_SETMASK, &old_mask_, nullptr);  // what came meanwhile is remembered too
    for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &old_actions_[i], nullptr);
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;

  bool valid() const { return valid_; }

  enum class LineEnd { kRead, kEndOfFile, kFailed };
  LineEnd ReadLine(SecretBuffer& line) const {
    line.Resize(kTerminalLine + 1);
    pollfd ready{terminal_, POLLIN, 0};
    while (ppoll(&ready, 1, nullptr, &old_mask_) < 0) {
      if (errno != EINTR || caught_signal != 0) return LineEnd::kFailed;
    }
    const ssize_t got = read(terminal_, line.ExposeMutable().data(), line.size());
    if (got < 0) return LineEnd::kFailed;
    line.Resize(static_cast<size_t>(got));
    return got == 0 ? LineEnd::kEndOfFile : LineEnd::kRead;
  }

 private:
  int terminal_;
  bool valid_ = false;
  sigset_t old_mask_{};
  termios old_mode_{};
  std::array<struct sigaction, kSignals.size()> old_actions_{};
};
using LineEnd = HiddenInput::LineEnd;

}  // namespace

Outcome<SecretBuffer> AskHidden(Console& console, const std::string& prompt) {
  for (;;) {
    SecretBuffer line;
    LineEnd end = LineEnd::kFailed;
    {
      HiddenInput hidden(console.in());
      if (hidden.valid()) {
        console.RawWords(prompt);
        end = hidden.ReadLine(line);
        console.RawWords("\n");
      }
    }
    if (const int number = caught_signal; number != 0) {
      raise(number);  // what would have happened without us; from a stop we come back
      if (number == SIGTSTP || number == SIGTTIN || number == SIGTTOU) continue;
      return UsageFailure("interrupted", "nothing was changed");
    }
    if (end == LineEnd::kFailed)
      return UsageFailure("the terminal cannot be read without showing what is typed", "use standard input: KEY=-");
    const bool newline = line.ExposeText().ends_with('\n');
    if (end == LineEnd::kRead && line.size() >= kTerminalLine) {
      return UsageFailure(StrCat("a terminal takes ", kTerminalLine, " bytes at most"), "use KEY=@FILE or KEY=-");
    }
    if (end == LineEnd::kEndOfFile) return UsageFailure("no answer was given", "nothing was changed");
    if (newline) line.Resize(line.size() - 1);
    return line;
  }
}

Outcome<SecretBuffer> AskHiddenTwice(Console& console, const std::string& prompt) {
  LEASEFS_ASSIGN_OR_RETURN(first, AskHidden(console, StrCat(prompt, ": ")));
  LEASEFS_ASSIGN_OR_RETURN(second, AskHidden(console, StrCat(prompt, " (again): ")));
  if (!ConstantTimeEqual(first, second))
    return UsageFailure("the two are not the same", "nothing was changed; try again");
  return std::move(first);
}

Outcome<SecretBuffer> ReadPassphrase(Console& console, Passphrase passphrase) {
  SecretBuffer text;
  if (!console.in_is_terminal()) {
    LEASEFS_ASSIGN_OR_RETURN(piped, Local(ReadToEnd(console.in(), "standard input", kMaxPassphrase),
                                          "give the passphrase alone, on one line"));
    text = std::move(piped);
    if (text.ExposeText().ends_with('\n')) text.Resize(text.size() - 1);
  } else if (passphrase == Passphrase::kNew) {
    LEASEFS_ASSIGN_OR_RETURN(typed, AskHiddenTwice(console, "new passphrase"));
    text = std::move(typed);
  } else {
    LEASEFS_ASSIGN_OR_RETURN(typed, AskHidden(console, "passphrase: "));
    text = std::move(typed);
  }
  if (text.empty()) return UsageFailure("the passphrase is empty", "type it, or give it on standard input");
  if (passphrase == Passphrase::kNew && text.size() < kMinPassphrase) {
    return UsageFailure(StrCat("a passphrase needs at least ", kMinPassphrase, " bytes"), "six random words are good");
  }
  return text;
}

bool Confirm(Console& console, const std::string& question) {
  if (!console.in_is_terminal()) return false;
  console.RawWords(StrCat(question, " [y/N] "));
  std::array<char, 16> answer{};
  const ssize_t got = read(console.in(), answer.data(), answer.size());
  const std::string_view text(answer.data(), got > 0 ? static_cast<size_t>(got) : 0);
  return text == "y\n" || text == "Y\n" || text == "yes\n" || text == "Yes\n";
}

}  // namespace leasefs::cli
