// A rule's pattern, ready for matching. Immutable, any thread.
//
// A component may hold '*', any number of any characters of one name (also none, also a leading '.'); the component
// "**" is any number of components, also none: "web/**" matches "web", "web/a" and "web/a/b".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace leasefs {

class PathPattern {
 public:
  // A text that PatternFault (paths.h) complains of makes a pattern that matches nothing.
  explicit PathPattern(std::string_view pattern);

  // The whole path. Time: components of the pattern times components of the path at the worst.
  bool Matches(std::string_view path) const;
  // Some path at or below `directory` would match; "" is the whole mount.
  bool CanMatchAtOrBelow(std::string_view directory) const;
  // Some path below `directory`, and not only itself: where a tree's files are.
  bool CanMatchBelow(std::string_view directory) const;
  // Every file of every tree. Files lie at least two levels deep: in a secret of a tree.
  bool MatchesEveryFile() const;

 private:
  enum class Kind : uint8_t { kLiteral, kGlob, kAnyDepth };
  struct Component {
    Kind kind;
    std::string text;
    bool Matches(std::string_view name) const;
  };
  // Which positions of the pattern can be reached by the components of `directory`; one more entry than components.
  std::vector<bool> PositionsAfter(std::string_view directory) const;
  void Close(std::vector<bool>& positions) const;

  std::vector<Component> components_;  // empty: matches nothing
};

}  // namespace leasefs
