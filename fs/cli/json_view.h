// JsonView: the daemon's JSON, read leniently: what is not there is "", 0, false or no items, so that an older or newer
// daemon can still be shown. Never used for a document that may hold a value of a secret.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace leasefs::cli {

class JsonView {
 public:
  static std::optional<JsonView> Parse(const std::string& text);

  JsonView operator[](std::string_view member) const;
  std::vector<JsonView> Items() const;     // of an array
  std::vector<std::string> Names() const;  // of an object's members
  bool present() const { return node_ != nullptr; }
  std::string Text() const;  // a string as it is; numbers and booleans as JSON has them
  uint64_t Number() const;
  double Real() const;
  bool Bool() const;

 private:
  struct Document;
  JsonView(std::shared_ptr<const Document> document, const void* node) : document_(std::move(document)), node_(node) {}
  std::shared_ptr<const Document> document_;
  const void* node_;
};

}  // namespace leasefs::cli
