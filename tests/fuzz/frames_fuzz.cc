// The decoders of the frames between fs and a backend, and of the store's own socket. The first byte chooses one;
// whatever decodes must encode to the same bytes again, since both ends refuse what the other cannot have made.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "backend/protocol.h"
#include "backend/protocol_report.h"
#include "backend/store/admin_wire.h"

namespace leasefs {
namespace {

template <class Message>
void Check(std::span<const std::byte> payload) {
  auto decoded = Message::Decode(payload);
  if (!decoded.ok()) return;
  SecretBuffer again = decoded->Encode();
  if (!std::equal(payload.begin(), payload.end(), again.Expose().begin(), again.Expose().end())) std::abort();
}

constexpr void (*kChecks[])(std::span<const std::byte>) = {
    Check<protocol::Hello>,         Check<protocol::List>,         Check<protocol::Want>,
    Check<protocol::Idle>,          Check<protocol::Refresh>,      Check<protocol::Applied>,
    Check<protocol::Stop>,          Check<protocol::Recorded>,     Check<protocol::Welcome>,
    Check<protocol::Entries>,       Check<protocol::EntryChanged>, Check<protocol::Published>,
    Check<protocol::Unchanged>,     Check<protocol::Changed>,      Check<protocol::Failed>,
    Check<protocol::Health>,        Check<protocol::Record>,       Check<store_admin::AdminRequest>,
    Check<store_admin::AdminReply>, Check<protocol::Report>,
};

}  // namespace
}  // namespace leasefs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  leasefs::kChecks[data[0] % std::size(leasefs::kChecks)](std::as_bytes(std::span(data + 1, size - 1)));
  return 0;
}
