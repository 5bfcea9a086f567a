#include "fs/cli/vault_rules.h"

#include <algorithm>
#include <utility>

#include "backend/vault/engines.h"
#include "fs/base/strings.h"

namespace leasefs::cli {
namespace {

struct Place {
  std::string mount, rest;
};

// All that "a/b/c" may be: a mount "a", "a/b" or "a/b/c" and what is below it.
std::vector<Place> PlacesOf(const std::string& source) {
  std::vector<Place> places;
  for (size_t slash = source.find('/'); slash != std::string::npos; slash = source.find('/', slash + 1)) {
    places.push_back({source.substr(0, slash), source.substr(slash + 1)});
  }
  places.push_back({source, ""});
  return places;
}

// A '*' at the end, a component "+" and "{{" have a meaning in policies, "${" has one in HCL, and none can be escaped.
bool CanBeNamed(const std::string& path) {
  const std::vector<std::string> components = Split(path, '/');
  return !path.empty() && path.find('*') == std::string::npos && path.find("{{") == std::string::npos &&
         path.find("${") == std::string::npos && Printable(path, path.size()) == path &&
         std::ranges::count(components, "+") == 0;
}

// What may be asked of an engine that is no KV.
struct Requests {
  std::set<std::string> capabilities;
  bool mints = false;
  std::set<std::string> writers;  // the types that are written to
  bool folder = false;            // the source is a folder of such places
  std::string by_name;            // the type that the mount is named after; "": none

  void Add(const TreeOptions& tree, std::string_view type, const std::string& rest) {
    const vault::EngineFacts facts = vault::FactsOf(type, rest);
    const bool fits = facts.nature == lease::Nature::kStatic || tree.vault.engine != VaultEngine::kStatic;
    if (!fits) return;
    // `create` would be needed where the engine looks first whether the thing exists. Of those that are asked by POST
    // only transit/encrypt does, for which `update` is to encrypt, and `create` to make the key by it.
    const std::string_view capability = vault::CapabilityFor(vault::MethodFor(facts, tree.vault.method));
    capabilities.emplace(capability);
    if (capability == "update") writers.emplace(type);
    const bool minted = facts.nature == lease::Nature::kMinted && tree.vault.engine != VaultEngine::kStatic;
    mints = mints || minted || tree.vault.engine == VaultEngine::kDynamic;
  }
};

Requests RequestsFor(const TreeOptions& tree) {
  const bool may_be_kv = tree.vault.engine == VaultEngine::kDetect;
  std::vector<Place> places = PlacesOf(tree.source);
  Requests requests;
  // "pki/issue/web" is of the type that it is named after, and "pki/web/issue/web", too: the mount may end behind.
  const auto last_name = [](const Place& place) {
    return place.mount.substr(place.mount.rfind('/') + 1);  // npos + 1 is 0
  };
  const auto named = std::ranges::find_if(places, vault::IsKnownType, last_name);
  if (named == places.begin() || (named != places.end() && !may_be_kv)) {  // folders of a KV have such names, too
    requests.by_name = last_name(*named);
    places.erase(places.begin(), named);
  }
  for (const bool folder : {false, true}) {
    for (const Place& place : places) {
      const std::string rest = folder ? StrCat(place.rest, "/role") : place.rest;
      for (const std::string_view type : vault::TypesWith(rest)) {
        if (!requests.by_name.empty() && type != requests.by_name) continue;
        requests.folder = folder;
        requests.Add(tree, type, rest);
      }
    }
    if (!requests.capabilities.empty()) return requests;
  }
  requests.folder = false;
  requests.Add(tree, requests.by_name, places.front().rest);
  if (requests.capabilities.empty()) requests.capabilities.insert("read");  // engine = "static"
  return requests;
}

class Maker {
 public:
  explicit Maker(PolicyRules& rules) : rules_(rules) {}

  void AllowTree(const TreeOptions& tree);

 private:
  // `condition`: "" if there is none.
  void Allow(const std::string& path, const std::set<std::string>& capabilities, const std::string& condition);
  void AllowKv1(const std::string& source, const std::string& condition);
  void AllowKv2(const Place& place, const std::string& condition);
  void AllowRequests(const TreeOptions& tree, const Requests& requests, const std::string& condition);
  void AllowAnything(const TreeOptions& tree, Requests requests);
  void Remark(const TreeOptions& tree, const std::string& words) {
    rules_.remarks.push_back(StrCat("tree ", Printable(tree.path), ": ", words));
  }

  PolicyRules& rules_;
};

void Maker::Allow(const std::string& path, const std::set<std::string>& capabilities, const std::string& condition) {
  PolicyRule& rule = rules_.paths[path];
  rule.capabilities.insert(capabilities.begin(), capabilities.end());
  if (condition.empty()) {
    rule.always = true;
  } else {
    rule.conditions.insert(condition);
  }
}

void Maker::AllowKv1(const std::string& source, const std::string& condition) {
  if (source.find('/') != std::string::npos) Allow(source, {"read"}, condition);  // else it is the whole mount
  Allow(source + "/", {"list"}, condition);  // else a rule for the source itself is the one for a listing, too
  Allow(source + "/*", {"read", "list"}, condition);
}

void Maker::AllowKv2(const Place& place, const std::string& condition) {
  const std::string below = place.rest.empty() ? "" : "/" + place.rest;
  for (const std::string part : {"/data", "/subkeys"}) {
    if (!below.empty()) Allow(StrCat(place.mount, part, below), {"read"}, condition);
    Allow(StrCat(place.mount, part, below, "/*"), {"read"}, condition);
  }
  Allow(StrCat(place.mount, "/metadata", below, "/*"), {"list"}, condition);
}

void Maker::AllowRequests(const TreeOptions& tree, const Requests& requests, const std::string& condition) {
  Allow(requests.folder ? tree.source + "/*" : tree.source, requests.capabilities, condition);
  if (requests.capabilities.size() > 1) {
    Remark(tree, StrCat("of \"read\" and \"update\" one may be removed: an engine of type ",
                        Joined(requests.writers, " or "),
                        " needs \"update\", another \"read\"; method in the tree decides it"));
  }
  if (!requests.mints) return;
  const std::string minted = condition.empty() ? "" : StrCat(tree.source, " is minted");
  for (const char* path : {"sys/leases/renew", "sys/leases/revoke"}) Allow(path, {"update"}, minted);
}

void Maker::AllowAnything(const TreeOptions& tree, Requests requests) {
  // SECURITY: with "update" a secret of KV version 1 that is called so could be overwritten.
  if (requests.capabilities.erase("update") > 0) {
    requests.capabilities.insert("read");
    Remark(tree, StrCat("an engine of type ", Joined(requests.writers, " or "),
                        " is written to, for which engine = \"dynamic\" in the tree gives the rule"));
  }
  AllowRequests(tree, requests, tree.source + " is of an engine other than KV");
  AllowKv1(tree.source, tree.source + " is of KV version 1");
  for (const Place& place : PlacesOf(tree.source)) AllowKv2(place, place.mount + " is a mount of KV version 2");
  Remark(tree, StrCat("the configuration does not tell what ", tree.source,
                      " is. Remove the rules below whose \"Only if\" does not hold; with engine = \"kv1\", \"kv2\", "
                      "\"static\" or \"dynamic\" in the tree there are fewer of them"));
}

void Maker::AllowTree(const TreeOptions& tree) {
  const std::string& source = tree.source;
  if (!CanBeNamed(source)) {
    const std::string shown = source.empty() ? "(all that is there)" : Printable(source);
    return Remark(tree, StrCat("its source ", shown,
                               " cannot be named in a policy, where *, +, {{ and ${ have a meaning: write its rules by "
                               "hand"));
  }
  const std::vector<Place> places = PlacesOf(source);
  const Requests requests = RequestsFor(tree);
  const bool is_asked_specially = !tree.vault.method.empty() || !tree.vault.params.empty();
  switch (tree.vault.engine) {
    case VaultEngine::kKv1:
      return AllowKv1(source, "");
    case VaultEngine::kKv2:
      for (const Place& place : places) AllowKv2(place, places.size() == 1 ? "" : place.mount + " is the mount");
      if (places.size() > 1) {
        Remark(tree, StrCat("the configuration does not tell where the mount in ", source,
                            " ends. Remove the rules below whose \"Only if\" does not hold"));
      }
      return;
    case VaultEngine::kStatic:
    case VaultEngine::kDynamic:
      return AllowRequests(tree, requests, "");
    case VaultEngine::kDetect:
      if (requests.by_name.empty() && !is_asked_specially) return AllowAnything(tree, requests);
      if (!requests.by_name.empty() || !requests.capabilities.contains("read")) {
        const std::string type = requests.by_name.empty() ? Joined(requests.writers, " or ") : requests.by_name;
        Remark(tree, StrCat("taken for an engine of type ", type,
                            ", by its source. If it is KV, say so by engine = \"kv1\" or \"kv2\" in the tree"));
      }
      return AllowRequests(tree, requests, "");
  }
}

}  // namespace

std::string Joined(const std::set<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) text += StrCat(text.empty() ? "" : between, word);
  return text;
}

PolicyRules RulesFor(const Config& config, const BackendOptions& backend, const std::string& identity) {
  PolicyRules rules;
  rules.paths["auth/token/lookup-self"] = {.capabilities = {"read"}, .always = true, .conditions = {}};
  for (const char* self : {"auth/token/renew-self", "auth/token/revoke-self"}) {
    rules.paths[self] = {.capabilities = {"update"}, .always = true, .conditions = {}};
  }
  const std::string& name_space = backend.vault.name_space;
  if (!name_space.empty()) {
    rules.remarks.push_back(StrCat("to be written in the namespace ", Printable(name_space),
                                   ": `bao policy write -namespace=…`"));
  }
  Maker maker(rules);
  for (const TreeOptions& tree : config.trees) {
    if (tree.backend == backend.name && tree.vault.identity == identity) maker.AllowTree(tree);
  }
  return rules;
}

}  // namespace leasefs::cli
