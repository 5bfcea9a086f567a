// The command line: what is understood, what is refused, and what an error may say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fs/cli/key_values.h"
#include "fs/cli/parse.h"
#include "fs/cli/places.h"
#include "fs/cli/verbs.h"
#include "tests/cli/run_cli.h"

namespace leasefs::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::vector<KeyValue> KeyValues(const std::vector<std::string>& words) {
  auto values = ParseKeyValues(words);
  EXPECT_TRUE(values.ok());
  return values.ok() ? std::move(*values) : std::vector<KeyValue>();
}

TEST(CommandLineTest, TakesGlobalOptionsBeforeAndBehindTheVerb) {
  auto line = ParseCommandLine({"-o", "json", "put", "web", "--socket-dir=/run/x", "key=-", "-q"});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->verb, &kPut);
  EXPECT_EQ(line->arguments.Value("--output"), "json");
  EXPECT_EQ(line->arguments.Value("--socket-dir"), "/run/x");
  EXPECT_TRUE(line->arguments.Has("--quiet"));
  EXPECT_THAT(line->arguments.positionals, ElementsAre("web", "key=-"));
}

TEST(CommandLineTest, FindsTheVerbsOfTheStore) {
  auto line = ParseCommandLine({"store", "-q", "init", "--path", "/x"});
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->verb, &kStoreInit);
  EXPECT_EQ(line->arguments.Value("--path"), "/x");
}

TEST(CommandLineTest, AVerbsNameIsAnOrdinaryWordBehindTheVerb) {
  auto line = ParseCommandLine({"put", "get", "store", "[a,b]", "++"});
  ASSERT_TRUE(line.ok());
  EXPECT_THAT(line->arguments.positionals, ElementsAre("get", "store", "[a,b]", "++"));
}

TEST(CommandLineTest, NothingIsAnOptionBehindTwoDashes) {
  auto line = ParseCommandLine({"rm", "-y", "--", "--weird", "-k", "--"});
  ASSERT_TRUE(line.ok());
  EXPECT_TRUE(line->arguments.Has("--yes"));
  EXPECT_THAT(line->arguments.positionals, ElementsAre("--weird", "-k", "--"));
}

TEST(CommandLineTest, LettersMayStandTogetherAndBesideTheirArgument) {
  auto line = ParseCommandLine({"ls", "-rqojson"});
  ASSERT_TRUE(line.ok());
  EXPECT_TRUE(line->arguments.Has("--recursive"));
  EXPECT_TRUE(line->arguments.Has("--quiet"));
  EXPECT_EQ(line->arguments.Value("--output"), "json");
}

TEST(CommandLineTest, OptionsThatRepeatAreAllKept) {
  auto line = ParseCommandLine({"explain", "--user", "a", "--group", "x", "--group=y", "p"});
  ASSERT_TRUE(line.ok());
  EXPECT_THAT(line->arguments.Values("--group"), ElementsAre("x", "y"));
}

struct BadLine {
  std::vector<std::string> words;
  std::string message;
  std::string hint;
};

TEST(CommandLineTest, ErrorsNameThePlaceAndSayWhatToDo) {
  const std::vector<BadLine> cases = {
      {{"pt", "x"}, "no verb 'pt'", "did you mean `leasefs put`"},
      {{"frobnicate"}, "no verb 'frobnicate'", "the verbs are: store, put"},
      {{"store", "rekez"}, "no verb 'store rekez'", "did you mean `leasefs store rekey`"},
      {{"store"}, "`leasefs store` needs a verb", "init, status"},
      {{"put", "web", "--repace", "k"}, "no option '--repace'", "did you mean --replace"},
      {{"put"}, "`leasefs put` needs [BACKEND:]PATH", "leasefs help put"},
      {{"put", "web"}, "`leasefs put` needs KEY", "leasefs help put"},
      {{"get", "a", "b", "c"}, "takes nothing after KEY", "leasefs help get"},
      {{"status", "x"}, "takes no argument", "leasefs help status"},
      {{"get", "a", "--version"}, "--version needs N", "leasefs help get"},
      {{"get", "a", "--version=1", "--version=2"}, "given twice", "leasefs help get"},
      {{"ls", "--recursive=yes"}, "takes no argument", "leasefs help ls"},
      {{"ls", "-x"}, "no option '-x'", "leasefs help ls"},
  };
  for (const BadLine& bad : cases) {
    auto line = ParseCommandLine(bad.words);
    ASSERT_FALSE(line.ok()) << bad.message;
    EXPECT_EQ(line.error().exit, Exit::kLocal);
    EXPECT_THAT(line.error().message, HasSubstr(bad.message));
    EXPECT_THAT(line.error().hint, HasSubstr(bad.hint));
  }
}

TEST(CommandLineTest, NeverRepeatsWhatStandsBehindAnEqualsSign) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"put", "web", "--pasword=hunter2"},
                                             {"-password=hunter2"},
                                             {"pasword=hunter2"},
                                             {"put", "web", "password=hunter2"}}) {
    for (const char* format : {"table", "json"}) {
      const CliResult result = RunCli(words, {.standard_input = "", .environment = {{"LEASEFS_FORMAT", format}}});
      EXPECT_EQ(result.exit, 1);
      EXPECT_EQ(result.out, "");
      EXPECT_THAT(result.err, Not(HasSubstr("hunter2")));
    }
  }
}

TEST(CommandLineTest, AValueAmongTheArgumentsIsRefusedWithTheThreeRightWays) {
  const CliResult result = RunCli({"put", "web", "password=hunter2"});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, HasSubstr("refused"));
  EXPECT_THAT(result.err, HasSubstr("(ps)"));
  EXPECT_THAT(result.err, HasSubstr("password=@FILE"));
  EXPECT_THAT(result.err, HasSubstr("password=- (standard input)"));
  EXPECT_THAT(result.err, HasSubstr("password alone"));
}

TEST(KeyValuesTest, KnowTheThreeSources) {
  const auto values = KeyValues({"a=@/x=y", "b=-", "c"});
  ASSERT_EQ(values.size(), 3u);
  EXPECT_EQ(values[0].from, KeyValue::From::kFile);
  EXPECT_EQ(values[0].file, "/x=y");
  EXPECT_EQ(values[1].from, KeyValue::From::kStandardInput);
  EXPECT_EQ(values[2].from, KeyValue::From::kPrompt);
}

TEST(KeyValuesTest, RefuseWhatCannotBeMeant) {
  EXPECT_FALSE(ParseKeyValues({"a="}).ok());
  EXPECT_FALSE(ParseKeyValues({"a=@"}).ok());
  EXPECT_FALSE(ParseKeyValues({"a=--"}).ok());
  EXPECT_FALSE(ParseKeyValues({"=@x"}).ok());
  EXPECT_FALSE(ParseKeyValues({"a=-", "b=-"}).ok());
  EXPECT_FALSE(ParseKeyValues({"a=-", "a=@x"}).ok());
  EXPECT_FALSE(ParseKeyValues({std::string(2000, 'k')}).ok());
}

TEST(KeyValuesTest, WithoutATerminalNobodyIsAsked) {
  const CliResult result = RunCli({"put", "web", "password", "--socket-dir", "/nonexistent"});
  EXPECT_EQ(result.exit, 2);  // the store is looked for before anything is read
  TempDirectory run;
  run.Write("store-local.sock", "");
  const CliResult asked = RunCli({"put", "web", "password", "--socket-dir", run.path()});
  EXPECT_EQ(asked.exit, 1);
  EXPECT_THAT(asked.err, HasSubstr("no terminal to ask on"));
}

TEST(PlacesTest, TakeTheBackendApart) {
  auto place = ParsePlaceText("local:web/tls");
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->backend, "local");
  EXPECT_EQ(place->path, "web/tls");
  EXPECT_EQ(ParsePlaceText("web/tls/")->path, "web/tls");
  EXPECT_EQ(ParsePlaceText("local:")->path, "");
  EXPECT_EQ(ParsePlaceText("")->path, "");
  auto odd = ParsePlaceText("Not A Backend:x");
  ASSERT_TRUE(odd.ok());
  EXPECT_EQ(odd->backend, "");
  EXPECT_EQ(odd->path, "Not A Backend:x");
  EXPECT_EQ(ParsePlaceText("local:a:b")->path, "a:b");
}

TEST(PlacesTest, RefusePathsThatAreNone) {
  for (const char* text : {"/run/leasefs/web", "local:/web", "a//b", "a/../b", ".", "..", "a/."}) {
    auto place = ParsePlaceText(text);
    ASSERT_FALSE(place.ok()) << text;
    EXPECT_EQ(place.error().exit, Exit::kLocal);
    EXPECT_NE(place.error().hint, "");
  }
}

TEST(PlacesTest, OneStoreIsTheDefaultAndManyAreListed) {
  TempDirectory run;
  CliResult result = RunCli({"ls", "--socket-dir", run.path()});
  EXPECT_EQ(result.exit, 2);
  EXPECT_THAT(result.err, HasSubstr("no store's socket"));
  EXPECT_THAT(result.err, HasSubstr("systemctl start leasefs"));
  run.Write("store-one.sock", "");
  run.Write("store-two.sock", "");
  run.Write("store-.sock", "");
  run.Write("control.sock", "");
  result = RunCli({"ls", "--socket-dir", run.path()});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, HasSubstr("there are: one, two\n"));
  result = RunCli({"ls", "three:", "--socket-dir", run.path()});
  EXPECT_EQ(result.exit, 1);
  EXPECT_THAT(result.err, HasSubstr("there is: one, two"));
}

TEST(PlacesTest, TheRunDirectoryComesFromOptionThenVariableThenConfiguration) {
  TempDirectory directory;
  const std::string config = directory.Write("leasefs.toml", "run_directory = \"/nonexistent/by-config\"\n", 0644);
  const auto where = [&](const std::vector<std::string>& more, std::map<std::string, std::string> environment) {
    environment["LEASEFS_CONFIG"] = config;
    std::vector<std::string> words = {"ls"};
    words.insert(words.end(), more.begin(), more.end());
    return RunCli(words, {.standard_input = "", .environment = std::move(environment)}).err;
  };
  EXPECT_THAT(where({"--socket-dir", "/nonexistent/by-option"}, {{"LEASEFS_RUN", "/nonexistent/by-variable"}}),
              HasSubstr("/by-option"));
  EXPECT_THAT(where({}, {{"LEASEFS_RUN", "/nonexistent/by-variable"}}), HasSubstr("/by-variable"));
  EXPECT_THAT(where({}, {}), HasSubstr("/by-config"));
}

TEST(PlacesTest, ANamedConfigurationThatIsWrongIsNeverPassedOver) {
  TempDirectory directory;
  const std::string config = directory.Write("leasefs.toml", "run_directry = \"/run/elsewhere\"\n", 0644);
  const CliResult result = RunCli({"ls", "--config", config});
  EXPECT_EQ(result.exit, 78);
  EXPECT_THAT(result.err, HasSubstr("leasefs.toml:1:"));
  EXPECT_EQ(RunCli({"ls", "--config", directory / "absent.toml"}).exit, 78);
}

TEST(RunTest, ErrorsAreJsonWhenJsonIsAsked) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"-o", "json", "nonsense"}, {"get", "-ojson"}, {"ls", "/x", "--output=json"}}) {
    const CliResult result = RunCli(words);
    EXPECT_EQ(result.exit, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err,
                testing::MatchesRegex("\\{\"error\":\\{\"code\":\"usage\",\"message\":\".+\",\"hint\":\".+\"\\}\\}\n"));
  }
  EXPECT_THAT(RunCli({"ls", "-o", "yaml"}).err, HasSubstr("say table or json"));
}

TEST(RunTest, EveryVerbHasHelpThatFitsTheTerminal) {
  for (const VerbSpec* verb : Verbs()) {
    std::vector<std::string> words;
    if (!verb->group.empty()) words.emplace_back(verb->group);
    words.emplace_back(verb->name);
    words.emplace_back("--help");
    const CliResult result = RunCli(words, {.standard_input = "", .environment = {{"COLUMNS", "80"}}});
    EXPECT_EQ(result.exit, 0) << verb->FullName();
    EXPECT_THAT(result.out, HasSubstr("usage: leasefs " + verb->FullName()));
    EXPECT_THAT(RunCli({"help"}).out, HasSubstr(std::string(verb->summary)));
    for (const OptionSpec& option : verb->options) EXPECT_THAT(result.out, HasSubstr(std::string(option.name)));
    size_t start = result.out.find("\n\n");
    while (start < result.out.size()) {
      const size_t end = std::min(result.out.find('\n', start), result.out.size());
      EXPECT_LE(end - start, 100u) << result.out.substr(start, end - start);
      start = end + 1;
    }
  }
}

}  // namespace
}  // namespace leasefs::cli
