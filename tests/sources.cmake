# Every test and every support file, one a line; merged by union, so keep no logic here.
set(GPTQ_DOCTOR_TESTS
  repair/json_edit_test.cc
  gptq/format_table_test.cc
  gptq/inventory_test.cc
  gptq/packing_test.cc
  gptq/module_pattern_test.cc
  base/json_test.cc
  base/storage_test.cc
  base/text_test.cc
  base/thread_pool_test.cc
)
set(GPTQ_DOCTOR_TEST_SUPPORT
  support/model_builder.cc
  support/model_directory.cc
  support/packer.cc
  support/process.cc
)
