#include "fs/cli/progress.h"

#include <algorithm>

#include "fs/base/strings.h"

namespace leasefs::cli {

std::string ProgressLine(const std::string& what, uint64_t done, uint64_t total, double seconds, size_t width) {
  const uint64_t rate = seconds > 0.2 ? static_cast<uint64_t>(static_cast<double>(done) / seconds) : 0;
  std::string figures = StrCat("  ", done, '/', total);
  if (rate > 0) figures += StrCat("  ", rate, "/s");
  const size_t taken = what.size() + figures.size() + 4;
  if (taken + 10 > width) return StrCat(what, figures).substr(0, width);
  const size_t bar = std::min<size_t>(width - taken - 1, 40);
  const size_t full = total == 0 ? bar : static_cast<size_t>(std::min(done, total) * bar / total);
  return StrCat(what, "  [", std::string(full, '#'), std::string(bar - full, '-'), ']', figures);
}

Progress::Progress(Console& console, const Loop& clock, std::string what, uint64_t total)
    : console_(console),
      clock_(clock),
      what_(std::move(what)),
      total_(total),
      shown_(console.err_is_terminal() && !console.quiet()),
      start_(clock.Now()) {}

Progress::~Progress() {
  if (drawn_) console_.RawWords("\r\033[K");
}

void Progress::Advance(uint64_t done) {
  done_ = done;
  const BootTime now = clock_.Now();
  if (!shown_ || now - last_ < std::chrono::milliseconds(100)) return;
  last_ = now;
  Draw();
}

void Progress::Draw() {
  drawn_ = true;
  const double seconds = std::chrono::duration<double>(last_ - start_).count();
  console_.RawWords(StrCat("\r", ProgressLine(what_, done_, total_, seconds, console_.width() - 1), "\033[K"));
}

}  // namespace leasefs::cli
