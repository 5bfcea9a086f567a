#include "backend/vault/places.h"

#include <utility>

#include "backend/http/path_escape.h"
#include "fs/base/strings.h"

namespace leasefs::vault {
namespace {

using lease::Engine;

// Where nobody tells: the first component, as most mounts are.
Location Assumed(const std::string& path) {
  const std::string mount = path.substr(0, path.find('/'));
  return {.mount = mount, .rest = PathBelow(path, mount), .type = ""};
}

}  // namespace

std::string Places::PathOf(const lease::Tree& tree, const std::string& below) {
  std::string_view source = tree.source;
  while (source.starts_with('/')) source.remove_prefix(1);
  while (source.ends_with('/')) source.remove_suffix(1);
  return below.empty() ? std::string(source) : StrCat(source, "/", below);
}

Spot Places::SpotOf(const lease::Tree& tree, std::string path, Location location) {
  Spot spot{.path = std::move(path), .location = std::move(location), .facts = {}};
  const bool forced_kv = tree.engine == Engine::kKv1 || tree.engine == Engine::kKv2;
  if (forced_kv) spot.location.versioned = tree.engine == Engine::kKv2;
  const bool detected_kv = spot.location.type == "kv" || spot.location.type == "generic";
  spot.is_kv = forced_kv || (tree.engine == Engine::kDetect && detected_kv);
  spot.facts = FactsOf(spot.location.type, spot.location.rest);
  if (tree.engine == Engine::kStatic) spot.facts.nature = lease::Nature::kStatic;
  if (tree.engine == Engine::kDynamic) spot.facts.nature = lease::Nature::kMinted;
  if (spot.is_kv) spot.facts.nature = lease::Nature::kStatic;
  if (!tree.keys.empty()) spot.facts.keys = tree.keys;
  return spot;
}

void Places::Locate(const lease::Tree& tree, const std::string& below, const SecretBuffer& token, Done done) {
  const std::string path = PathOf(tree, below);
  if (const auto escaped = http::EscapePath(path); !escaped.ok()) {
    const Subject subject{.asked = Asked::kMount, .place = Printable(path), .path = ""};
    return client_.Later([done = std::move(done), failure = Refused(subject, ErrorKind::kNotFound,
                                                                    escaped.error().message())] { done(failure); });
  }
  const bool must_be_told = tree.engine == Engine::kDetect;
  const auto untold = untold_.find(path);
  if (!must_be_told && untold != untold_.end() && untold->second > client_.loop().Now()) {
    return done(SpotOf(tree, path, Assumed(path)));
  }
  mounts_.Find(path, token,
               [this, tree, path, must_be_told, done = std::move(done)](lease::Answer<Location> answer) {
                 auto* failure = FailureIn(answer);
                 if (failure == nullptr) return done(SpotOf(tree, path, std::move(std::get<Location>(answer))));
                 if (must_be_told || failure->cause == lease::Cause::kOutage) return done(std::move(*failure));
                 // The token may not see it; the tree says what is there.
                 if (untold_.size() >= Mounts::kMaxKnown) untold_.clear();
                 untold_[path] = client_.loop().Now() + Mounts::kFresh;
                 done(SpotOf(tree, path, Assumed(path)));
               });
}

}  // namespace leasefs::vault
