#include "fs/cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "fs/base/strings.h"
#include "fs/cli/json_writer.h"

namespace leasefs::cli {
namespace {

bool IsSet(const std::optional<std::string>& value) {
  return value && !value->empty();
}

size_t TerminalWidth(int fd, const Environment& environment) {
  size_t columns = 0;
  if (const auto text = environment("COLUMNS")) std::from_chars(text->data(), text->data() + text->size(), columns);
  winsize size{};
  if (columns == 0 && ioctl(fd, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
  return columns >= 20 && columns <= 1000 ? columns : 80;
}

bool SpeaksUtf8(const Environment& environment) {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const auto value = environment(name);
    if (IsSet(value)) return value->find("UTF-8") != std::string::npos || value->find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

Console::Console(Descriptors descriptors, const Environment& environment)
    : descriptors_(descriptors),
      in_terminal_(isatty(descriptors.in) == 1),
      out_terminal_(isatty(descriptors.out) == 1),
      err_terminal_(isatty(descriptors.err) == 1),
      utf8_(SpeaksUtf8(environment)) {
  const auto forced = environment("CLICOLOR_FORCE");
  color_forced_ = IsSet(forced) && *forced != "0";
  if (IsSet(environment("NO_COLOR")) || environment("TERM").value_or("") == "dumb") color_ = false;
  width_ = TerminalWidth(err_terminal_ ? descriptors.err : descriptors.out, environment);
}

void Console::Write(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      if (fd == descriptors_.out) write_failed_ = true;
      return;
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void Console::Data(std::string_view text) {
  Write(descriptors_.out, std::as_bytes(std::span(text)));
}
void Console::Data(const SecretBuffer& bytes) {
  Write(descriptors_.out, bytes.Expose());
}
void Console::RawWords(std::string_view text) {
  Write(descriptors_.err, std::as_bytes(std::span(text)));
}

void Console::Words(std::string_view line) {
  if (!quiet_) RawWords(StrCat(line, '\n'));
}

void Console::Warning(std::string_view line) {
  RawWords(StrCat("leasefs: ", TonedFor(err_terminal_, Tone::kUneasy, "warning"), ": ", line, '\n'));
}

void Console::Report(const Failure& failure, bool json) {
  if (json) {
    JsonWriter writer;
    writer.BeginObject().BeginObject("error");
    writer.Text("code", failure.code).Text("message", failure.message).Text("hint", failure.hint);
    writer.EndObject().EndObject();
    Write(descriptors_.err, std::move(writer).Take().Expose());
    return;
  }
  std::string text = StrCat("leasefs: ", failure.message, '\n');
  if (!failure.hint.empty()) text += StrCat(TonedFor(err_terminal_, Tone::kStrong, "  -> "), failure.hint, '\n');
  RawWords(text);
}

std::string Console::Toned(Tone tone, std::string_view text) const {
  return TonedFor(out_terminal_, tone, text);
}

std::string Console::TonedFor(bool wanted, Tone tone, std::string_view text) const {
  if (!color_ || !(wanted || color_forced_)) return std::string(text);
  std::string_view code;
  switch (tone) {
    case Tone::kGood:
      code = "32";
      break;
    case Tone::kUneasy:
      code = "33";
      break;
    case Tone::kBad:
      code = "31";
      break;
    case Tone::kStrong:
      code = "1";
      break;
  }
  return StrCat("\033[", code, 'm', text, "\033[0m");
}

}  // namespace leasefs::cli
