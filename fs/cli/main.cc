// leasefs: the operator's command. See leasefs(1).
#include <cstdlib>

#include "fs/base/wiping_allocators.h"
#include "fs/cli/run.h"

int main(int argc, char** argv) {
  if (!leasefs::InstallOpenSslWipingAllocator()) return 1;
  leasefs::cli::Invocation invocation;
  invocation.words.assign(argv + (argc > 0 ? 1 : 0), argv + argc);
  invocation.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  return leasefs::cli::Run(invocation);
}
