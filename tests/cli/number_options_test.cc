// Numbers on the command line that mean nothing are refused, not taken for others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_support.h"

namespace gptq_doctor::testing {
namespace {

struct NumberCase {
  const char* command;
  const char* option;
  const char* value;
  bool taken;
};

const NumberCase kCases[] = {
    {"memory", "--margin", "nan", false},
    {"memory", "--margin", "-NaN", false},
    {"memory", "--margin", "inf", false},
    {"memory", "--margin", "12.5", true},
    {"memory", "--utilization", "nan", false},
    {"memory", "--utilization", "0.9", true},
    {"check", "--min-compression", "nan", false},
    {"check", "--min-compression", "0.5", true},
    {"inspect", "--max-header", "-1", false},
    {"inspect", "--max-header", "18446744073709551616", false},
    {"inspect", "--max-header", "1e6", false},
    {"inspect", "--max-header", "18446744073709551615", true},
    {"dequantize", "--max-shard-size", "-1", false},
    {"dequantize", "--max-shard-size", "GB", false},
    {"dequantize", "--max-shard-size", "nan", false},
    {"dequantize", "--max-shard-size", "1.5GB", false},
    {"dequantize", "--max-shard-size", "18446744073709551616", false},
    {"dequantize", "--max-shard-size", "17EiB", false},
    {"dequantize", "--max-shard-size", "0", false},
    {"dequantize", "--max-shard-size", "10 MiB", true},
    {"convert", "--max-shard-size", "-1kb", false},
};

TEST(NumberOptions, TakeNoNonsense) {
  const TempDir dir;
  HealthyModel().WriteTo(dir.path() / "model");
  for (const NumberCase& row : kCases) {
    SCOPED_TRACE(std::string(row.command) + " " + row.option + "=" + row.value);
    std::vector<std::string> arguments = {row.command, dir.str() + "/model", std::string(row.option) + "=" + row.value};
    const std::filesystem::path out = dir.path() / "out";
    if (std::string_view(row.option) == "--max-shard-size") arguments.insert(arguments.end(), {"-o", out.string()});
    if (std::string_view(row.command) == "convert") arguments.emplace_back("--reshard");
    const RunResult run = RunTool(arguments);
    EXPECT_EQ(run.exit_code == 2, !row.taken) << run.err;
    EXPECT_THAT(run.err, ::testing::HasSubstr(row.taken ? "" : row.option));
    EXPECT_EQ(std::filesystem::exists(out), row.taken && arguments.size() > 3);
    std::filesystem::remove_all(out);
  }
}

}  // namespace
}  // namespace gptq_doctor::testing
