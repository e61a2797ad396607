# Every source of the library and of the executable, one a line; merged by union, so keep no logic here.
set(GPTQ_DOCTOR_SOURCES
  src/base/bytes.cc
  src/gptq/module_pattern.cc
)
set(GPTQ_DOCTOR_CLI_SOURCES
  src/cli/main.cc
)
