#include "fs/config/path_pattern.h"

#include <algorithm>

#include "fs/base/strings.h"
#include "fs/config/paths.h"

namespace leasefs {
namespace {

// The component at `start`; `start` moves behind the '/' that ends it, so that past the end it is size() + 1.
std::string_view TakeComponent(std::string_view path, size_t& start) {
  size_t end = std::min(path.find('/', start), path.size());
  std::string_view component = path.substr(start, end - start);
  start = end + 1;
  return component;
}

// The last '*' may be stretched, the ones before it never need to be: what they took was the shortest.
bool GlobMatches(std::string_view glob, std::string_view name) {
  size_t g = 0, n = 0, star = std::string_view::npos, star_name = 0;
  while (n < name.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      star_name = n;
    } else if (g < glob.size() && glob[g] == name[n]) {
      ++g, ++n;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      n = ++star_name;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace

bool PathPattern::Component::Matches(std::string_view name) const {
  return kind == Kind::kLiteral ? text == name : GlobMatches(text, name);
}

PathPattern::PathPattern(std::string_view pattern) {
  if (PatternFault(pattern)) return;
  for (std::string& text : Split(pattern, '/')) {
    Kind kind = text == "**"                             ? Kind::kAnyDepth
                : text.find('*') != std::string::npos ? Kind::kGlob
                                                         : Kind::kLiteral;
    components_.push_back({kind, std::move(text)});
  }
}

bool PathPattern::Matches(std::string_view path) const {
  if (components_.empty()) return false;
  constexpr size_t kNone = static_cast<size_t>(-1);
  const size_t end = path.size() + 1;
  size_t at = path.empty() ? end : 0;
  size_t position = 0, star = kNone, star_at = 0;
  while (at != end) {
    if (position < components_.size() && components_[position].kind == Kind::kAnyDepth) {
      star = position++;
      star_at = at;
      continue;
    }
    size_t next = at;
    if (position < components_.size() && components_[position].Matches(TakeComponent(path, next))) {
      ++position;
      at = next;
    } else if (star != kNone) {
      position = star + 1;
      TakeComponent(path, star_at);
      at = star_at;
    } else {
      return false;
    }
  }
  while (position < components_.size() && components_[position].kind == Kind::kAnyDepth) ++position;
  return position == components_.size();
}

void PathPattern::Close(std::vector<bool>& positions) const {
  for (size_t i = 0; i < components_.size(); ++i) {
    if (positions[i] && components_[i].kind == Kind::kAnyDepth) positions[i + 1] = true;
  }
}

std::vector<bool> PathPattern::PositionsAfter(std::string_view directory) const {
  std::vector<bool> positions(components_.size() + 1);
  if (components_.empty()) return positions;
  positions[0] = true;
  Close(positions);
  for (size_t at = 0; !directory.empty() && at <= directory.size();) {
    std::string_view name = TakeComponent(directory, at);
    std::vector<bool> next(positions.size());
    for (size_t i = 0; i < components_.size(); ++i) {
      if (!positions[i]) continue;
      if (components_[i].kind == Kind::kAnyDepth) {
        next[i] = true;
      } else if (components_[i].Matches(name)) {
        next[i + 1] = true;
      }
    }
    Close(next);
    positions = std::move(next);
  }
  return positions;
}

bool PathPattern::CanMatchAtOrBelow(std::string_view directory) const {
  std::vector<bool> positions = PositionsAfter(directory);
  return std::find(positions.begin(), positions.end(), true) != positions.end();
}

bool PathPattern::CanMatchBelow(std::string_view directory) const {
  std::vector<bool> positions = PositionsAfter(directory);
  positions.pop_back();  // the end of the pattern: `directory` itself
  return std::find(positions.begin(), positions.end(), true) != positions.end();
}

bool PathPattern::MatchesEveryFile() const {
  size_t names = 0;
  bool any_depth = false;
  for (const Component& component : components_) {
    if (component.kind == Kind::kAnyDepth) {
      any_depth = true;
    } else if (component.text == "*") {
      ++names;
    } else {
      return false;
    }
  }
  return any_depth && names <= 2;
}

}  // namespace leasefs
