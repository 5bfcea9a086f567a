#include "backend/protocol_report.h"

#include <algorithm>

#include "backend/protocol_codec.h"

namespace leasefs::protocol {
namespace {

constexpr size_t kIdentityBytes = 4 + 1 + 8 + 1 + 8 + 4;  // at least
constexpr size_t kLeaseBytes = 4 + 8 + 8 + 1 + 1 + 4;

void WriteIdentity(Writer& writer, const ReportIdentity& identity) {
  WriteMessage(writer, identity.name);
  writer.Bool(identity.logged_in);
  writer.Time(identity.token_ends);
  writer.Bool(identity.renewable);
  writer.U64(identity.logins);
  WriteMessage(writer, identity.problem);
}

ReportIdentity ReadIdentity(Reader& reader) {
  ReportIdentity identity;
  identity.name = ReadMessage(reader);
  identity.logged_in = reader.Bool();
  identity.token_ends = ReadTime(reader);
  identity.renewable = reader.Bool();
  identity.logins = reader.U64();
  identity.problem = ReadMessage(reader);
  return identity;
}

void WriteLease(Writer& writer, const ReportLease& lease) {
  writer.String(lease.secret);
  writer.Time(lease.minted_at);
  writer.Time(lease.ends);
  writer.Bool(lease.renewable);
  writer.Bool(lease.current);
  WriteMessage(writer, lease.problem);
}

ReportLease ReadLease(Reader& reader) {
  ReportLease lease;
  lease.secret = ReadPath(reader);
  lease.minted_at = ReadTime(reader);
  lease.ends = ReadTime(reader);
  lease.renewable = reader.Bool();
  lease.current = reader.Bool();
  lease.problem = ReadMessage(reader);
  return lease;
}

template <class T, class Write>
void WriteList(Writer& writer, const std::vector<T>& items, size_t max, Write write) {
  size_t count = std::min(items.size(), max);
  writer.U32(static_cast<uint32_t>(count));
  for (size_t i = 0; i < count; ++i) write(writer, items[i]);
}

template <class Read>
auto ReadList(Reader& reader, size_t item_bytes, size_t max, Read read) {
  std::vector<decltype(read(reader))> items(ReadCount(reader, item_bytes, max));
  for (auto& item : items) {
    if (reader.ok()) item = read(reader);
  }
  return items;
}

}  // namespace

SecretBuffer Report::Encode() const {
  Writer writer;
  WriteList(writer, identities, kMaxReportIdentities, WriteIdentity);
  WriteList(writer, leases, kMaxReportLeases, WriteLease);
  writer.U64(more_leases + (leases.size() - std::min(leases.size(), kMaxReportLeases)));
  writer.U64(mints);
  writer.U64(renewals);
  writer.U64(revocations);
  writer.U64(orphans);
  WriteList(writer, problems, kMaxReportProblems, WriteMessage);
  WriteMessage(writer, note);
  return std::move(writer).Take();
}

Result<Report> Report::Decode(std::span<const std::byte> payload) {
  return DecodeWhole<Report>("Report", payload, [](Reader& reader, Report& report) {
    report.identities = ReadList(reader, kIdentityBytes, kMaxReportIdentities, ReadIdentity);
    report.leases = ReadList(reader, kLeaseBytes, kMaxReportLeases, ReadLease);
    report.more_leases = reader.U64();
    report.mints = reader.U64();
    report.renewals = reader.U64();
    report.revocations = reader.U64();
    report.orphans = reader.U64();
    report.problems = ReadList(reader, 4, kMaxReportProblems, ReadMessage);
    report.note = ReadMessage(reader);
  });
}

}  // namespace leasefs::protocol
