#include "base/text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace gptq_doctor {
namespace {

using Cases = std::vector<std::pair<std::string, std::string>>;

TEST(Text, TerminalNeverSeesControls) {
  const Cases cases = {
      {"model.layers.0", "model.layers.0"},
      {"a\x1b[31mb", "a\\x1b[31mb"},
      {"a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"},
      {"\xC2\x9B"
       "x",
       "\\u{9b}x"},
      {"\xE2\x80\xAE"
       "txt",
       "\\u{202e}txt"},
      {"\xE2\x81\xA6x\xE2\x81\xA9", "\\u{2066}x\\u{2069}"},
      {"\xFF\xC3", "\\xff\\xc3"},
      {"\xC3\xA9\xE4\xB8\xAD", "\xC3\xA9\xE4\xB8\xAD"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"\xED\xA0\x80", "\\xed\\xa0\\x80"},
      {"\xC0\xAF", "\\xc0\\xaf"},
  };
  for (const auto& [in, out] : cases) EXPECT_EQ(EscapeTerminal(in), out);
}

TEST(Text, TerminalCutsWholeCharacters) {
  EXPECT_EQ(EscapeTerminal("abcdefgh", 8), "abcdefgh");
  EXPECT_EQ(EscapeTerminal("abcdefghi", 8), "abcde...");
  EXPECT_EQ(EscapeTerminal("ab\x1bzzzzzz", 8), "ab...");
  EXPECT_EQ(EscapeTerminal("abcd\xC3\xA9\xC3\xA9\xC3\xA9", 8), "abcd...");
}

TEST(Text, MarkdownCellsStayCells) {
  EXPECT_EQ(EscapeMarkdown("a|b`c<d>[e]!&*_"), "a\\|b\\`c\\<d\\>\\[e\\]\\!&amp;\\*\\_");
  EXPECT_EQ(EscapeMarkdown("a\nb"), "a\\\\x0ab");
  EXPECT_EQ(MarkdownCode("a.b"), "`a.b`");
  EXPECT_EQ(MarkdownCode("a`b``c"), "```a`b``c```");
  EXPECT_EQ(MarkdownCode("`a"), "`` `a ``");
  EXPECT_EQ(MarkdownCode("a|b"), "`a\\|b`");
}

TEST(Text, XmlHoldsOnlyWhatXmlCanHold) {
  EXPECT_EQ(EscapeXml("<a b=\"c\" d='e'>&"), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
  EXPECT_EQ(EscapeXml(std::string("a\0\x1b\x0b"
                                  "b",
                                  5)),
            "ab");
  EXPECT_EQ(EscapeXml("a\n\t\r"), "a&#10;&#9;&#13;");
  EXPECT_EQ(EscapeXml("\xFF\xEF\xBF\xBF"), "\xEF\xBF\xBD");
}

TEST(Text, WorkflowCommandsCannotBeForged) {
  EXPECT_EQ(EscapeWorkflowData("100%\r\n::error::x"), "100%25%0D%0A::error::x");
  EXPECT_EQ(EscapeWorkflowProperty("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
  EXPECT_EQ(EscapeWorkflowData("a\x1b"
                               "b"),
            "a\\x1bb");
}

TEST(Text, ShellQuotes) {
  const Cases cases = {
      {"model-4bit/x.json", "model-4bit/x.json"}, {"", "''"},       {"my model", "'my model'"},
      {"it's $HOME", "'it'\\''s $HOME'"},         {"~/x", "'~/x'"}, {"a\x1b'b\\", "$'a\\x1b\\'b\\\\'"},
  };
  for (const auto& [in, out] : cases) EXPECT_EQ(ShellQuote(in), out);
}

TEST(Text, Utf8) {
  EXPECT_TRUE(IsValidUtf8("a\xC3\xA9\xE2\x82\xAC\xF4\x8F\xBF\xBF"));
  for (const char* bad :
       {"\x80", "\xC1\x81", "\xE0\x80\x80", "\xED\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82"}) {
    EXPECT_FALSE(IsValidUtf8(bad));
  }
  EXPECT_EQ(ToValidUtf8("a\xE2\x82"
                        "b"),
            "a\xEF\xBF\xBD\xEF\xBF\xBD"
            "b");
}

TEST(Text, Sizes) {
  EXPECT_EQ(FormatGiB(6171944550.0), "5.748 GiB");
  EXPECT_EQ(FormatBytes(17), "17 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(147968), "144.5 KiB");
  EXPECT_EQ(FormatBytes((1u << 20) - 1), "1.0 MiB");
  EXPECT_EQ(FormatBytes(2072321720), "1.93 GiB");
  EXPECT_EQ(FormatBytes(UINT64_MAX), "16.00 EiB");
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(180491), "180,491");
  EXPECT_EQ(FormatCount(1234567890), "1,234,567,890");
}

TEST(Text, NaturalOrder) {
  const std::vector<std::string> sorted = {"",
                                           "a",
                                           "layers",
                                           "layers.02",
                                           "layers.2",
                                           "layers.2.x",
                                           "layers.10",
                                           "layers.10.a",
                                           "layers.99999999999999999999998",
                                           "layers.99999999999999999999999",
                                           "layers.x",
                                           "\xC3\xA9"};
  for (size_t i = 0; i < sorted.size(); ++i) {
    for (size_t j = 0; j < sorted.size(); ++j) EXPECT_EQ(NaturalLess(sorted[i], sorted[j]), i < j) << i << " " << j;
  }
}

TEST(Text, NaturalOrderIsTransitive) {
  std::vector<std::string> words;
  for (const char* a : {"0", "00", "1", "01", "10", ".", "a", "1a"}) {
    for (const char* b : {"", "0", "1", "b", ".5"}) words.push_back(std::string(a) + b);
  }
  for (const auto& a : words) {
    for (const auto& b : words) {
      EXPECT_FALSE(NaturalLess(a, b) && NaturalLess(b, a));
      EXPECT_EQ(!NaturalLess(a, b) && !NaturalLess(b, a), a == b);
      for (const auto& c : words) {
        EXPECT_FALSE(NaturalLess(a, b) && NaturalLess(b, c) && !NaturalLess(a, c)) << a << " " << b << " " << c;
      }
    }
  }
}

TEST(Text, FoldsNumbers) {
  EXPECT_EQ(FoldNumbers("model.layers.31.mlp.experts.7.w1"), "model.layers.*.mlp.experts.*.w1");
  EXPECT_EQ(FoldNumbers("h.0"), "h.*");
  EXPECT_EQ(FoldNumbers("0"), "*");
  EXPECT_EQ(FoldNumbers("w1.2b..c"), "w1.2b..c");
  EXPECT_EQ(FoldNumbers(""), "");
}

TEST(Text, NearestForgivesSlips) {
  const std::vector<std::string_view> words = {"group_size", "desc_act", "bits", "sym", "checkpoint_format"};
  EXPECT_EQ(Nearest("gruop_size", words), "group_size");
  EXPECT_EQ(Nearest("groupsize", words), "group_size");
  EXPECT_EQ(Nearest("Bits", words), "bits");
  EXPECT_EQ(Nearest("bit", words), "bits");
  EXPECT_EQ(Nearest("checkpoint", words), "");
  EXPECT_EQ(Nearest("quant_method", words), "");
  EXPECT_EQ(Nearest("", words), "");
  EXPECT_EQ(Nearest("x", std::vector<std::string_view>{"y"}), "");
}

TEST(Text, Globs) {
  struct Row {
    const char* pattern;
    const char* name;
    bool matches;
  };
  const Row rows[] = {
      {"*", "", true},
      {"*", "a.b/c", true},
      {"", "", true},
      {"", "a", false},
      {"model.*.mlp", "model.layers.3.mlp", true},
      {"model.*.mlp", "model.layers.3.mlp.x", false},
      {"?.w", "a.w", true},
      {"?.w", ".w", false},
      {"[abc]x", "bx", true},
      {"[!abc]x", "bx", false},
      {"layers.[0-3].*", "layers.2.q", true},
      {"layers.[0-3].*", "layers.4.q", false},
      {"[]]", "]", true},
      {"[a", "[a", true},
      {"\\*", "*", true},
      {"\\*", "x", false},
      {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };
  for (const Row& row : rows)
    EXPECT_EQ(GlobMatch(row.pattern, row.name), row.matches) << row.pattern << " " << row.name;
}

TEST(Text, Widths) {
  EXPECT_EQ(DisplayWidth("abc"), 3);
  EXPECT_EQ(DisplayWidth("\xE4\xB8\xAD\xE6\x96\x87"), 4);
  EXPECT_EQ(DisplayWidth("e\xCC\x81"), 1);
  EXPECT_EQ(DisplayWidth("\xF0\x9F\x98\x80"), 2);
}

TEST(TextTable, AlignsAndTrims) {
  TextTable table({"name", "count", ""});
  table.AlignRight(1);
  table.AddRow({"a", "1", ""});
  table.AddRow({"\xE4\xB8\xAD\xE6\x96\x87yz", "1,000"});
  EXPECT_EQ(table.Render(),
            "name    count\n"
            "a           1\n"
            "\xE4\xB8\xAD\xE6\x96\x87yz  1,000\n");
}

TEST(TextTable, CutsTheWidestTextColumn) {
  TextTable table({"", "", ""});
  table.AlignRight(0);
  table.AddRow({"123456789012", "model.layers.*.self_attn.q_proj", "short"});
  EXPECT_EQ(table.Render(40), "123456789012  model.layers.*.s...  short\n");
  EXPECT_EQ(TextTable({}).Render(10), "");
}

}  // namespace
}  // namespace gptq_doctor
