#include "fs/template/render.h"

#include "fs/base/strings.h"

namespace leasefs {
namespace {

Result<SecretBuffer> ValueOf(const Template::Piece& piece, const TemplateLookup& lookup) {
  LEASEFS_ASSIGN_OR_RETURN(found, lookup(piece.secret, piece.key));
  FilteredValue value{std::move(found.bytes), found.json, false};
  Status fits = Ok();
  for (Filter filter : piece.filters) {
    fits = ApplyFilter(filter, value);
    if (!fits.ok()) break;
  }
  if (fits.ok()) fits = CheckFits(value);
  if (fits.ok()) return std::move(value.bytes);
  return Error(fits.error().kind(), StrCat("line ", piece.where.line, " of the template: the value of ", piece.secret,
                                           ".", Printable(piece.key, 64), " ", fits.error().message()));
}

}  // namespace

Result<SecretBuffer> RenderTemplate(const Template& source, const TemplateLookup& lookup, uint64_t max_bytes) {
  SecretBuffer out;
  for (const Template::Piece& piece : source.pieces()) {
    if (piece.secret.empty()) {
      out.Append(piece.text);
    } else {
      LEASEFS_ASSIGN_OR_RETURN(bytes, ValueOf(piece, lookup));
      out.Append(bytes.Expose());
    }
    if (out.size() > max_bytes) return Error(ErrorKind::kTooLarge, "the file would be larger than limits.value");
  }
  return out;
}

}  // namespace leasefs
