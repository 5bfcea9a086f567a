#include "fs/keeper/reload.h"

#include "fs/base/strings.h"
#include "fs/config/config_codec.h"

namespace leasefs {
namespace {

std::string NeedsRestart(const std::vector<std::string>& keys) {
  std::string text = "cannot be changed while leasefsd runs:";
  for (const std::string& key : keys) text += StrCat(" ", key);
  return text + ": restart it, or set them back";
}

}  // namespace

void Reload::Request(std::optional<uint64_t> number) {
  wanted_ = true;
  if (number) next_numbers_.push_back(*number);
  if (fs_ready_ && !offered_) Begin();
}

void Reload::OnFsReady() {
  fs_ready_ = true;
  if (wanted_ && !offered_) Begin();
}

void Reload::OnFsDeath() {
  fs_ready_ = false;
  next_numbers_.clear();  // who asked is gone with it; the reload that was wanted still comes
  if (offered_) Finish("fs died while it took the configuration over: nothing was changed, try again");
}

void Reload::OnResult(uint64_t generation, const std::string& error) {
  if (!offered_ || generation != last_offered_) return;
  if (!error.empty()) return Finish(error);
  running_ = std::move(*offered_);
  generation_ = generation;
  events_.adopted(running_);
  Finish("");
}

void Reload::Begin() {
  wanted_ = false;
  numbers_ = std::exchange(next_numbers_, {});
  Result<Config> loaded = events_.load();
  if (!loaded.ok()) return Finish(loaded.error().message());
  std::vector<std::string> keys = NotReloadable(running_, *loaded);
  if (!keys.empty()) return Finish(NeedsRestart(keys));
  offered_ = std::move(*loaded);
  events_.offer(*offered_, ++last_offered_);
}

void Reload::Finish(const std::string& error) {
  offered_.reset();
  events_.finished(std::exchange(numbers_, {}), error);
  if (wanted_ && fs_ready_) Begin();
}

}  // namespace leasefs
