#include "model/sniff.h"

#include "gtest/gtest.h"
#include "model/header_cases.h"
#include "support/model_builder.h"

namespace gptq_doctor {
namespace {

using namespace std::string_literals;

constexpr char kPointer[] =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:cb3241100c56be6e373123c87f1fcb1db0335f466454fe68fd11c1d02b475853\n"
    "size 7259435192\n";

struct Case {
  std::string content;
  ContentKind kind;
  const char* says;
};

TEST(Sniff, TellsWhatAFileIs) {
  const std::string npz = "PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.npy"s;
  const std::string torch = "PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0archive/data.pkl"s;
  const std::vector<Case> cases = {
      {"", ContentKind::kEmpty, "empty"},
      {kPointer, ContentKind::kLfsPointer, "7,259,435,192"},
      {"<!DOCTYPE html>\n<html><head><title>404 Not Found</title>", ContentKind::kHtml, "404 Not Found"},
      {"\n <HTML><body>", ContentKind::kHtml, "HTML"},
      {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", ContentKind::kXml, "AccessDenied"},
      {"{\"error\":\"Repository not found\"}", ContentKind::kJsonText, "Repository not found"},
      {"Entry not found", ContentKind::kPlainText, "Entry not found"},
      {"Invalid username or password.", ContentKind::kPlainText, "Invalid username"},
      {torch, ContentKind::kZip, "PyTorch"},
      {npz, ContentKind::kNumpy, ".npz"},
      {"\x93NUMPY\x01\0"s, ContentKind::kNumpy, "NumPy"},
      {"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46"s, ContentKind::kPickle, "pickle"},
      {"GGUF\x03\0\0\0"s, ContentKind::kGguf, "GGUF"},
      {"\x1f\x8b\x08\0"s, ContentKind::kGzip, "gzip"},
      {std::string(100, '\0'), ContentKind::kZeros, "zeros"},
      {"\x01\x02\x03\xFE\xFF\xFF"s, ContentKind::kUnknown, ""},
      {testing::MakeSafetensors({{"a", "F16", {2}, ""}}), ContentKind::kSafetensors, "safetensors"},
      {testing::FileOf(" {}", 0), ContentKind::kSafetensors, "safetensors"},
  };
  for (const Case& c : cases) {
    const Sniffed sniffed = Sniff(std::string_view(c.content).substr(0, 512), c.content.size());
    EXPECT_EQ(sniffed.kind, c.kind) << c.content.substr(0, 40);
    EXPECT_NE(sniffed.what.find(c.says), std::string::npos) << sniffed.what;
  }
}

TEST(Sniff, ReadsLfsPointers) {
  const Sniffed sniffed = Sniff(kPointer, sizeof kPointer - 1);
  EXPECT_EQ(sniffed.lfs_size, 7'259'435'192u);
  EXPECT_EQ(sniffed.lfs_sha256, "cb3241100c56be6e373123c87f1fcb1db0335f466454fe68fd11c1d02b475853");
  const Sniffed hostile =
      Sniff("version https://git-lfs.github.com/spec/v1\noid sha256:../../x\nsize 99999999999999999999999\n", 90);
  EXPECT_EQ(hostile.kind, ContentKind::kLfsPointer);
  EXPECT_EQ(hostile.lfs_size, 0u);
  EXPECT_EQ(hostile.lfs_sha256, "");
}

TEST(Sniff, HeadersSayWhatTheFileIsAndWhatTheReferenceReports) {
  const ShardHeader pointer = testing::Read(kPointer);
  EXPECT_EQ(testing::Kinds(pointer), std::vector<DefectKind>{DefectKind::kLfsPointer});
  EXPECT_EQ(pointer.lfs_size, 7'259'435'192u);
  EXPECT_EQ(ReferenceError(pointer.defects[0]), "HeaderTooLarge");
  const ShardHeader text = testing::Read("Entry not found");
  EXPECT_EQ(ReferenceError(testing::Get(text, DefectKind::kNotSafetensors)), "HeaderTooLarge");
  const ShardHeader zip = testing::Read("PK\x03\x04\0\0\0\0"s + std::string(60, 'x'));
  EXPECT_EQ(ReferenceError(testing::Get(zip, DefectKind::kNotSafetensors)), "InvalidHeaderLength");
  const ShardHeader empty = testing::Read("404");
  EXPECT_EQ(ReferenceError(testing::Get(empty, DefectKind::kNotSafetensors)), "HeaderTooSmall");
}

}  // namespace
}  // namespace gptq_doctor
