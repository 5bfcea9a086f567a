// Reload: one new configuration at a time: read, compared with the running one, offered to fs, taken over. All or
// nothing (S24): whatever goes wrong on the way, the old one stays. Used on the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fs/base/result.h"
#include "fs/config/options.h"

namespace leasefs {

class Reload {
 public:
  struct Events {
    std::function<Result<Config>()> load;
    // Hands it to fs, which answers by OnResult.
    std::function<void(const Config& config, uint64_t generation)> offer;
    // fs has it: it is the running one from now on.
    std::function<void(const Config& config)> adopted;
    // `numbers`: the requests that are answered by this. `error` empty: success.
    std::function<void(const std::vector<uint64_t>& numbers, const std::string& error)> finished;
  };

  Reload(Config running, Events events) : running_(std::move(running)), events_(std::move(events)) {}

  const Config& running() const { return running_; }
  uint64_t generation() const { return generation_; }

  // `number`: of a child's request; none for a signal. While another reload is on its way, this one comes after it.
  void Request(std::optional<uint64_t> number);
  void OnFsReady();
  void OnFsDeath();
  void OnResult(uint64_t generation, const std::string& error);

 private:
  void Begin();
  void Finish(const std::string& error);

  Config running_;
  const Events events_;
  uint64_t generation_ = 1;    // of running_
  uint64_t last_offered_ = 1;  // numbers are not used again, so that a late answer cannot be mistaken
  std::optional<Config> offered_;
  bool fs_ready_ = false;
  bool wanted_ = false;
  std::vector<uint64_t> numbers_;       // answered by the reload under way
  std::vector<uint64_t> next_numbers_;  // by the one after
};

}  // namespace leasefs
