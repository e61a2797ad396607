#include "report/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace gptq_doctor {
namespace {

TEST(JsonWriter, LaysOutLinesAndCompactContainers) {
  JsonWriter json;
  json.BeginObject().Field("a", 1).Key("b").BeginArray(JsonWriter::Layout::kCompact).Put(1).Put("x").BeginObject();
  json.Field("c", true).EndObject().EndArray().Key("d").BeginObject().EndObject().EndObject();
  EXPECT_EQ(json.Take(), "{\n  \"a\": 1,\n  \"b\": [1, \"x\", {\"c\": true}],\n  \"d\": {}\n}\n");
}

TEST(JsonWriter, WritesEveryKindOfValue) {
  JsonWriter json;
  json.BeginArray().Put(std::numeric_limits<int64_t>::min()).Put(std::numeric_limits<uint64_t>::max()).Put(2.5);
  json.Put(std::nan("")).Put(HUGE_VAL).Put(std::optional<int>()).Put(std::optional<bool>(false));
  json.Put(Value{}).Put(Value{true}).Put(Value{int64_t{-1}}).Put(Value{std::string("gptq")}).EndArray();
  const auto parsed = nlohmann::json::parse(json.Take());
  const nlohmann::json expected = {std::numeric_limits<int64_t>::min(),
                                   std::numeric_limits<uint64_t>::max(),
                                   2.5,
                                   nullptr,
                                   nullptr,
                                   nullptr,
                                   false,
                                   nullptr,
                                   true,
                                   -1,
                                   "gptq"};
  EXPECT_EQ(parsed, expected);
}

TEST(JsonWriter, AnyBytesMakeValidJson) {
  for (const std::string& text : {std::string("\xff\xfe name"), std::string("a\0b", 3), std::string("\x1b[31m\n\t\"\\"),
                                  std::string("\xed\xa0\x80"), std::string("é→"), std::string("\x7f")}) {
    JsonWriter json;
    json.BeginObject().Field(text, text).EndObject();
    const std::string out = json.Take();
    ASSERT_TRUE(nlohmann::json::accept(out)) << out;
  }
  // What makes a text look like another is written as an escape, and is the same value.
  for (const std::string text :
       {"\xc2\x9b", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x80\x8b", "\xf3\xa0\x81\x81", "\x7f"}) {
    JsonWriter json;
    json.BeginObject().Field("a" + text, text).EndObject();
    const std::string out = json.Take();
    EXPECT_EQ(out.find(text), std::string::npos) << out;
    EXPECT_EQ(nlohmann::json::parse(out)["a" + text], text);
  }
  JsonWriter json;
  json.BeginArray().Put("é→").EndArray();
  EXPECT_EQ(nlohmann::json::parse(json.Take())[0], "é→");
}

}  // namespace
}  // namespace gptq_doctor
