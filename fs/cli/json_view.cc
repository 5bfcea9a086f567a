#include "fs/cli/json_view.h"

#include <nlohmann/json.hpp>

namespace leasefs::cli {
namespace {

using Json = nlohmann::json;

const Json* Node(const void* node) {
  return static_cast<const Json*>(node);
}

}  // namespace

struct JsonView::Document {
  Json root;
};

std::optional<JsonView> JsonView::Parse(const std::string& text) {
  auto document = std::make_shared<Document>();
  document->root = Json::parse(text, nullptr, false);
  if (document->root.is_discarded()) return std::nullopt;
  const Json* root = &document->root;
  return JsonView(std::move(document), root);
}

JsonView JsonView::operator[](std::string_view member) const {
  const void* found = nullptr;
  if (node_ != nullptr && Node(node_)->is_object()) {
    const auto at = Node(node_)->find(member);
    if (at != Node(node_)->end() && !at->is_null()) found = &*at;
  }
  return {document_, found};
}

std::vector<JsonView> JsonView::Items() const {
  std::vector<JsonView> items;
  if (node_ == nullptr || !Node(node_)->is_array()) return items;
  for (const Json& item : *Node(node_)) items.push_back(JsonView(document_, &item));
  return items;
}

std::vector<std::string> JsonView::Names() const {
  std::vector<std::string> names;
  if (node_ == nullptr || !Node(node_)->is_object()) return names;
  for (const auto& member : Node(node_)->items()) names.push_back(member.key());
  return names;
}

std::string JsonView::Text() const {
  if (node_ == nullptr) return "";
  if (Node(node_)->is_string()) return Node(node_)->get<std::string>();
  return Node(node_)->dump(-1, ' ', false, Json::error_handler_t::replace);
}

uint64_t JsonView::Number() const {
  return node_ != nullptr && Node(node_)->is_number_unsigned() ? Node(node_)->get<uint64_t>() : 0;
}

double JsonView::Real() const {
  return node_ != nullptr && Node(node_)->is_number() ? Node(node_)->get<double>() : 0;
}

bool JsonView::Bool() const {
  return node_ != nullptr && Node(node_)->is_boolean() && Node(node_)->get<bool>();
}

}  // namespace leasefs::cli
