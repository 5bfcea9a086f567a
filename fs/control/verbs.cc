#include "fs/control/verbs.h"

#include <algorithm>
#include <charconv>

#include "fs/base/strings.h"
#include "fs/control/paths.h"
#include "fs/control/report_json.h"

namespace leasefs::control {
namespace {

constexpr uint32_t kNobody = UINT32_MAX;  // -1 is no identity to ask about: the kernel gives it to those it cannot map

Moment Now(const Loop& loop) {
  return {loop.Now(), loop.WallNow()};
}

Result<uint32_t> ParseId(std::string_view what, std::string_view text) {
  uint32_t id = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || id == kNobody) {
    return Error(ErrorKind::kInvalid, StrCat("'", Printable(text, 40), "' is not a ", what, ": give a number"));
  }
  return id;
}

// PATH UID GID [GROUP,GROUP,… …]
Result<ExplainQuestion> ParseQuestion(const ControlTarget& target, const std::vector<std::string>& arguments) {
  ExplainQuestion question;
  LEASEFS_ASSIGN_OR_RETURN(path, BelowMount(target.Mount(), arguments[0]));
  LEASEFS_ASSIGN_OR_RETURN(uid, ParseId("uid", arguments[1]));
  LEASEFS_ASSIGN_OR_RETURN(gid, ParseId("gid", arguments[2]));
  question.path = std::move(path);
  question.uid = uid;
  question.gid = gid;
  for (size_t i = 3; i < arguments.size(); ++i) {
    if (arguments[i].empty()) continue;
    for (const std::string& text : Split(arguments[i], ',')) {
      LEASEFS_ASSIGN_OR_RETURN(group, ParseId("gid", text));
      question.groups.push_back(group);
    }
  }
  std::sort(question.groups.begin(), question.groups.end());
  question.groups.erase(std::unique(question.groups.begin(), question.groups.end()), question.groups.end());
  return question;
}

void RunStatus(const VerbCall& call) {
  call.done(StatusJson(call.target.Status(), Now(call.loop)));
}

void RunStat(const VerbCall& call) {
  auto path = BelowMount(call.target.Mount(), call.arguments[0]);
  if (!path.ok()) return call.done(std::move(path).error());
  auto report = call.target.Stat(*path);
  if (!report.ok()) return call.done(std::move(report).error());
  call.done(StatJson(*report, Now(call.loop)));
}

void RunExplain(const VerbCall& call) {
  auto question = ParseQuestion(call.target, call.arguments);
  if (!question.ok()) return call.done(std::move(question).error());
  call.done(ExplainJson(call.target.Explain(*question), *question));
}

void RunTrees(const VerbCall& call) {
  call.done(TreesJson(call.target.Trees()));
}

void RunRefresh(const VerbCall& call) {
  auto path = BelowMount(call.target.Mount(), call.arguments.empty() ? "" : call.arguments[0]);
  if (!path.ok()) return call.done(std::move(path).error());
  call.target.Refresh(*path, [done = call.done](Result<RefreshReport> report) {
    if (!report.ok()) return done(std::move(report).error());
    done(RefreshJson(*report));
  });
}

void RunReload(const VerbCall& call) {
  call.target.Reload([done = call.done](Result<ReloadReport> report) {
    if (!report.ok()) return done(std::move(report).error());
    done(ReloadJson(*report));
  });
}

// Answered first: who is to answer ends by it.
void RunStop(const VerbCall& call) {
  bool revoke = !call.arguments.empty();
  if (revoke && call.arguments[0] != "revoke") {
    return call.done(Error(ErrorKind::kInvalid, "stop takes no argument but 'revoke'"));
  }
  call.done(StopJson(revoke));
  call.target.Stop(revoke);
}

void RunVersion(const VerbCall& call) {
  call.done(VersionJson(LEASEFS_VERSION));
}

constexpr VerbRow kVerbs[] = {
    {"status", Right::kObserve, 0, 0, "", RunStatus},
    {"stat", Right::kObserve, 1, 1, "PATH", RunStat},
    {"explain", Right::kObserve, 3, 16, "PATH UID GID [GID,GID,...]", RunExplain},
    {"trees", Right::kObserve, 0, 0, "", RunTrees},
    {"version", Right::kObserve, 0, 0, "", RunVersion},
    {"refresh", Right::kOperate, 0, 1, "[PATH]", RunRefresh},
    {"reload", Right::kOperate, 0, 0, "", RunReload},
    {"stop", Right::kOperate, 0, 1, "[revoke]", RunStop},
};

}  // namespace

std::span<const VerbRow> Verbs() {
  return kVerbs;
}

bool MayUse(Right right, const PeerCredentials& peer) {
  switch (right) {
    case Right::kObserve:
    case Right::kOperate:
      return true;
    case Right::kReveal:
      return peer.IsRoot();
  }
  return false;
}

void RunVerb(ControlTarget& target, const Loop& loop, const PeerCredentials& peer, const ControlRequest& request,
             Answer<std::string> done, std::span<const VerbRow> verbs) {
  std::string known;
  for (const VerbRow& verb : verbs) {
    known += StrCat(known.empty() ? "" : ", ", verb.name);
    if (verb.name != request.verb) continue;
    if (!MayUse(verb.right, peer)) {
      return done(Error(ErrorKind::kDenied, StrCat(verb.name, " is for root only: run it with sudo")));
    }
    size_t count = request.arguments.size();
    if (count < verb.least_arguments || count > verb.most_arguments) {
      return done(Error(ErrorKind::kInvalid, verb.usage.empty() ? StrCat(verb.name, " takes no arguments")
                                                                : StrCat(verb.name, " takes ", verb.usage)));
    }
    return verb.run({target, loop, request.arguments, std::move(done)});
  }
  done(Error(ErrorKind::kInvalid, StrCat("no verb '", Printable(request.verb, 40), "'; there are: ", known)));
}

}  // namespace leasefs::control
