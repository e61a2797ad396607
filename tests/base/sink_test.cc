#include "base/sink.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/thread_pool.h"

namespace gptq_doctor {
namespace {

namespace fs = std::filesystem;

class SinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "gptq-doctor-sink-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    Result<std::unique_ptr<Sink>> sink = OpenLocalSink(pattern);
    ASSERT_TRUE(sink.ok());
    sink_ = std::move(*sink);
  }
  void TearDown() override { fs::remove_all(root_); }

  void Put(const std::string& name, const std::string& content) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << content;
  }
  std::string Get(const std::string& name) {
    std::ifstream in(root_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  // Names of everything below the root, links not followed.
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      names.push_back(entry.path().lexically_relative(root_).string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  Status WriteFile(const std::string& name, std::string_view content, const SinkOptions& options = {}) {
    Result<std::unique_ptr<SinkFile>> file = sink_->Create(name, options);
    if (!file.ok()) return file.error();
    if (Status status = (*file)->Write(content); !status.ok()) return status;
    return (*file)->Commit();
  }
  mode_t Mode(const std::string& name) {
    struct stat st {};
    EXPECT_EQ(stat((root_ / name).c_str(), &st), 0);
    return st.st_mode & 07777;
  }

  fs::path root_;
  std::unique_ptr<Sink> sink_;
};

using Strings = std::vector<std::string>;

TEST_F(SinkTest, AppearsWholeOrNotAtAll) {
  Result<std::unique_ptr<SinkFile>> file = sink_->Create("config.json", {});
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Write(std::string_view("hello, ")).ok());
  ASSERT_TRUE((*file)->Write(std::string_view("world")).ok());
  EXPECT_FALSE(fs::exists(root_ / "config.json"));
  const Strings before = Names();
  ASSERT_EQ(before.size(), 1u);
  EXPECT_TRUE(before[0].starts_with(".config.json.gptq-doctor-")) << before[0];
  EXPECT_TRUE(before[0].ends_with(".tmp")) << before[0];
  EXPECT_EQ(Mode(before[0]), 0600u);
  ASSERT_TRUE((*file)->Commit().ok());
  EXPECT_EQ(Names(), Strings{"config.json"});
  EXPECT_EQ(Get("config.json"), "hello, world");
  EXPECT_FALSE((*file)->Commit().ok());
}

TEST_F(SinkTest, DroppedWithoutCommitLeavesNothing) {
  Put("a", "old");
  {
    Result<std::unique_ptr<SinkFile>> file = sink_->Create("a", {.replace = true});
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Write(std::string_view("new")).ok());
  }
  EXPECT_EQ(Names(), Strings{"a"});
  EXPECT_EQ(Get("a"), "old");
}

TEST_F(SinkTest, TemporaryNamesDiffer) {
  Result<std::unique_ptr<SinkFile>> one = sink_->Create("a", {}), two = sink_->Create("a", {});
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(Names().size(), 2u);
  ASSERT_TRUE((*two)->Commit().ok());
  // The name was taken meanwhile.
  EXPECT_EQ((*one)->Commit().error().kind, ErrorKind::kRefused);
  one->reset();
  EXPECT_EQ(Names(), Strings{"a"});
}

TEST_F(SinkTest, ReplacesOnlyWhenAsked) {
  Put("a", "old");
  fs::permissions(root_ / "a", fs::perms(0640));
  const Status refused = WriteFile("a", "new");
  EXPECT_EQ(refused.error().kind, ErrorKind::kRefused);
  EXPECT_EQ(refused.error().path, root_.string() + "/a");
  EXPECT_EQ(Get("a"), "old");
  ASSERT_TRUE(WriteFile("a", "new", {.replace = true}).ok());
  EXPECT_EQ(Get("a"), "new");
  EXPECT_EQ(Mode("a"), 0640u);
  EXPECT_EQ(Names(), Strings{"a"});
}

TEST_F(SinkTest, PermissionsFollowTheUmaskOrTheWish) {
  const mode_t old = umask(027);
  EXPECT_TRUE(WriteFile("a", "x").ok());
  EXPECT_TRUE(WriteFile("b", "x", {.mode = 0666}).ok());
  EXPECT_TRUE(WriteFile("c", "x", {.replace = true}).ok());
  umask(old);
  EXPECT_EQ(Mode("a"), 0640u);
  EXPECT_EQ(Mode("b"), 0666u);
  EXPECT_EQ(Mode("c"), 0640u);
}

TEST_F(SinkTest, NeverWritesThroughLinks) {
  Put("blobs/abc", "blob");
  fs::create_symlink("blobs/abc", root_ / "config.json");
  fs::create_symlink("nowhere", root_ / "dangling");
  fs::create_directory_symlink("blobs", root_ / "linked");
  for (const bool replace : {false, true}) {
    for (const char* name : {"config.json", "dangling", "linked/abc", "linked/new", "linked"}) {
      const Status status = WriteFile(name, "evil", {.replace = replace});
      ASSERT_FALSE(status.ok()) << name;
      EXPECT_EQ(status.error().kind, ErrorKind::kRefused) << name;
    }
  }
  EXPECT_EQ(Get("blobs/abc"), "blob");
  EXPECT_EQ(sink_->Remove("linked/abc").error().kind, ErrorKind::kRefused);
  EXPECT_EQ(sink_->MakeDirectory("linked/x").error().kind, ErrorKind::kRefused);
  EXPECT_EQ(sink_->MakeDirectory("linked").error().kind, ErrorKind::kRefused);
  EXPECT_EQ(Names(), (Strings{"blobs", "blobs/abc", "config.json", "dangling", "linked"}));
}

TEST_F(SinkTest, ALinkPutThereMeanwhileIsNotFollowed) {
  Put("victim", "safe");
  Put("a", "old");
  Result<std::unique_ptr<SinkFile>> file = sink_->Create("a", {.replace = true});
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Write(std::string_view("new")).ok());
  fs::remove(root_ / "a");
  fs::create_symlink("victim", root_ / "a");
  EXPECT_EQ((*file)->Commit().error().kind, ErrorKind::kRefused);
  EXPECT_EQ(Get("victim"), "safe");
}

// A path is looked up again; the directory that was read is not.
TEST_F(SinkTest, WritesIntoTheDirectoryThatWasRead) {
  fs::create_directories(root_ / "model");
  fs::create_directories(root_ / "victim");
  Result<std::unique_ptr<Source>> source = OpenLocalDirectory((root_ / "model").string());
  ASSERT_TRUE(source.ok());
  fs::rename(root_ / "model", root_ / "moved");
  fs::create_directory_symlink("victim", root_ / "model");
  Result<std::unique_ptr<Sink>> sink = OpenLocalSink(**source);
  ASSERT_TRUE(sink.ok());
  Result<std::unique_ptr<SinkFile>> file = (*sink)->Create("a", {});
  ASSERT_TRUE(file.ok() && (*file)->Commit().ok());
  EXPECT_EQ(Names(), (Strings{"model", "moved", "moved/a", "victim"}));
}

TEST_F(SinkTest, ATemporaryFileThatIsGoneIsSaid) {
  Result<std::unique_ptr<SinkFile>> file = sink_->Create("a", {});
  ASSERT_TRUE(file.ok());
  for (const std::string& name : Names()) fs::remove(root_ / name);
  EXPECT_EQ((*file)->Commit().error().kind, ErrorKind::kChanged);
}

TEST_F(SinkTest, NamesStayInside) {
  for (const char* name : {"", "/tmp/x", "../x", "a/../../x", "a//b", "a/", "."}) {
    EXPECT_EQ(WriteFile(name, "x").error().kind, ErrorKind::kRefused) << name;
    EXPECT_EQ(sink_->Remove(name).error().kind, ErrorKind::kRefused) << name;
    EXPECT_EQ(sink_->MakeDirectory(name).error().kind, ErrorKind::kRefused) << name;
    EXPECT_EQ(sink_->Rename(name, "b").error().kind, ErrorKind::kRefused) << name;
  }
  EXPECT_EQ(WriteFile("missing/x", "x").error().kind, ErrorKind::kNotFound);
  fs::create_directory(root_ / "d");
  EXPECT_EQ(WriteFile("d", "x", {.replace = true}).error().kind, ErrorKind::kRefused);
}

TEST_F(SinkTest, DirectoriesAndRemoval) {
  ASSERT_TRUE(sink_->MakeDirectory("a/b").ok());
  ASSERT_TRUE(sink_->MakeDirectory("a/b").ok());
  ASSERT_TRUE(WriteFile("a/b/c", "x").ok());
  EXPECT_EQ(Get("a/b/c"), "x");
  EXPECT_EQ(sink_->Remove("a/b").error().kind, ErrorKind::kRefused);
  ASSERT_TRUE(sink_->Remove("a/b/c").ok());
  ASSERT_TRUE(sink_->Remove("a/b").ok());
  EXPECT_EQ(sink_->Remove("a/b").error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(Names(), Strings{"a"});
  Put("file", "x");
  EXPECT_FALSE(sink_->MakeDirectory("file").ok());
}

TEST_F(SinkTest, RenamesWithoutReplacing) {
  Put("new/x", "1");
  Put("file", "2");
  Put("taken", "3");
  ASSERT_TRUE(sink_->Rename("new", "done").ok());
  EXPECT_EQ(Get("done/x"), "1");
  EXPECT_EQ(sink_->Rename("file", "taken").error().kind, ErrorKind::kRefused);
  EXPECT_EQ(sink_->Rename("done", "taken").error().kind, ErrorKind::kRefused);
  ASSERT_TRUE(sink_->Rename("file", "done/file").ok());
  EXPECT_EQ(Names(), (Strings{"done", "done/file", "done/x", "taken"}));
}

TEST_F(SinkTest, WritesRangesFromSeveralThreads) {
  constexpr size_t kBlock = 4096, kBlocks = 64;
  Result<std::unique_ptr<SinkFile>> file = sink_->Create("a", {.preallocate = kBlock * kBlocks * 2});
  ASSERT_TRUE(file.ok());
  ThreadPool pool(4);
  pool.ParallelFor(kBlocks, [&](size_t i) {
    const std::string block(kBlock, static_cast<char>('A' + i % 26));
    EXPECT_TRUE((*file)->WriteAt(i * kBlock, block).ok());
  });
  ASSERT_TRUE((*file)->Commit().ok());
  const std::string content = Get("a");
  ASSERT_EQ(content.size(), kBlock * kBlocks);  // what was preallocated beyond is not part of the file
  for (size_t i = 0; i < content.size(); ++i) ASSERT_EQ(content[i], static_cast<char>('A' + i / kBlock % 26));
}

TEST_F(SinkTest, AFullDiskIsSaidEarlyAndLeavesNothing) {
  const int64_t free_bytes = sink_->FreeBytes();
  ASSERT_GT(free_bytes, 0);
  const Status status = WriteFile("a", "x", {.preallocate = uint64_t{1} << 60});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().kind, ErrorKind::kNoSpace);
  EXPECT_EQ(Names(), Strings{});
}

TEST_F(SinkTest, AFailedWriteCannotBeCommitted) {
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, old.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Result<std::unique_ptr<SinkFile>> file = sink_->Create("a", {});
  ASSERT_TRUE(file.ok());
  const Status written = (*file)->Write(std::string(2000, 'x'));
  const Status committed = (*file)->Commit();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(written.error().kind, ErrorKind::kNoSpace);
  EXPECT_EQ(committed.error().kind, ErrorKind::kNoSpace);
  file->reset();
  EXPECT_EQ(Names(), Strings{});
}

TEST_F(SinkTest, LongNamesWork) {
  const std::string longest(255, 'n');
  EXPECT_TRUE(WriteFile(longest, "x").ok());
  EXPECT_EQ(Get(longest), "x");
  EXPECT_FALSE(WriteFile(longest + "n", "x").ok());
  EXPECT_EQ(Names(), Strings{longest});
}

TEST(OpenLocalSink, NeedsADirectory) {
  const Result<std::unique_ptr<Sink>> absent = OpenLocalSink("/nonexistent-gptq-doctor");
  EXPECT_EQ(absent.error().kind, ErrorKind::kNotFound);
  EXPECT_NE(absent.error().message.find("create it first"), std::string::npos);
  EXPECT_EQ(OpenLocalSink("/dev/null").error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(OpenLocalSink("").error().kind, ErrorKind::kUsage);
}

}  // namespace
}  // namespace gptq_doctor
