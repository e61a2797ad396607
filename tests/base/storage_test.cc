#include "base/storage.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace gptq_doctor {
namespace {

namespace fs = std::filesystem;

class LocalSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "gptq-doctor-storage-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { fs::remove_all(root_); }

  void Put(const std::string& name, const std::string& content) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << content;
  }
  std::unique_ptr<Source> Open() {
    Result<std::unique_ptr<Source>> source = OpenLocalDirectory(root_.string());
    EXPECT_TRUE(source.ok());
    return std::move(*source);
  }
  static ReadOutcome Read(Source& source, std::string_view file, uint64_t offset, std::span<char> into) {
    const ReadRequest request{file, offset, into};
    ReadOutcome outcome;
    source.ReadMany({&request, 1}, {&outcome, 1});
    return outcome;
  }

  fs::path root_;
};

std::vector<std::string> Names(const Listing& listing) {
  std::vector<std::string> names;
  for (const FileEntry& entry : listing.entries) names.push_back(entry.name);
  return names;
}

const FileEntry* Find(const Listing& listing, std::string_view name) {
  for (const FileEntry& entry : listing.entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

const char* const kTree[] = {
    "config.json",    "a/b/c/x",   "a/b/c/d/y", ".git/HEAD",     ".cache/huggingface/download/w.metadata",
    ".cache/other/z", ".hidden/q", "B.json",    "sub/.git/HEAD", ".gitattributes",
};

TEST_F(LocalSourceTest, ListsThreeDirectoriesDeepInByteOrder) {
  for (const char* name : kTree) Put(name, "12345");
  fs::create_directory(root_ / "empty");
  const Result<Listing> listing = Open()->List();
  ASSERT_TRUE(listing.ok());
  EXPECT_EQ(Names(*listing),
            (std::vector<std::string>{".cache/huggingface/download/w.metadata", ".gitattributes", ".hidden", "B.json",
                                      "a/b/c/d", "a/b/c/x", "config.json", "empty"}));
  EXPECT_EQ(Find(*listing, "empty")->kind, FileKind::kDirectory);
  EXPECT_EQ(Find(*listing, "a/b/c/d")->kind, FileKind::kDirectory);
  EXPECT_EQ(Find(*listing, "config.json")->size(), 5);
  EXPECT_FALSE(listing->truncated);
}

TEST_F(LocalSourceTest, MemoryTwinListsTheSameFiles) {
  MemorySource memory;
  for (const char* name : kTree) {
    Put(name, "12345");
    memory.Add(name, "12345");
  }
  std::vector<std::string> local;
  const Result<Listing> listing = Open()->List();
  for (const FileEntry& entry : listing->entries) {
    if (entry.kind == FileKind::kRegular) local.push_back(entry.name);
  }
  EXPECT_EQ(Names(*memory.List()), local);
}

TEST_F(LocalSourceTest, ClassifiesLinksAndSpecialFiles) {
  Put("blobs/abc", "data");
  fs::create_symlink("blobs/abc", root_ / "model.safetensors");
  fs::create_symlink("blobs/gone", root_ / "dangling");
  fs::create_symlink("loop2", root_ / "loop1");
  fs::create_symlink("loop1", root_ / "loop2");
  fs::create_directory_symlink("..", root_ / "up");
  ASSERT_EQ(mkfifo((root_ / "fifo").c_str(), 0600), 0);
  const auto source = Open();
  const Result<Listing> listing = source->List();
  ASSERT_TRUE(listing.ok());
  const FileEntry* link = Find(*listing, "model.safetensors");
  ASSERT_NE(link, nullptr);
  EXPECT_TRUE(link->symlink);
  EXPECT_EQ(link->kind, FileKind::kRegular);
  EXPECT_EQ(link->link_target, "blobs/abc");
  EXPECT_EQ(link->identity, Find(*listing, "blobs/abc")->identity);
  EXPECT_EQ(Find(*listing, "dangling")->kind, FileKind::kDangling);
  EXPECT_EQ(Find(*listing, "loop1")->kind, FileKind::kLoop);
  EXPECT_EQ(Find(*listing, "up")->kind, FileKind::kDirectory);
  EXPECT_EQ(Find(*listing, "fifo")->kind, FileKind::kSpecial);
  for (const FileEntry& entry : listing->entries) {
    const Result<FileEntry> stat = source->Stat(entry.name);
    ASSERT_TRUE(stat.ok()) << entry.name;
    EXPECT_EQ(stat->kind, entry.kind) << entry.name;
    EXPECT_EQ(stat->symlink, entry.symlink) << entry.name;
    EXPECT_EQ(stat->link_target, entry.link_target) << entry.name;
  }

  EXPECT_EQ(ReadWhole(*source, "model.safetensors", 100).value(), "data");
  char buffer[4];
  EXPECT_EQ(Read(*source, "dangling", 0, buffer).error->kind, ErrorKind::kNotFound);
  EXPECT_EQ(Read(*source, "loop1", 0, buffer).error->kind, ErrorKind::kIo);
  EXPECT_NE(Read(*source, "loop1", 0, buffer).error->message.find("circle"), std::string::npos);
  EXPECT_NE(Read(*source, "fifo", 0, buffer).error->message.find("not a regular file"), std::string::npos);
  EXPECT_NE(Read(*source, "blobs", 0, buffer).error->message.find("directory"), std::string::npos);
  EXPECT_FALSE(ReadWhole(*source, "fifo", 100).ok());
  EXPECT_FALSE(ReadWhole(*source, "up", 100).ok());
  EXPECT_EQ(ReadWhole(*source, "dangling", 100).error().kind, ErrorKind::kNotFound);
}

TEST_F(LocalSourceTest, ReadsRangesOfSeveralFiles) {
  Put("a", "0123456789");
  Put("b", "abcdef");
  const auto source = Open();
  std::string out[5] = {"....", "....", "....", "....", ""};
  const ReadRequest requests[] = {
      {"a", 2, out[0]}, {"a", 8, out[1]}, {"b", 1, out[2]}, {"a", UINT64_MAX - 2, out[3]}, {"b", 0, out[4]}};
  ReadOutcome outcomes[5];
  source->ReadMany(requests, outcomes);
  EXPECT_EQ(out[0], "2345");
  EXPECT_EQ(out[1], "89..");
  EXPECT_EQ(outcomes[1].bytes, 2u);
  EXPECT_EQ(out[2], "bcde");
  EXPECT_EQ(outcomes[3].bytes, 0u);
  for (const ReadOutcome& outcome : outcomes) EXPECT_FALSE(outcome.error);
  EXPECT_EQ(outcomes[0].identity, source->Stat("a")->identity);
  EXPECT_NE(outcomes[0].identity, outcomes[2].identity);
  source->WillNeed("a", 0, UINT64_MAX);
  source->WillNeed("missing", 5, 5);
}

TEST_F(LocalSourceTest, AShrinkingFileIsAShortReadAndAnotherIdentity) {
  Put("a", std::string(1000, 'x'));
  const auto source = Open();
  const FileIdentity before = source->Stat("a")->identity;
  fs::resize_file(root_ / "a", 300);
  std::string buffer(1000, '\0');
  const ReadOutcome outcome = Read(*source, "a", 100, buffer);
  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(outcome.bytes, 200u);
  EXPECT_NE(outcome.identity, before);
}

TEST_F(LocalSourceTest, NamesStayInside) {
  Put("a", "x");
  const auto source = Open();
  char buffer[1];
  const std::string nul("a\0b", 3), long_name(5000, 'x');
  for (const std::string& name : {std::string(), std::string("/etc/passwd"), std::string("../a"), std::string("x/../a"),
                                  std::string("x//a"), std::string("a/"), std::string("./a"), nul, long_name}) {
    const ReadOutcome outcome = Read(*source, name, 0, buffer);
    ASSERT_TRUE(outcome.error) << name;
    EXPECT_EQ(outcome.error->kind, ErrorKind::kRefused) << name;
    EXPECT_FALSE(source->Stat(name).ok());
  }
  const Error missing = source->Stat("b").error();
  EXPECT_EQ(missing.kind, ErrorKind::kNotFound);
  EXPECT_EQ(missing.path, root_.string() + "/b");
  EXPECT_EQ(missing.message, "cannot open 'b': no such file or directory");
  EXPECT_EQ(source->Stat("a/b").error().kind, ErrorKind::kNotFound);
}

TEST_F(LocalSourceTest, ReadWholeHasACap) {
  Put("a", "12345");
  const auto source = Open();
  EXPECT_EQ(ReadWhole(*source, "a", 5).value(), "12345");
  EXPECT_EQ(ReadWhole(*source, "a", 4).error().kind, ErrorKind::kRefused);
  EXPECT_EQ(ReadWhole(*source, "b", 4).error().kind, ErrorKind::kNotFound);
  Put("empty", "");
  EXPECT_EQ(ReadWhole(*source, "empty", 4).value(), "");
}

TEST_F(LocalSourceTest, OpeningExplains) {
  Put("file", "x");
  EXPECT_EQ(OpenLocalDirectory((root_ / "none").string()).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(OpenLocalDirectory((root_ / "file").string()).error().kind, ErrorKind::kUsage);
  EXPECT_EQ(OpenLocalDirectory((root_ / "file/x").string()).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(OpenLocalDirectory("").error().kind, ErrorKind::kUsage);
  EXPECT_EQ(fs::path(Open()->LocalRoot()), fs::canonical(root_));
}

TEST_F(LocalSourceTest, UnreadablePartsAreEntries) {
  Put("locked/x", "x");
  Put("file", "x");
  const bool root = geteuid() == 0;  // root may read everything, so it looks as nobody
  if (root) {
    for (const fs::path& path : {root_, root_ / "locked", root_ / "locked/x", root_ / "file"}) {
      ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
    }
    ASSERT_EQ(seteuid(65534), 0);
  }
  fs::permissions(root_ / "locked", fs::perms::none);
  fs::permissions(root_ / "file", fs::perms::none);
  const auto source = Open();
  EXPECT_EQ(Find(*source->List(), "locked")->kind, FileKind::kUnreadable);
  EXPECT_EQ(ReadWhole(*source, "file", 9).error().kind, ErrorKind::kPermission);
  fs::permissions(root_, fs::perms::owner_exec);
  EXPECT_EQ(Open()->List().error().kind, ErrorKind::kPermission);
  fs::permissions(root_, fs::perms::owner_all);
  fs::permissions(root_ / "locked", fs::perms::owner_all);
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
}

TEST_F(LocalSourceTest, FewOpenFilesSuffice) {
  std::vector<std::string> names;
  for (int i = 0; i < 200; ++i) {
    names.push_back("f" + std::to_string(i));
    Put(names.back(), names.back());
  }
  const auto source = Open();
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &old), 0);
  const rlimit small{64, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
  std::vector<std::string> buffers(names.size(), std::string(8, '\0'));
  std::vector<ReadRequest> requests;
  for (size_t i = 0; i < names.size(); ++i) requests.push_back({names[i], 0, buffers[i]});
  std::vector<ReadOutcome> outcomes(requests.size());
  source->ReadMany(requests, outcomes);
  EXPECT_EQ(source->List()->entries.size(), 200u);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &old), 0);
  for (size_t i = 0; i < names.size(); ++i) {
    EXPECT_FALSE(outcomes[i].error);
    EXPECT_EQ(buffers[i].substr(0, outcomes[i].bytes), names[i]);
  }
}

TEST(MemorySource, BehavesLikeADirectory) {
  MemorySource source("here");
  source.Add("a", "0123456789");
  source.AddSpecial("fifo", FileKind::kSpecial);
  source.AddSpecial("gone", FileKind::kDangling);
  source.AddSpecial("secret", FileKind::kUnreadable);
  EXPECT_EQ(Names(*source.List()), (std::vector<std::string>{"a", "fifo", "gone", "secret"}));
  EXPECT_EQ(ReadWhole(source, "a", 10).value(), "0123456789");
  EXPECT_EQ(ReadWhole(source, "a", 9).error().kind, ErrorKind::kRefused);
  EXPECT_EQ(ReadWhole(source, "gone", 9).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(ReadWhole(source, "secret", 9).error().kind, ErrorKind::kPermission);
  EXPECT_EQ(ReadWhole(source, "fifo", 9).error().kind, ErrorKind::kIo);
  EXPECT_EQ(ReadWhole(source, "none", 9).error().path, "here/none");
  EXPECT_EQ(source.Stat("../a").error().kind, ErrorKind::kRefused);
  const FileIdentity before = source.Stat("a")->identity;
  source.Add("a", "9876543210");
  EXPECT_NE(source.Stat("a")->identity, before);
}

}  // namespace
}  // namespace gptq_doctor
