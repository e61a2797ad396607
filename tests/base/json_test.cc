#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace gptq_doctor {
namespace {

TEST(Json, ReadsOrderRangesAndTypes) {
  const std::string text = "{\"bits\": 4, \"sym\": true,\n \"damp\": 0.01, \"a\": [null, \"x\\u00e9\\n\"], \"o\": {}}";
  const JsonDocument document = ParseJson(text);
  ASSERT_TRUE(document.root);
  EXPECT_TRUE(document.valid);
  EXPECT_FALSE(document.repairable);
  EXPECT_TRUE(document.defects.empty());
  const JsonValue& root = *document.root;
  ASSERT_EQ(root.members.size(), 5u);
  EXPECT_EQ(root.members[2].key, "damp");
  EXPECT_EQ(root.Find("bits")->AsInt(), 4);
  EXPECT_EQ(root.Find("sym")->AsBool(), true);
  EXPECT_EQ(root.Find("damp")->AsDouble(), 0.01);
  EXPECT_EQ(*root.Find("a")->items[1].AsString(), "x\xC3\xA9\n");
  EXPECT_EQ(root.Find("a")->items[0].kind, JsonKind::kNull);
  EXPECT_EQ(root.Find("missing"), nullptr);
  const JsonRange range = root.Find("a")->range;
  EXPECT_EQ(text.substr(range.begin, range.end - range.begin), "[null, \"x\\u00e9\\n\"]");
  const JsonRange key = root.members[4].key_range;
  EXPECT_EQ(text.substr(key.begin, key.end - key.begin), "\"o\"");
  EXPECT_EQ(root.range.end, text.size());
}

struct BadCase {
  const char* name;
  std::string text;
  JsonDefectKind kind;
  int line, column;
  const char* message;   // a part of it
  const char* repaired;  // null where the meaning is not certain
};

void PrintTo(const BadCase& bad, std::ostream* out) { *out << bad.name; }

class JsonBad : public ::testing::TestWithParam<BadCase> {};

TEST_P(JsonBad, IsNamedWithItsPlace) {
  const BadCase& bad = GetParam();
  const JsonDocument document = ParseJson(bad.text);
  EXPECT_FALSE(document.valid);
  ASSERT_FALSE(document.defects.empty());
  const JsonDefect& defect = document.defects[0];
  EXPECT_STREQ(ToString(defect.kind), ToString(bad.kind));
  EXPECT_EQ(defect.place.line, bad.line);
  EXPECT_EQ(defect.place.column, bad.column);
  EXPECT_NE(defect.message.find(bad.message), std::string::npos) << defect.message;
  EXPECT_EQ(document.repairable, bad.repaired != nullptr);
  if (bad.repaired == nullptr) return;
  const std::string repaired = ApplyRepairs(bad.text, document);
  EXPECT_EQ(repaired, bad.repaired);
  EXPECT_TRUE(ParseJson(repaired).valid);
}

const BadCase kBad[] = {
    {"empty", "", JsonDefectKind::kEmpty, 1, 1, "empty", nullptr},
    {"blanks", " \n\t ", JsonDefectKind::kEmpty, 2, 3, "only blanks", nullptr},
    {"nul_bytes", std::string(16, '\0'), JsonDefectKind::kEmpty, 1, 1, "NUL bytes", nullptr},
    {"cut_object", "{\"a\": 1", JsonDefectKind::kSyntax, 1, 8, "ends in the middle of a number", nullptr},
    {"cut_after_comma", "{\"a\": 1,\n", JsonDefectKind::kSyntax, 2, 1, "ends in the middle of an object", nullptr},
    {"cut_after_colon", "{\"a\":", JsonDefectKind::kSyntax, 1, 6, "ends in the middle of an object", nullptr},
    {"cut_array", "[[1, 2], ", JsonDefectKind::kSyntax, 1, 10, "ends in the middle of an array", nullptr},
    {"cut_string", "{\"a\": \"xy", JsonDefectKind::kSyntax, 1, 10, "ends in the middle of a string", nullptr},
    {"cut_escape", "[\"\\u00", JsonDefectKind::kSyntax, 1, 7, "ends in the middle of a string", nullptr},
    {"cut_word", "[tru", JsonDefectKind::kSyntax, 1, 5, "ends in the middle of a word", nullptr},
    {"cut_comment", "[1 /* x", JsonDefectKind::kSyntax, 1, 8, "ends in the middle of a comment", nullptr},
    {"missing_comma", "{\"a\": 1\n \"b\": 2}", JsonDefectKind::kSyntax, 2, 2, "comma", nullptr},
    {"missing_colon", "{\"a\" 1}", JsonDefectKind::kSyntax, 1, 6, "colon", nullptr},
    {"bare_key", "{bits: 4}", JsonDefectKind::kSyntax, 1, 2, "double quotes", nullptr},
    {"bare_word", "{\"a\": gptq}", JsonDefectKind::kSyntax, 1, 7, "\"gptq\"", nullptr},
    {"typographic",
     "{\xE2\x80\x9C"
     "a\xE2\x80\x9D: 1}",
     JsonDefectKind::kSyntax, 1, 2, "typographic", nullptr},
    {"two_commas", "[1,,2]", JsonDefectKind::kSyntax, 1, 4, "a value is expected", nullptr},
    {"wrong_bracket", "{\"\xC3\xA9\": [1}", JsonDefectKind::kSyntax, 1, 9, "\"]\" is expected", nullptr},
    {"leading_zero", "[01]", JsonDefectKind::kSyntax, 1, 2, "\"01\"", nullptr},
    {"plus", "[+1]", JsonDefectKind::kSyntax, 1, 2, "\"+1\"", nullptr},
    {"bare_point", "[1.]", JsonDefectKind::kSyntax, 1, 2, "\"1.\"", nullptr},
    {"bad_escape", "[\"C:\\models\"]", JsonDefectKind::kSyntax, 1, 5, "written twice", nullptr},
    {"bad_unicode", "[\"\\uXYZ1\"]", JsonDefectKind::kSyntax, 1, 3, "four hexadecimal", nullptr},
    {"two_documents", "{}\n{}", JsonDefectKind::kTrailingText, 2, 1, "followed by", nullptr},
    {"nul_tail", std::string("{}\0\0", 4), JsonDefectKind::kTrailingText, 1, 3, "U+0000", nullptr},
    {"invalid_utf8", "[\"\xE9t\xE9\"]", JsonDefectKind::kInvalidUtf8, 1, 3, "not UTF-8", nullptr},
    {"utf16", "\xFF\xFE{", JsonDefectKind::kByteOrderMark, 1, 1, "UTF-16", nullptr},
    {"mark", "\xEF\xBB\xBF{}", JsonDefectKind::kByteOrderMark, 1, 1, "byte order mark", "{}"},
    {"trailing_comma", "{\"a\": [1, ],\n}", JsonDefectKind::kTrailingComma, 1, 9, "comma", "{\"a\": [1 ]\n}"},
    {"python", "{\"a\": True, \"b\": [None, False]}", JsonDefectKind::kPythonLiteral, 1, 7, "JSON writes true",
     "{\"a\": true, \"b\": [null, false]}"},
    {"python_dict", "{'a': 'it\\'s \"4\"', 'b': None,}", JsonDefectKind::kSingleQuotes, 1, 2, "single quotes",
     "{\"a\": \"it's \\\"4\\\"\", \"b\": null}"},
    {"comments", "// x\r\n{ # y\n\"a\": /* 1 */ 2 } // z", JsonDefectKind::kComment, 1, 1, "comment",
     "\r\n{ \n\"a\":  2 } "},
    {"comma_and_comment", "[1, // last\n]", JsonDefectKind::kTrailingComma, 1, 3, "comma", "[1 \n]"},
    {"control", "[\"a\tb\nc\x01\"]", JsonDefectKind::kSyntax, 1, 4, "a tab", "[\"a\\tb\\nc\\u0001\"]"},
};

INSTANTIATE_TEST_SUITE_P(Table, JsonBad, ::testing::ValuesIn(kBad),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Json, KeepsWhatACutDocumentHolds) {
  const JsonDocument document = ParseJson("{\"bits\": 4, \"m\": {\"x\": [1, 2], \"y\": \"abc");
  ASSERT_TRUE(document.root);
  EXPECT_EQ(document.root->Find("bits")->AsInt(), 4);
  const JsonValue* inner = document.root->Find("m");
  ASSERT_NE(inner, nullptr);
  EXPECT_EQ(inner->Find("x")->items.size(), 2u);
  EXPECT_EQ(inner->Find("y"), nullptr);
  // 4 may be the beginning of 48.
  EXPECT_EQ(ParseJson("{\"sym\": true, \"bits\": 4").root->Find("bits"), nullptr);
}

TEST(Json, TrailingTextKeepsTheRoot) {
  const JsonDocument document = ParseJson("{\"bits\": 4}\ngarbage");
  ASSERT_TRUE(document.root);
  EXPECT_EQ(document.root->Find("bits")->AsInt(), 4);
}

TEST(Json, PythonReadsNonFiniteNumbersAndDuplicates) {
  const JsonDocument document = ParseJson("{\"a\": NaN, \"b\": -Infinity,\n\"a\": 1, \"c\": {\"a\": 2}}");
  EXPECT_TRUE(document.valid);
  ASSERT_EQ(document.defects.size(), 3u);
  EXPECT_EQ(document.defects[0].kind, JsonDefectKind::kNonFinite);
  EXPECT_EQ(document.defects[1].kind, JsonDefectKind::kNonFinite);
  EXPECT_EQ(document.defects[2].kind, JsonDefectKind::kDuplicateKey);
  EXPECT_EQ(document.defects[2].place.line, 2);
  EXPECT_EQ(document.defects[2].place.column, 1);
  EXPECT_EQ(document.root->members.size(), 4u);
  EXPECT_EQ(document.root->Find("a")->AsInt(), 1);
  EXPECT_EQ(document.root->Find("b")->AsDouble(), std::nullopt);
}

TEST(Json, DecodesSurrogatePairsAndAcceptsLoneOnes) {
  const JsonDocument document = ParseJson("[\"\\ud83d\\ude00\", \"\\ud83d\", \"\\udc00x\", \"\\ud800\\u0041\"]");
  EXPECT_TRUE(document.valid);
  EXPECT_EQ(document.root->items[0].text, "\xF0\x9F\x98\x80");
  EXPECT_EQ(document.root->items[1].text, "\xEF\xBF\xBD");
  EXPECT_EQ(document.root->items[2].text, "\xEF\xBF\xBDx");
  EXPECT_EQ(document.root->items[3].text,
            "\xEF\xBF\xBD"
            "A");
}

TEST(Json, NumbersAreTyped) {
  const auto value = [](const char* text) { return *ParseJson(text).root; };
  EXPECT_EQ(value("9223372036854775807").AsInt(), INT64_MAX);
  EXPECT_EQ(value("-9223372036854775808").AsInt(), INT64_MIN);
  EXPECT_EQ(value("9223372036854775808").AsInt(), std::nullopt);
  EXPECT_EQ(value("4.0").AsInt(), std::nullopt);
  EXPECT_EQ(value("4.0").AsIntegral(), 4);
  EXPECT_EQ(value("4e0").AsIntegral(), 4);
  EXPECT_EQ(value("4.5").AsIntegral(), std::nullopt);
  EXPECT_EQ(value("1e300").AsIntegral(), std::nullopt);
  EXPECT_EQ(value("1e999").AsDouble(), std::nullopt);
  EXPECT_EQ(value("-0.5e-1").AsDouble(), -0.05);
  EXPECT_EQ(value("\"4\"").AsInt(), std::nullopt);
  EXPECT_EQ(value("true").AsInt(), std::nullopt);
  EXPECT_EQ(value("[012]").items[0].AsInt(), std::nullopt);
  EXPECT_EQ(value("[1.]").items[0].AsDouble(), std::nullopt);
}

TEST(Json, DepthIsLimited) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(ParseJson(nested(127)).valid);
  const JsonDocument deep = ParseJson(nested(128));
  EXPECT_FALSE(deep.valid);
  EXPECT_EQ(deep.defects[0].kind, JsonDefectKind::kDepth);
  EXPECT_EQ(deep.defects[0].place.column, 128);
  EXPECT_FALSE(ParseJson(std::string(5'000'000, '[')).valid);
}

TEST(Json, ManyRepairsAreAllApplied) {
  std::string text = "[";
  for (int i = 0; i < 1000; ++i) text += "None, ";
  text += "]";
  const JsonDocument document = ParseJson(text);
  EXPECT_EQ(document.defects.size(), 100u);
  EXPECT_TRUE(document.repairable);
  EXPECT_TRUE(ParseJson(ApplyRepairs(text, document)).valid);
}

TEST(Json, ManyKeysAndDefectsStayLinear) {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"key" + std::to_string(i % 150'000) + "\": 1,\n";
  text += "\"end\": 1}";
  const JsonDocument document = ParseJson(text);
  EXPECT_TRUE(document.valid);
  EXPECT_EQ(document.defects.size(), 100u);
}

TEST(Json, WrongEscapesStayLinear) {
  std::string text = "[\"";
  for (int i = 0; i < 500'000; ++i) text += "\\u";
  const JsonDocument document = ParseJson(text + "\"]");
  EXPECT_FALSE(document.valid);
  ASSERT_EQ(document.root->items.size(), 1u);
  EXPECT_EQ(document.root->items[0].text.size(), 1'000'000u);
}

TEST(Json, FollowsPointers) {
  const JsonDocument document = ParseJson("{\"a/b\": {\"~\": [10, {\"\": 7}]}, \"k\": 1}");
  const JsonValue& root = *document.root;
  EXPECT_EQ(FindPointer(root, ""), &root);
  EXPECT_EQ(FindPointer(root, "/a~1b/~0/0")->AsInt(), 10);
  EXPECT_EQ(FindPointer(root, "/a~1b/~0/1/")->AsInt(), 7);
  for (const char* absent : {"/x", "k", "/k/0", "/a~1b/~0/2", "/a~1b/~0/-", "/a~1b/~0/00", "/a~1b/~0/", "/a~2b", "/"}) {
    EXPECT_EQ(FindPointer(root, absent), nullptr) << absent;
  }
}

TEST(Json, QuotesWhatItReadsBack) {
  const std::string text("a\"\\\b\f\n\r\t\x01\x1f\x7f\xC3\xA9\xF0\x9F\x98\x80/\0z", 21);
  const JsonDocument document = ParseJson(JsonQuote(text));
  EXPECT_TRUE(document.valid);
  EXPECT_EQ(document.root->text, text);
  EXPECT_EQ(JsonQuote("a\xE2\x80\xA8\xE2\x80\xA9"), "\"a\\u2028\\u2029\"");
  EXPECT_EQ(JsonQuote("\xC2\x9B\xE2\x80\xAE\xF3\xA0\x81\x81"), "\"\\u009b\\u202e\\udb40\\udc41\"");
  EXPECT_EQ(JsonQuote("\xFFx"), "\"\xEF\xBF\xBDx\"");
}

TEST(Json, PlacesCountCodePoints) {
  const std::string text = "a\xC3\xA9\n\xE2\x82\xACx";
  EXPECT_EQ(PlaceOf(text, 3).column, 3);
  EXPECT_EQ(PlaceOf(text, 7).line, 2);
  EXPECT_EQ(PlaceOf(text, 7).column, 2);
  EXPECT_EQ(PlaceOf(text, 999).column, 3);
}

}  // namespace
}  // namespace gptq_doctor
