// How much a configuration may ask for. Used by the reader, which names the range in its error, and by the codec, which
// refuses what the reader cannot have made.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace leasefs::bounds {

using std::chrono::milliseconds;

inline constexpr size_t kFileBytes = size_t{1} << 20;  // one configuration file
inline constexpr size_t kFiles = 1024;                 // in conf.d
inline constexpr size_t kBackends = 64;
inline constexpr size_t kTrees = 4096;
inline constexpr size_t kRules = 4096;
inline constexpr size_t kFileSections = 1024;               // [[file]]
inline constexpr size_t kSecretsPerFile = 32;
inline constexpr size_t kTemplatesBytes = size_t{4} << 20;  // of all templates together
inline constexpr size_t kAccountsPerRule = 256;             // users, and as many groups
inline constexpr size_t kAccountNameBytes = 256;
inline constexpr size_t kBackendNameBytes = 32;
inline constexpr size_t kMountPathBytes = 1024;   // a tree's path or a rule's pattern
inline constexpr size_t kFilePathBytes = 4095;    // PATH_MAX without its NUL
inline constexpr size_t kRunDirectoryBytes = 60;  // so that "/store-NAME.sock" still fits into sun_path (108)
inline constexpr size_t kSocketPathBytes = 107;
inline constexpr size_t kCredentialNameBytes = 255;  // systemd: a file name

inline constexpr milliseconds kDeadlineMin{100}, kDeadlineMax{15'000};  // S25
inline constexpr milliseconds kTtlMin{100}, kTtlMax{30LL * 86'400'000};
inline constexpr milliseconds kMaxStaleMin{0}, kMaxStaleMax{30LL * 86'400'000};
inline constexpr milliseconds kKeepMin{0}, kKeepMax{365LL * 86'400'000};
inline constexpr milliseconds kIdleMin{1000};                                         // S15; without the key: off
inline constexpr uint32_t kWaitingMin = 1, kWaitingMax = 65'536;
inline constexpr uint64_t kValueMin = 1;  // to kHardMaxValueBytes
inline constexpr uint64_t kMemoryMin = uint64_t{1} << 20, kMemoryMax = uint64_t{64} << 30;
inline constexpr uint32_t kNamesMin = 16, kNamesMax = 1u << 24;
inline constexpr size_t kAddresses = 16;
inline constexpr size_t kIdentities = 64;                   // of one backend
inline constexpr size_t kNameBytes = 1024;                  // of a role, a user, a server, a parameter
inline constexpr size_t kParams = 64;
inline constexpr size_t kParamBytes = 64 << 10;             // of one, as JSON text
inline constexpr size_t kTreeKeys = 64;
inline constexpr milliseconds kMinTtlMin{0}, kMinTtlMax{365LL * 86'400'000};
inline constexpr milliseconds kMintIntervalMin{500}, kMintIntervalMax{86'400'000};    // S15
inline constexpr uint32_t kConcurrencyMin = 1, kConcurrencyMax = 256;
inline constexpr uint32_t kScopedLeasesMin = 1, kScopedLeasesMax = 4096;
inline constexpr uint32_t kKeepVersionsMin = 1, kKeepVersionsMax = 1000;

}  // namespace leasefs::bounds
