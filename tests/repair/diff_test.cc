#include "repair/diff.h"

#include <gtest/gtest.h>

namespace gptq_doctor {
namespace {

TEST(Diff, EqualTextsHaveNone) {
  EXPECT_EQ(UnifiedDiff("a\nb\n", "a\nb\n", {}), "");
  EXPECT_EQ(UnifiedDiff("", "", {}), "");
}

TEST(Diff, ShowsContextAndJoinsNearHunks) {
  EXPECT_EQ(UnifiedDiff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", {}),
            "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  EXPECT_EQ(UnifiedDiff("a\n1\n2\nb\n", "A\n1\n2\nB\n", {}), "@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n-b\n+B\n");
  EXPECT_EQ(UnifiedDiff("a\n1\n2\n3\nb\n", "A\n1\n2\n3\nB\n", {.context = 1}),
            "@@ -1,2 +1,2 @@\n-a\n+A\n 1\n@@ -4,2 +4,2 @@\n 3\n-b\n+B\n");
}

TEST(Diff, MarksTheMissingFinalNewline) {
  EXPECT_EQ(UnifiedDiff("a", "a\n", {}), "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n");
  EXPECT_EQ(UnifiedDiff("a\r\nb", "a\r\nc", {}),
            "@@ -1,2 +1,2 @@\n a\r\n-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n");
}

TEST(Diff, NamesFilesAsGitDoes) {
  Edit edit{.kind = EditKind::kCreate, .file = "q.json", .after = "{}\n"};
  EXPECT_EQ(DiffOf(edit, {}), "--- /dev/null\n+++ b/q.json\n@@ -0,0 +1 @@\n+{}\n");
  edit = {.kind = EditKind::kRemove, .file = "q.json", .before = "{}\n"};
  EXPECT_EQ(DiffOf(edit, {}), "--- a/q.json\n+++ /dev/null\n@@ -1 +0,0 @@\n-{}\n");
  edit = {.kind = EditKind::kRename, .file = "a", .to = "b"};
  EXPECT_EQ(DiffOf(edit, {}), "diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n");
}

TEST(Diff, EscapesWhatATerminalWouldObey) {
  const std::string diff = UnifiedDiff("", "\x1b[2J\t\xff\n", {});
  EXPECT_EQ(diff.find('\x1b'), std::string::npos);
  EXPECT_EQ(diff.find('\xff'), std::string::npos);
  EXPECT_NE(diff.find('\t'), std::string::npos);
}

TEST(Diff, CutsLongLinesAndGivesUpAligningHugeTexts) {
  EXPECT_LT(UnifiedDiff("", std::string(1 << 20, 'x'), {}).size(), 5000u);
  std::string a, b;
  for (int i = 0; i < 5000; ++i) {
    a += std::to_string(i) + "\n";
    b += std::to_string(i) + "x\n";
  }
  const std::string diff = UnifiedDiff(a, b, {});
  EXPECT_TRUE(diff.starts_with("@@ -1,5000 +1,5000 @@\n-0\n-1\n"));
}

TEST(Diff, ColoursOnlyOnRequest) {
  EXPECT_NE(UnifiedDiff("a\n", "b\n", {.color = true}).find("\033[31m-a\033[0m"), std::string::npos);
  EXPECT_EQ(UnifiedDiff("a\n", "b\n", {}).find('\033'), std::string::npos);
}

}  // namespace
}  // namespace gptq_doctor
