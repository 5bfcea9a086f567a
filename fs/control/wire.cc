#include "fs/control/wire.h"

#include "fs/base/codec.h"
#include "fs/base/strings.h"

namespace leasefs::control {
namespace {

constexpr size_t kMaxVerb = 64;
constexpr size_t kMaxArguments = 16;
constexpr size_t kMaxArgument = 4096;
constexpr size_t kMaxMessage = size_t{64} << 10;
constexpr ErrorKind kLastKind = ErrorKind::kInvalid;

}  // namespace

SecretBuffer ControlRequest::Encode() const {
  Writer writer;
  writer.String(verb);
  writer.U8(static_cast<uint8_t>(arguments.size()));
  for (const std::string& argument : arguments) writer.String(argument);
  return std::move(writer).Take();
}

Result<ControlRequest> ControlRequest::Decode(std::span<const std::byte> payload) {
  Reader reader(payload);
  ControlRequest request;
  request.verb = reader.String(kMaxVerb);
  size_t count = reader.U8();
  if (count > kMaxArguments) return Error(ErrorKind::kInvalid, StrCat(count, " arguments, at most ", kMaxArguments));
  for (size_t i = 0; i < count && reader.ok(); ++i) request.arguments.push_back(reader.String(kMaxArgument));
  if (!reader.AtEnd()) return Error(ErrorKind::kInvalid, "not a control request");
  return request;
}

SecretBuffer ControlReply::Encode() const {
  Writer writer;
  writer.Bool(error.has_value());
  if (error) {
    writer.U8(static_cast<uint8_t>(error->kind()));
    writer.String(std::string_view(error->message()).substr(0, kMaxMessage));
  } else {
    writer.String(json);
  }
  return std::move(writer).Take();
}

Result<ControlReply> ControlReply::Decode(std::span<const std::byte> payload) {
  Reader reader(payload);
  ControlReply reply;
  if (reader.Bool()) {
    ErrorKind kind = reader.Enum(kLastKind);
    std::string message = reader.String(kMaxMessage);
    reply.error.emplace(kind, std::move(message));
  } else {
    reply.json = reader.String(kMaxControlPayload);
  }
  if (!reader.AtEnd()) return Error(ErrorKind::kInvalid, "not a control reply");
  return reply;
}

}  // namespace leasefs::control
