#include <numeric>

#include "gtest/gtest.h"
#include "model/header_cases.h"
#include "support/model_builder.h"

namespace gptq_doctor {
namespace {

using testing::Entry;
using testing::FileOf;
using testing::Get;
using testing::Has;
using testing::Kinds;
using testing::Read;

std::string Braced(const std::string& entries) { return "{" + entries + "}"; }
// A header with one good tensor of 16 bytes and `field` inside its entry.
std::string WithField(const std::string& field) {
  return FileOf("{\"t\":{\"dtype\":\"I32\",\"shape\":[2,2],\"data_offsets\":[0,16]" + field + "}}", 16);
}
std::string WithShape(const std::string& shape, const std::string& dtype = "I32", uint64_t end = 16) {
  return FileOf(Braced(Entry("t", dtype, shape, 0, end)), end);
}

TEST(Header, ReadsWhatTheReferenceWriterWrites) {
  const std::string file = testing::MakeSafetensors({{"c", "F32", {1, 2, 3}, ""},
                                                     {"a.qweight", "I32", {2, 8}, ""},
                                                     {"a.scales", "F16", {3, 4}, ""},
                                                     {"s", "BF16", {}, ""}});
  const ShardHeader header = Read(file);
  EXPECT_TRUE(header.accepted);
  EXPECT_TRUE(header.readable);
  EXPECT_TRUE(header.complete);
  EXPECT_EQ(Kinds(header), std::vector<DefectKind>());
  ASSERT_EQ(header.tensors.size(), 4u);
  ASSERT_EQ(header.metadata.size(), 1u);
  EXPECT_EQ(header.metadata[0], (std::pair<std::string, std::string>("format", "pt")));
  uint64_t bytes = 8 + header.header_bytes + header.stray_bytes;
  for (const TensorRecord& tensor : header.tensors) {
    bytes += tensor.bytes();
    uint64_t elements = 1;
    for (const uint64_t dim : tensor.dims()) elements *= dim;
    EXPECT_EQ(tensor.bytes() * 8, elements * static_cast<uint64_t>(BitsOf(tensor.dtype))) << tensor.name();
  }
  EXPECT_EQ(bytes, file.size());
  EXPECT_EQ(header.stray_bytes, 0u);
}

TEST(Header, SpacedLayoutAndAnyFieldOrderReadTheSame) {
  const std::string compact = Braced(Entry("t", "F16", "[3,4]", 0, 24) + "," + Entry("u", "I32", "[2]", 24, 32));
  const std::string spaced =
      "{\"t\": {\"dtype\": \"F16\", \"shape\": [3, 4], \"data_offsets\": [0, 24]}, \"u\": {\"dtype\": \"I32\", "
      "\"shape\": [2], "
      "\"data_offsets\": [24, 32]}}";
  const std::string wild =
      " \n{ \"u\" : {\"x\":[{\"y\":null}],\"data_offsets\" :[24 ,\t32],\"shape\":[ 2 ] ,\"dtype\":\"I32\"} "
      ",\"\\u0074\":"
      "{\"shape\":[3,4],\"d\\u0074ype\":\"F\\u00316\",\"data_offsets\":[0,24]}}\r\n";
  for (const std::string& text : {compact, spaced, wild}) {
    const ShardHeader header = Read(FileOf(text, 32));
    ASSERT_TRUE(header.accepted) << text;
    ASSERT_EQ(header.tensors.size(), 2u);
    EXPECT_EQ(header.tensors[0].name(), "t");
    EXPECT_EQ(header.tensors[0].dtype, Dtype::kF16);
    EXPECT_EQ(header.tensors[0].dims()[1], 4u);
    EXPECT_EQ(header.tensors[1].name(), "u");
    EXPECT_EQ(header.tensors[1].begin, 24u);
    const ShardHeader first = Read(FileOf(compact, 32));
    EXPECT_EQ(header.name_sum[0], first.name_sum[0]);
    EXPECT_EQ(header.name_sum[1], first.name_sum[1]);
  }
}

TEST(Header, NamesMayBeAnything) {
  for (const char* name : {"", "a\\u0000b", "\x1b[31m", "\xE2\x80\xAE", "../../x", "__proto__", "\xF0\x9F\x92\xA9",
                           "\\ud83d\\ude00", "\x7f", "'"}) {
    const bool raw_control = name[0] == '\x1b';
    const ShardHeader header = Read(FileOf(Braced(Entry(name, "U8", "[1]", 0, 1)), 1));
    EXPECT_EQ(header.accepted, !raw_control) << name;
    EXPECT_EQ(header.tensors.size(), 1u);
  }
  const ShardHeader header = Read(FileOf(Braced(Entry("\\u00e9\\n\\ud83d\\ude00", "U8", "[1]", 0, 1)), 1));
  EXPECT_EQ(header.tensors.at(0).name(), "\xC3\xA9\n\xF0\x9F\x98\x80");
}

struct Case {
  const char* what;
  std::string content;
  DefectKind kind;
  const char* reference;  // "" where the reference accepts
};

TEST(Header, RefusesWithTheReferencesError) {
  const std::string ok = Entry("t", "I32", "[2,2]", 0, 16);
  const std::vector<Case> cases = {
      {"array at the top", FileOf("[]", 0), DefectKind::kInvalidJson, "InvalidHeaderDeserialization"},
      {"trailing comma", FileOf("{" + ok + ",}", 16), DefectKind::kInvalidJson, "InvalidHeaderDeserialization"},
      {"comment", FileOf("{/**/" + ok + "}", 16), DefectKind::kInvalidJson, "InvalidHeaderDeserialization"},
      {"two documents", FileOf(Braced(ok) + "{}", 16), DefectKind::kInvalidJson, "InvalidHeaderDeserialization"},
      {"unterminated", FileOf("{" + ok, 16), DefectKind::kInvalidJson, "InvalidHeaderDeserialization"},
      {"NUL padding", FileOf(Braced(ok) + std::string(3, '\0'), 16), DefectKind::kNulPadding,
       "InvalidHeaderDeserialization"},
      {"byte order mark", FileOf("\xEF\xBB\xBF" + Braced(ok), 16), DefectKind::kInvalidJson,
       "InvalidHeaderDeserialization"},
      {"overlong", FileOf(Braced(Entry("\xC0\x80", "U8", "[1]", 0, 1)), 1), DefectKind::kInvalidUtf8, "InvalidHeader"},
      {"CESU surrogate", FileOf(Braced(Entry("\xED\xA0\x80", "U8", "[1]", 0, 1)), 1), DefectKind::kInvalidUtf8,
       "InvalidHeader"},
      {"bad bytes after an error", FileOf("{" + ok + ",}\xFF", 16), DefectKind::kInvalidUtf8, "InvalidHeader"},
      {"lone surrogate", FileOf(Braced(Entry("\\ud800", "U8", "[1]", 0, 1)), 1), DefectKind::kInvalidJson,
       "InvalidHeaderDeserialization"},
      {"bad escape", FileOf(Braced(Entry("\\x", "U8", "[1]", 0, 1)), 1), DefectKind::kInvalidJson,
       "InvalidHeaderDeserialization"},
      {"dtype case", WithShape("[4]", "i32"), DefectKind::kUnknownDtype, "InvalidHeaderDeserialization"},
      {"dtype of another ecosystem", WithShape("[4]", "C128"), DefectKind::kUnknownDtype,
       "InvalidHeaderDeserialization"},
      {"dtype null", FileOf("{\"t\":{\"dtype\":null,\"shape\":[4],\"data_offsets\":[0,16]}}", 16),
       DefectKind::kUnknownDtype, "InvalidHeaderDeserialization"},
      {"dtype map", FileOf("{\"t\":{\"dtype\":{\"I32\":null},\"shape\":[4],\"data_offsets\":[0,16]}}", 16),
       DefectKind::kEntryForm, ""},
      {"dtype map of an unknown", FileOf("{\"t\":{\"dtype\":{\"X\":null},\"shape\":[4],\"data_offsets\":[0,16]}}", 16),
       DefectKind::kEntryForm, "InvalidHeaderDeserialization"},
      {"array entry", FileOf("{\"t\":[\"I32\",[2,2],[0,16]]}", 16), DefectKind::kEntryForm, ""},
      {"short array entry", FileOf("{\"t\":[\"I32\",[2,2]]}", 16), DefectKind::kEntryForm,
       "InvalidHeaderDeserialization"},
      {"null entry", FileOf("{\"t\":null}", 0), DefectKind::kMissingField, "InvalidHeaderDeserialization"},
      {"no shape", FileOf("{\"t\":{\"dtype\":\"I32\",\"data_offsets\":[0,16]}}", 16), DefectKind::kMissingField,
       "InvalidHeaderDeserialization"},
      {"shape twice", WithField(",\"shape\":[2,2]"), DefectKind::kDuplicateField, "InvalidHeaderDeserialization"},
      {"escaped shape twice", WithField(",\"\\u0073hape\":[2,2]"), DefectKind::kDuplicateField,
       "InvalidHeaderDeserialization"},
      {"2.0", WithShape("[2.0,2]"), DefectKind::kInvalidShape, "InvalidHeaderDeserialization"},
      {"2e0", WithShape("[2e0,2]"), DefectKind::kInvalidShape, "InvalidHeaderDeserialization"},
      {"-0", WithShape("[-0]", "I32", 0), DefectKind::kInvalidShape, "InvalidHeaderDeserialization"},
      {"2^64", WithShape("[18446744073709551616]"), DefectKind::kInvalidShape, "InvalidHeaderDeserialization"},
      {"string", WithShape("[\"2\",2]"), DefectKind::kInvalidShape, "InvalidHeaderDeserialization"},
      {"scalar shape", WithShape("4"), DefectKind::kInvalidShape, "InvalidHeaderDeserialization"},
      {"02", WithShape("[02,2]"), DefectKind::kInvalidJson, "InvalidHeaderDeserialization"},
      {"+2", WithShape("[+2,2]"), DefectKind::kInvalidJson, "InvalidHeaderDeserialization"},
      {"NaN", WithShape("[NaN]"), DefectKind::kInvalidJson, "InvalidHeaderDeserialization"},
      {"three offsets", FileOf("{\"t\":{\"dtype\":\"I32\",\"shape\":[4],\"data_offsets\":[0,16,16]}}", 16),
       DefectKind::kInvalidOffsets, "InvalidHeaderDeserialization"},
      {"one offset", FileOf("{\"t\":{\"dtype\":\"I32\",\"shape\":[4],\"data_offsets\":[0]}}", 16),
       DefectKind::kInvalidOffsets, "InvalidHeaderDeserialization"},
      {"metadata twice", FileOf("{\"__metadata__\":{},\"\\u005f_metadata__\":{}}", 0), DefectKind::kDuplicateMetadata,
       "InvalidHeaderDeserialization"},
      {"metadata number", FileOf("{\"__metadata__\":{\"a\":1}}", 0), DefectKind::kMetadataType,
       "InvalidHeaderDeserialization"},
      {"metadata array", FileOf("{\"__metadata__\":[]}", 0), DefectKind::kMetadataType, "InvalidHeaderDeserialization"},
      {"metadata as a tensor", FileOf(Braced(Entry("__metadata__", "I32", "[4]", 0, 16)), 16),
       DefectKind::kMetadataType, "InvalidHeaderDeserialization"},
      {"end before begin", FileOf(Braced(Entry("t", "I32", "[]", 8, 4)), 16), DefectKind::kEndBeforeBegin,
       "InvalidOffset"},
      {"hole at the start", FileOf(Braced(Entry("t", "I32", "[2]", 8, 16)), 16), DefectKind::kHole, "InvalidOffset"},
      {"hole between", FileOf(Braced(Entry("t", "I32", "[1]", 0, 4) + "," + Entry("u", "I32", "[1]", 8, 12)), 12),
       DefectKind::kHole, "InvalidOffset"},
      {"overlap, same", FileOf(Braced(Entry("t", "I32", "[1]", 0, 4) + "," + Entry("u", "I32", "[1]", 0, 4)), 4),
       DefectKind::kOverlap, "InvalidOffset"},
      {"overlap, partial", FileOf(Braced(Entry("t", "I32", "[2]", 0, 8) + "," + Entry("u", "I32", "[2]", 4, 12)), 12),
       DefectKind::kOverlap, "InvalidOffset"},
      {"zero size inside", FileOf(Braced(Entry("t", "I32", "[2]", 0, 8) + "," + Entry("u", "I32", "[0]", 4, 4)), 8),
       DefectKind::kOverlap, "InvalidOffset"},
      {"overflow", WithShape("[4294967296,4294967296]"), DefectKind::kShapeOverflow, "ValidationOverflow"},
      {"overflow of bits alone", WithShape("[2,9223372036854775807]"), DefectKind::kShapeOverflow,
       "ValidationOverflow"},
      {"overflow before a zero", WithShape("[18446744073709551615,18446744073709551615,0]", "U8", 0),
       DefectKind::kShapeOverflow, "ValidationOverflow"},
      {"odd F4", WithShape("[3]", "F4", 1), DefectKind::kMisalignedSlice, "MisalignedSlice"},
      {"wrong size", WithShape("[3]"), DefectKind::kSizeMismatch, "TensorInvalidInfo"},
      {"truncated", FileOf(Braced(ok), 15), DefectKind::kTruncated, "MetadataIncompleteBuffer"},
      {"trailing", FileOf(Braced(ok), 17), DefectKind::kTrailingBytes, "MetadataIncompleteBuffer"},
      {"data without tensors", FileOf("{}", 1), DefectKind::kTrailingBytes, "MetadataIncompleteBuffer"},
      {"nothing", "", DefectKind::kHeaderTooSmall, "HeaderTooSmall"},
      {"seven bytes", std::string(7, '\0'), DefectKind::kHeaderTooSmall, "HeaderTooSmall"},
      {"length alone", FileOf(2, "", 0), DefectKind::kHeaderLength, "InvalidHeaderLength"},
      {"cap", FileOf(100'000'000, "{}", 0), DefectKind::kHeaderLength, "InvalidHeaderLength"},
      {"cap and one", FileOf(100'000'001, "{}", 0), DefectKind::kHeaderTooLarge, "HeaderTooLarge"},
      {"2^63", FileOf(uint64_t{1} << 63, "{}", 0), DefectKind::kHeaderTooLarge, "HeaderTooLarge"},
      {"2^64-8", FileOf(~uint64_t{7}, "{}", 0), DefectKind::kHeaderTooLarge, "HeaderTooLarge"},
      {"length 0", FileOf(0, "{}", 0), DefectKind::kEmptyHeader, "InvalidHeaderDeserialization"},
      {"zeros", std::string(4096, '\0'), DefectKind::kEmptyHeader, "InvalidHeaderDeserialization"},
      {"white space", FileOf("    ", 0), DefectKind::kEmptyHeader, "InvalidHeaderDeserialization"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    const ShardHeader header = Read(c.content);
    EXPECT_FALSE(header.accepted);
    ASSERT_TRUE(Has(header, c.kind)) << (header.defects.empty() ? "no defect" : header.defects[0].detail);
    EXPECT_EQ(ReferenceError(Get(header, c.kind)), c.reference);
  }
}

TEST(Header, AcceptsWhatTheReferenceAccepts) {
  const std::string ok = Entry("t", "I32", "[2,2]", 0, 16);
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"smallest", FileOf("{}", 0)},
      {"padding behind", FileOf(Braced(ok) + " \t\r\n", 16)},
      {"white space before", FileOf("  " + Braced(ok), 16)},
      {"unknown field twice", WithField(",\"x\":1,\"x\":2")},
      {"1e-999999999", WithField(",\"x\":1e-999999999")},
      {"0e999999999", WithField(",\"x\":0e999999999")},
      {"largest double", WithField(",\"x\":1.7976931348623157e308")},
      {"long but small", WithField(",\"x\":0." + std::string(1000, '9'))},
      {"zero first", WithShape("[0,18446744073709551615,18446744073709551615]", "U8", 0)},
      {"zero sizes on a boundary",
       FileOf(Braced(ok + "," + Entry("z", "F32", "[0]", 16, 16) + "," + Entry("y", "F32", "[0]", 0, 0)), 16)},
      {"order", FileOf(Braced(Entry("b", "U8", "[2]", 2, 4) + "," + Entry("a", "U8", "[2]", 0, 2)), 4)},
      {"F6", WithShape("[4]", "F6_E2M3", 3)},
      {"metadata null", FileOf("{\"__metadata__\":null}", 0)},
  };
  for (const auto& [what, content] : cases) {
    const ShardHeader header = Read(content);
    EXPECT_TRUE(header.accepted) << what << ": " << (header.defects.empty() ? "" : header.defects[0].detail);
  }
}

TEST(Header, NumbersBeyondADoubleAreRefused) {
  for (const std::string& number : {std::string("1e400"), std::string("1e309"), std::string("1.8e308"),
                                    std::string("-1e999999999999"), std::string(1'000'000, '9')}) {
    EXPECT_TRUE(Has(Read(WithField(",\"x\":" + number)), DefectKind::kInvalidJson)) << number.substr(0, 20);
  }
}

TEST(Header, DepthIsCountedFromTheTop) {
  for (const int depth : {100, 125, 126, 127, 100'000}) {
    const auto size = static_cast<size_t>(depth);
    const ShardHeader header = Read(WithField(",\"x\":" + std::string(size, '[') + std::string(size, ']')));
    EXPECT_EQ(header.accepted, depth <= 125) << depth;  // two more are open around it
  }
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_TRUE(Has(Read(FileOf(objects, 0)), DefectKind::kInvalidJson));
  EXPECT_TRUE(Has(Read(FileOf(std::string(5'000'000, '['), 0)), DefectKind::kInvalidJson));
}

TEST(Header, NamesARepeatedTensor) {
  const ShardHeader header =
      Read(FileOf(Braced(Entry("t", "I32", "[2]", 0, 8) + "," + Entry("\\u0074", "I32", "[2]", 8, 16)), 16));
  EXPECT_FALSE(header.accepted);
  EXPECT_EQ(Get(header, DefectKind::kDuplicateTensor).tensor, "t");
  EXPECT_TRUE(Has(header, DefectKind::kHole));  // the reference's misleading InvalidOffset
  ASSERT_EQ(header.tensors.size(), 1u);
  EXPECT_EQ(header.tensors[0].begin, 8u);
  EXPECT_EQ(header.stray_bytes, 8u);
}

TEST(Header, NamesEachRepeatedTensorAmongMany) {
  std::string entries;
  uint64_t at = 0;
  for (int i = 0; i < 40'000; ++i, ++at)
    entries += (i == 0 ? "" : ",") + Entry("t" + std::to_string(i == 39'000 ? 7 : i), "U8", "[1]", at, at + 1);
  const ShardHeader header = Read(FileOf(Braced(entries), at));
  EXPECT_EQ(header.tensors.size(), 39'999u);
  EXPECT_EQ(Get(header, DefectKind::kDuplicateTensor).tensor, "t7");
  EXPECT_EQ(Kinds(header).size(), 2u + (header.header_bytes % 8 != 0));
}

TEST(Header, MetadataKeysThatRepeatAreAWarning) {
  const ShardHeader header = Read(FileOf("{\"__metadata__\":{\"a\":\"1\",\"b\":\"2\",\"\\u0061\":\"3\"}}", 0));
  EXPECT_TRUE(header.accepted);
  EXPECT_TRUE(Has(header, DefectKind::kDuplicateMetadataKey));
  ASSERT_EQ(header.metadata.size(), 2u);
  EXPECT_EQ(header.metadata[1].second, "3");
}

TEST(Header, CollectsEveryProblem) {
  const ShardHeader header =
      Read(FileOf(Braced(Entry("a", "I32", "[3]", 0, 8) + "," + Entry("b", "X", "[1]", 8, 12) + "," +
                         Entry("c", "F4", "[3]", 12, 14) + "," + Entry("d", "U8", "[4]", 13, 17)),
                  20));
  for (const DefectKind kind :
       {DefectKind::kSizeMismatch, DefectKind::kUnknownDtype, DefectKind::kMisalignedSlice, DefectKind::kOverlap}) {
    EXPECT_TRUE(Has(header, kind)) << static_cast<int>(kind);
  }
  EXPECT_EQ(header.tensors.size(), 3u);
  // What is not understood may fill any hole.
  EXPECT_FALSE(Has(header, DefectKind::kHole));
  EXPECT_FALSE(Has(header, DefectKind::kTrailingBytes));
}

TEST(Header, CapsEachKindAndSaysSo) {
  std::string entries;
  for (int i = 0; i < 250; ++i) entries += (i == 0 ? "" : ",") + Entry("t" + std::to_string(i), "X", "[1]", 0, 1);
  const ShardHeader header = Read(FileOf(Braced(entries), 1));
  size_t unknown = 0;
  for (const Defect& defect : header.defects) unknown += defect.kind == DefectKind::kUnknownDtype;
  EXPECT_EQ(unknown, 100u);
  EXPECT_NE(header.defects[99].detail.find("150 more"), std::string::npos);
}

TEST(Header, SumsThatWrapAreTruncation) {
  std::string entries;
  const uint64_t step = (uint64_t{1} << 61) - 1;
  for (uint64_t i = 0; i < 8; ++i) {
    entries += (i == 0 ? "" : ",") +
               Entry("t" + std::to_string(i), "U8", "[" + std::to_string(step) + "]", i * step, (i + 1) * step);
  }
  const ShardHeader header = Read(FileOf(Braced(entries), 0));
  EXPECT_TRUE(Has(header, DefectKind::kTruncated));
  for (const TensorRecord& tensor : header.tensors) EXPECT_LE(tensor.end + header.data_offset(), uint64_t{1} << 63);
}

TEST(Header, NotesWhatOnlySlowsReaders) {
  const ShardHeader header =
      Read(FileOf(" " + Braced(Entry("a", "U8", "[3]", 0, 3) + "," + Entry("b", "F32", "[1]", 3, 7)), 7));
  EXPECT_TRUE(header.accepted);
  EXPECT_TRUE(Has(header, DefectKind::kLeadingWhitespace));
  EXPECT_EQ(Get(header, DefectKind::kMisalignedData).tensor, "b");
  EXPECT_EQ(Has(header, DefectKind::kUnpaddedHeader), header.header_bytes % 8 != 0);
}

TEST(Header, RanksBeyondReasonAreFoldedNotStored) {
  std::string shape = "[2";
  for (int i = 1; i < 1'000'000; ++i) shape += ",1";
  const ShardHeader header = Read(WithShape(shape + ",2]"));
  EXPECT_TRUE(header.accepted);
  ASSERT_EQ(header.tensors.size(), 1u);
  EXPECT_EQ(header.tensors[0].rank, 255);
  EXPECT_LE(header.tensors[0].dims().size(), 255u);
  const ShardHeader nine = Read(WithShape("[2,1,1,1,1,1,1,1,2]"));
  EXPECT_EQ(nine.tensors.at(0).dims().size(), 9u);
  EXPECT_EQ(nine.tensors.at(0).dims()[8], 2u);
}

TEST(Header, OverTheCapItIsRefusedAndReadOnRequest) {
  std::string text = Braced(Entry("t", "U8", "[1]", 0, 1));
  text.append(100'000'001 - text.size(), ' ');
  const std::string file = FileOf(text, 1);
  const ShardHeader refused = Read(file);
  EXPECT_FALSE(refused.readable);
  EXPECT_NE(Get(refused, DefectKind::kHeaderTooLarge).detail.find("--max-header 100000001"), std::string::npos);
  const ShardHeader read = Read(file, {.max_header = 200'000'000});
  EXPECT_TRUE(read.readable);
  EXPECT_FALSE(read.accepted);
  EXPECT_TRUE(Has(read, DefectKind::kHeaderTooLarge));
  EXPECT_EQ(read.tensors.size(), 1u);
}

TEST(Header, SaysHowMuchIsMissing) {
  const ShardHeader cut = Read(FileOf(Braced(Entry("t", "U8", "[5000]", 0, 5000)), 1234));
  EXPECT_NE(Get(cut, DefectKind::kTruncated).detail.find("3,766 of 5,000"), std::string::npos);
  EXPECT_TRUE(cut.readable);
  EXPECT_EQ(cut.tensors.size(), 1u);
  const ShardHeader header_cut = Read(FileOf(1000, "{\"a", 0));
  EXPECT_NE(Get(header_cut, DefectKind::kHeaderLength).detail.find("997"), std::string::npos);
}

TEST(Header, BigEndianLengthIsNamed) {
  std::string file = FileOf("{}      ", 0);
  std::swap(file[0], file[7]);
  EXPECT_NE(Get(Read(file), DefectKind::kHeaderTooLarge).detail.find("big-endian"), std::string::npos);
}

TEST(Header, KeepsWhatCouldBeReadBeforeAnError) {
  const ShardHeader header =
      Read(FileOf("{" + Entry("a", "U8", "[1]", 0, 1) + "," + Entry("b", "U8", "[1]", 1, 2) + ";", 2));
  EXPECT_TRUE(header.readable);
  EXPECT_FALSE(header.accepted);
  EXPECT_FALSE(header.complete);
  EXPECT_EQ(header.tensors.size(), 2u);
  const Defect& defect = Get(header, DefectKind::kInvalidJson);
  EXPECT_EQ(defect.offset, 8 + 1 + 2 * Entry("a", "U8", "[1]", 0, 1).size() + 1);
}

TEST(Header, SpecialFilesAreNeverOpened) {
  MemorySource source;
  source.AddSpecial("pipe.safetensors", FileKind::kSpecial);
  source.AddSpecial("dir.safetensors", FileKind::kDirectory);
  source.AddSpecial("gone.safetensors", FileKind::kDangling);
  source.AddSpecial("secret.safetensors", FileKind::kUnreadable);
  const auto listing = source.List();
  ASSERT_TRUE(listing.ok());
  const auto headers = ReadHeaders(source, listing->entries, {}, nullptr);
  ASSERT_EQ(headers.size(), 4u);
  for (const ShardHeader& header : headers) {
    ASSERT_EQ(header.defects.size(), 1u) << header.file;
    EXPECT_FALSE(header.accepted);
    const DefectKind kind = header.defects[0].kind;
    EXPECT_EQ(kind, header.file[0] == 'g'   ? DefectKind::kDangling
                    : header.file[0] == 's' ? DefectKind::kUnreadable
                                            : DefectKind::kSpecialFile);
  }
}

}  // namespace
}  // namespace gptq_doctor
