// The writer of model directories: whole or not at all, whatever fails and whenever the process dies.

#include "dequant/model_writer.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "dequant/faulty_sink.h"
#include "support/fast_dir.h"
#include "support/packer.h"

namespace gptq_doctor {
namespace {

namespace fs = std::filesystem;
using testing::FastDir;
using testing::FaultySink;

std::string Noise(uint64_t seed, size_t bytes) {
  testing::TestRandom random(seed);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random.Next());
  return out;
}

OutTensor BytesTensor(const std::string& name, const std::string& bytes, int64_t pieces) {
  OutTensor tensor;
  tensor.name = name;
  tensor.dtype = Dtype::kU8;
  tensor.shape = {bytes.size()};
  tensor.bytes = bytes.size();
  tensor.pieces = pieces;
  tensor.produce = [bytes, pieces](int64_t piece, const PieceWriter& out) {
    const size_t step = bytes.size() / static_cast<size_t>(pieces), begin = step * static_cast<size_t>(piece);
    const size_t end = piece + 1 == pieces ? bytes.size() : begin + step;
    return out(begin, std::span(bytes).subspan(begin, end - begin));
  };
  return tensor;
}

// Three shards, two other files, one of them in a folder.
OutModel Model(uint64_t tensors = 6) {
  OutModel model;
  for (uint64_t i = 0; i < tensors; ++i) {
    model.tensors.push_back(BytesTensor("tensor." + std::to_string(i), Noise(i, 1000), i == 0 ? 3 : 1));
  }
  model.tensors.push_back(BytesTensor("empty", "", 1));
  model.max_shard_bytes = 2000;
  model.fingerprint = "the same work";
  model.files.push_back({.name = "config.json", .content = "{}\n", .copy = {}, .bytes = 0});
  if (tensors < 6) return model;
  model.files.push_back({.name = "extra/tokenizer.json", .content = "[1]\n", .copy = {}, .bytes = 0});
  return model;
}

using Tree = std::map<std::string, std::string>;

Tree ReadTree(const fs::path& root) {
  Tree out;
  if (!fs::exists(root)) return out;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    out[fs::relative(entry.path(), root).string()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return out;
}

// A process that dies while it notes what it is going to do leaves that note's temporary file.
std::vector<std::string> NamesIn(const fs::path& directory) {
  std::vector<std::string> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(".out.gptq-doctor-state.")) out.push_back(name);
  }
  std::sort(out.begin(), out.end());
  return out;
}

Tree WholeTree(const OutModel& model = Model()) {
  const FastDir temp;
  (void)WriteModel(model, temp.str() + "/out", {});
  return ReadTree(temp.path() / "out");
}

ErrorKind KindOf(const Result<WrittenModel>& result) {
  return result.ok() ? ErrorKind::kInternal : result.error().kind;
}

TEST(ModelWriter, WritesShardsIndexAndFiles) {
  const FastDir temp;
  const Result<WrittenModel> written = WriteModel(Model(), temp.str() + "/out", {});
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(written->weight_files,
            (std::vector<std::string>{"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                                      "model-00003-of-00003.safetensors"}));
  const Tree tree = ReadTree(temp.path() / "out");
  EXPECT_EQ(tree.size(), 6u);
  EXPECT_EQ(tree.at("config.json"), "{}\n");
  EXPECT_EQ(tree.at("extra/tokenizer.json"), "[1]\n");
  const std::string& shard = tree.at("model-00002-of-00003.safetensors");
  EXPECT_NE(shard.find(Noise(2, 1000)), std::string::npos);
  EXPECT_NE(shard.find(Noise(3, 1000)), std::string::npos);
  const std::string& index = tree.at("model.safetensors.index.json");
  EXPECT_NE(index.find("\"total_size\": 6000"), std::string::npos);
  EXPECT_NE(index.find("\"tensor.5\": \"model-00003-of-00003.safetensors\""), std::string::npos);
  EXPECT_EQ(NamesIn(temp.path()), std::vector<std::string>{"out"});
}

TEST(ModelWriter, KeepsNamedFilesAndTheirMetadata) {
  OutModel model = Model();
  for (OutTensor& tensor : model.tensors) tensor.file = tensor.name < "tensor.3" ? "a.safetensors" : "b.safetensors";
  model.file_metadata["b.safetensors"] = {{"gptq_bits", "4"}};
  const FastDir temp;
  ASSERT_TRUE(WriteModel(model, temp.str() + "/out", {}).ok());
  const Tree tree = ReadTree(temp.path() / "out");
  EXPECT_NE(tree.at("a.safetensors").find("\"format\":\"pt\""), std::string::npos);
  EXPECT_NE(tree.at("b.safetensors").find("\"gptq_bits\":\"4\""), std::string::npos);
  EXPECT_NE(tree.at("model.safetensors.index.json").find("\"tensor.3\": \"b.safetensors\""), std::string::npos);
}

TEST(ModelWriter, ThreadsMakeTheSameBytes) {
  const FastDir temp;
  ThreadPool pool(4);
  ASSERT_TRUE(WriteModel(Model(), temp.str() + "/out", {.pool = &pool}).ok());
  EXPECT_EQ(ReadTree(temp.path() / "out"), WholeTree());
}

TEST(ModelWriter, TakesAnEmptyDirectoryAndALinkToOne) {
  const FastDir temp;
  fs::create_directories(temp.path() / "there");
  fs::create_directory_symlink("there", temp.path() / "link");
  ASSERT_TRUE(WriteModel(Model(), temp.str() + "/link/", {}).ok());
  EXPECT_TRUE(fs::is_symlink(temp.path() / "link"));
  EXPECT_EQ(ReadTree(temp.path() / "there"), WholeTree());
}

TEST(ModelWriter, RefusesATargetThatHoldsSomething) {
  const FastDir temp;
  fs::create_directories(temp.path() / "out");
  std::ofstream(temp.path() / "out" / "mine.txt") << "mine";
  for (const bool resume : {false, true}) {
    const Result<WrittenModel> result = WriteModel(Model(), temp.str() + "/out", {.resume = resume});
    EXPECT_EQ(KindOf(result), ErrorKind::kRefused);
  }
  std::ofstream(temp.path() / "file") << "mine";
  EXPECT_EQ(KindOf(WriteModel(Model(), temp.str() + "/file", {})), ErrorKind::kRefused);
  EXPECT_EQ(ReadTree(temp.path() / "out"), (Tree{{"mine.txt", "mine"}}));
  EXPECT_EQ(NamesIn(temp.path()), (std::vector<std::string>{"file", "out"}));
}

TEST(ModelWriter, ChecksTheDiskBeforeTheFirstByte) {
  const FastDir temp;
  FaultySink sink(temp.str());
  sink.free_bytes = 5000;
  const Result<WrittenModel> result = WriteModel(Model(), temp.str() + "/out", {.sink = &sink});
  EXPECT_EQ(KindOf(result), ErrorKind::kNoSpace);
  EXPECT_EQ(sink.steps, 0);
  EXPECT_TRUE(NamesIn(temp.path()).empty());
}

// Every step of a run fails once: an error, and nothing is left; the last steps come after the directory stands whole.
TEST(ModelWriter, AnyFailingStepLeavesNothingOrEverything) {
  const OutModel model = Model(3);  // two shards
  const Tree whole = WholeTree(model);
  const FastDir count;
  FaultySink counter(count.str());
  ASSERT_TRUE(WriteModel(model, count.str() + "/out", {.sink = &counter}).ok());
  for (int64_t step = 0; step < counter.steps; ++step) {
    const FastDir temp;
    FaultySink sink(temp.str());
    sink.fail_at = step;
    sink.kind = step % 2 == 0 ? ErrorKind::kNoSpace : ErrorKind::kIo;
    const Result<WrittenModel> result = WriteModel(model, temp.str() + "/out", {.sink = &sink});
    ASSERT_FALSE(result.ok()) << step;
    EXPECT_EQ(result.error().kind, sink.kind);
    if (fs::exists(temp.path() / "out")) {
      EXPECT_EQ(ReadTree(temp.path() / "out"), whole);
    } else if (step < counter.steps - 2) {
      EXPECT_TRUE(NamesIn(temp.path()).empty()) << step;
    }
  }
}

// The process dies at every step in turn; what is under the name is whole or absent, and --resume makes it whole.
TEST(ModelWriter, DyingAtAnyStepResumesToTheSameBytes) {
  const OutModel model = Model(3);  // two shards
  const Tree whole = WholeTree(model);
  const FastDir count;
  FaultySink counter(count.str());
  ASSERT_TRUE(WriteModel(model, count.str() + "/out", {.sink = &counter}).ok());
  int64_t resumed = 0;
  for (int64_t step = 0; step < counter.steps; ++step) {
    const FastDir temp;
    FaultySink sink(temp.str());
    sink.fail_at = step;
    sink.die = true;
    EXPECT_THROW((void)WriteModel(model, temp.str() + "/out", {.sink = &sink}), FaultySink::Dead);
    const bool published = fs::exists(temp.path() / "out");
    if (published) {
      EXPECT_EQ(ReadTree(temp.path() / "out"), whole);
    } else if (fs::exists(temp.path() / "out.gptq-doctor-partial")) {
      EXPECT_EQ(KindOf(WriteModel(model, temp.str() + "/out", {})), ErrorKind::kRefused) << "without resume";
    }
    const Result<WrittenModel> again = WriteModel(model, temp.str() + "/out", {.resume = true});
    ASSERT_TRUE(again.ok()) << step << ": " << again.error().message;
    resumed = std::max(resumed, again->resumed_files);
    EXPECT_EQ(ReadTree(temp.path() / "out"), whole);
    EXPECT_EQ(NamesIn(temp.path()), std::vector<std::string>{"out"}) << step;
  }
  EXPECT_EQ(resumed, 2);
}

TEST(ModelWriter, ResumesOnlyItsOwnWork) {
  const FastDir temp;
  FaultySink sink(temp.str());
  sink.fail_at = 12;
  sink.die = true;
  EXPECT_THROW((void)WriteModel(Model(), temp.str() + "/out", {.sink = &sink}), FaultySink::Dead);
  OutModel other = Model();
  other.fingerprint = "other work";
  const Tree before = ReadTree(temp.path());
  EXPECT_EQ(KindOf(WriteModel(other, temp.str() + "/out", {.resume = true})), ErrorKind::kRefused);
  EXPECT_EQ(ReadTree(temp.path()), before);
}

TEST(ModelWriter, AFailingResumeKeepsWhatIsThere) {
  const FastDir temp;
  FaultySink first(temp.str());
  first.fail_at = 20;
  first.die = true;
  EXPECT_THROW((void)WriteModel(Model(), temp.str() + "/out", {.sink = &first}), FaultySink::Dead);
  FaultySink second(temp.str());
  second.fail_at = 6;
  EXPECT_EQ(KindOf(WriteModel(Model(), temp.str() + "/out", {.resume = true, .sink = &second})), ErrorKind::kNoSpace);
  EXPECT_TRUE(fs::exists(temp.path() / "out.gptq-doctor-partial"));
  ASSERT_TRUE(WriteModel(Model(), temp.str() + "/out", {.resume = true}).ok());
  EXPECT_EQ(ReadTree(temp.path() / "out"), WholeTree());
}

TEST(ModelWriter, CancellingRemovesEverything) {
  const FastDir temp;
  std::atomic<bool> cancelled{false};
  const auto progress = [&](uint64_t done, uint64_t) { cancelled = done > 3000; };
  const Result<WrittenModel> result =
      WriteModel(Model(), temp.str() + "/out", {.cancelled = &cancelled, .progress = progress});
  EXPECT_EQ(KindOf(result), ErrorKind::kInterrupted);
  EXPECT_TRUE(NamesIn(temp.path()).empty());
}

TEST(ModelWriter, AProducersErrorIsTheRunsError) {
  const FastDir temp;
  OutModel model = Model();
  model.tensors[4].produce = [](int64_t, const PieceWriter&) -> Status {
    return Error{ErrorKind::kChanged, "model.safetensors", "changed"};
  };
  EXPECT_EQ(KindOf(WriteModel(model, temp.str() + "/out", {})), ErrorKind::kChanged);
  EXPECT_TRUE(NamesIn(temp.path()).empty());
}

TEST(ModelWriter, ATensorOfTheWrongSizeIsNeverPublished) {
  const FastDir temp;
  OutModel model = Model();
  model.tensors[5].produce = [](int64_t, const PieceWriter&) { return Ok(); };
  const Result<WrittenModel> result = WriteModel(model, temp.str() + "/out", {});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kInternal);
  EXPECT_TRUE(NamesIn(temp.path()).empty());
}

TEST(ModelWriter, ProgressReachesTheTotal) {
  const FastDir temp;
  uint64_t last = 0, of = 0;
  const auto progress = [&](uint64_t done, uint64_t total) { last = std::max(last, done), of = total; };
  ASSERT_TRUE(WriteModel(Model(), temp.str() + "/out", {.progress = progress}).ok());
  EXPECT_GT(last, 6000u);
  EXPECT_EQ(last, of);
}

}  // namespace
}  // namespace gptq_doctor
