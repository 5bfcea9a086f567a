// Console: where a verb's data and words go, and what is known about the terminal. One per run, one thread.
//
// Data goes to standard output, words to standard error. A write that fails is remembered and becomes the exit status,
// since a truncated answer must not look like a whole one.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fs/base/secret_buffer.h"
#include "fs/cli/failure.h"

namespace leasefs::cli {

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

class Console {
 public:
  struct Descriptors {  // borrowed
    int in = 0;
    int out = 1;
    int err = 2;
  };
  Console(Descriptors descriptors, const Environment& environment);

  void SetQuiet(bool quiet) { quiet_ = quiet; }
  void SetColor(bool color) { color_ = color; }

  void Data(std::string_view text);
  // SECURITY: from the buffer to the descriptor, with no copy in between.
  void Data(const SecretBuffer& bytes);
  void Words(std::string_view line);    // not with --quiet; a newline is added
  void Warning(std::string_view line);  // also with --quiet
  void Report(const Failure& failure, bool json);

  // Data on the same line again and again, for progress; the text is written to standard error as it is.
  void RawWords(std::string_view text);

  int in() const { return descriptors_.in; }
  int err() const { return descriptors_.err; }
  bool in_is_terminal() const { return in_terminal_; }
  bool out_is_terminal() const { return out_terminal_; }
  bool err_is_terminal() const { return err_terminal_; }
  bool quiet() const { return quiet_; }
  bool utf8() const { return utf8_; }
  size_t width() const { return width_; }  // columns of the terminal, 80 when not known
  // True if standard output could not take everything.
  bool write_failed() const { return write_failed_; }

  enum class Tone { kGood, kUneasy, kBad, kStrong };
  // `text` in colour, where standard output takes colours.
  std::string Toned(Tone tone, std::string_view text) const;

 private:
  void Write(int fd, std::span<const std::byte> bytes);
  std::string TonedFor(bool wanted, Tone tone, std::string_view text) const;

  Descriptors descriptors_;
  bool in_terminal_, out_terminal_, err_terminal_;
  bool quiet_ = false;
  bool color_ = true;
  bool color_forced_ = false;
  bool utf8_ = false;
  size_t width_ = 80;
  bool write_failed_ = false;
};

}  // namespace leasefs::cli
