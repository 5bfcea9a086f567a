#include <string>

#include "fs/fuse/operations.h"

namespace leasefs {

namespace {

void GetExtendedAttribute(fuse_req_t req, fuse_ino_t node, const char* name, size_t size) noexcept {
  Ask(req, node, Operation::kGetExtendedAttribute, [&](SessionCore& core, Replier& replier) {
    Result<std::string> value = core.gate.GetExtendedAttribute(MakeRequest(req), replier.id(), name);
    value.ok() ? replier.Sized(*value, size) : replier.Fail(value.error());
  });
}

void ListExtendedAttributes(fuse_req_t req, fuse_ino_t node, size_t size) noexcept {
  Ask(req, node, Operation::kListExtendedAttributes, [&](SessionCore& core, Replier& replier) {
    std::string names;
    for (const std::string& name : core.gate.ListExtendedAttributes(replier.id())) names.append(name).push_back('\0');
    replier.Sized(names, size);
  });
}

}  // namespace

void SetAttributeOperations(fuse_lowlevel_ops* operations) {
  operations->getxattr = GetExtendedAttribute;
  operations->listxattr = ListExtendedAttributes;
}

}  // namespace leasefs
