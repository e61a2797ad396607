#include "repair/json_edit.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace gptq_doctor {
namespace {

using Change = std::function<void(JsonEditor&, const JsonValue&)>;

std::string Edit(const std::string& text, const Change& change) {
  const JsonDocument document = ParseJson(text);
  EXPECT_TRUE(document.valid && document.root) << text;
  JsonEditor editor(text, *document.root);
  change(editor, *document.root);
  std::string out = editor.Apply();
  EXPECT_TRUE(ParseJson(out).valid) << out;
  return out;
}

void AddY(JsonEditor& editor, const JsonValue& root) { editor.Add(root, "y", "{\"a\": 1, \"b\": [true]}"); }

TEST(JsonEditor, AddsInTheLayoutOfTheFile) {
  EXPECT_EQ(Edit("{\n  \"x\": 1\n}\n", AddY),
            "{\n  \"x\": 1,\n  \"y\": {\n    \"a\": 1,\n    \"b\": [\n      true\n    ]\n  }\n}\n");
  EXPECT_EQ(Edit("{\n\t\"x\":\t1e0\n}", AddY),
            "{\n\t\"x\":\t1e0,\n\t\"y\":\t{\n\t\t\"a\":\t1,\n\t\t\"b\":\t[\n\t\t\ttrue\n\t\t]\n\t}\n}");
  EXPECT_EQ(
      Edit("{\r\n    \"x\": 1\r\n}\r\n", AddY),
      "{\r\n    \"x\": 1,\r\n    \"y\": {\r\n        \"a\": 1,\r\n        \"b\": [\r\n            true\r\n        ]\r\n"
      "    }\r\n}\r\n");
  EXPECT_EQ(Edit("{\"w\":0,\"x\":1}", AddY), "{\"w\":0,\"x\":1,\"y\":{\"a\":1,\"b\":[true]}}");
  EXPECT_EQ(Edit("{\"w\": 0, \"x\": 1}", AddY), "{\"w\": 0, \"x\": 1, \"y\": {\"a\": 1, \"b\": [true]}}");
}

TEST(JsonEditor, AddsToAnEmptyObject) {
  const Change inner = [](JsonEditor& editor, const JsonValue& root) {
    editor.Add(*root.Find("x"), "a", "1");
    editor.Add(*root.Find("x"), "b", "2");
  };
  EXPECT_EQ(Edit("{\n  \"x\": {}\n}", inner), "{\n  \"x\": {\n    \"a\": 1,\n    \"b\": 2\n  }\n}");
  EXPECT_EQ(Edit("{\"x\":{}}", inner), "{\"x\":{\"a\":1, \"b\":2}}");
  EXPECT_EQ(Edit("{}", [](JsonEditor& e, const JsonValue& root) { e.Add(root, "a", "1"); }), "{\n  \"a\": 1\n}");
}

TEST(JsonEditor, KeepsSortedKeysSorted) {
  const Change change = [](JsonEditor& editor, const JsonValue& root) {
    editor.Add(root, "z", "9");
    editor.Add(root, "bb", "8");
    editor.Add(root, "ba", "7");
  };
  EXPECT_EQ(Edit("{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}", change),
            "{\n  \"a\": 1,\n  \"b\": 2,\n  \"ba\": 7,\n  \"bb\": 8,\n  \"c\": 3,\n  \"z\": 9\n}");
  EXPECT_EQ(Edit("{\n  \"b\": 1,\n  \"a\": 2,\n  \"c\": 3\n}", change),
            "{\n  \"b\": 1,\n  \"a\": 2,\n  \"c\": 3,\n  \"z\": 9,\n  \"bb\": 8,\n  \"ba\": 7\n}");
}

TEST(JsonEditor, RemovesMembersAnywhere) {
  const std::string text = "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}\n";
  struct Case {
    std::vector<size_t> removed;
    const char* expected;
  };
  for (const Case& c :
       {Case{{0}, "{\n  \"b\": 2,\n  \"c\": 3\n}\n"}, Case{{1}, "{\n  \"a\": 1,\n  \"c\": 3\n}\n"},
        Case{{2}, "{\n  \"a\": 1,\n  \"b\": 2\n}\n"}, Case{{0, 1}, "{\n  \"c\": 3\n}\n"},
        Case{{1, 2}, "{\n  \"a\": 1\n}\n"}, Case{{0, 2}, "{\n  \"b\": 2\n}\n"}, Case{{0, 1, 2}, "{}\n"}}) {
    EXPECT_EQ(Edit(text,
                   [&](JsonEditor& e, const JsonValue& root) {
                     for (size_t i : c.removed) e.Remove(root, i);
                   }),
              c.expected);
  }
}

TEST(JsonEditor, RemovesAddsAndReplacesTogether) {
  const Change change = [](JsonEditor& editor, const JsonValue& root) {
    editor.Remove(root, 2);
    editor.Replace(root.members[1].value.range, "20");
    editor.Replace(root.members[0].key_range, "\"aa\"");
    editor.Add(root, "0", "0");
    editor.Add(root, "d", "4");
  };
  EXPECT_EQ(Edit("{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}", change),
            "{\n  \"0\": 0,\n  \"aa\": 1,\n  \"b\": 20,\n  \"d\": 4\n}");
}

TEST(JsonEditor, ChangesNothingWithoutChanges) {
  const std::string odd = " {\"a\" :1 ,\n\n \"b\":[ 1,2 ] } \n";
  EXPECT_EQ(Edit(odd, [](JsonEditor&, const JsonValue&) {}), odd);
}

}  // namespace
}  // namespace gptq_doctor
