// arrow_import.cpp - the half of arrow.c that is Arrow's C++ library: takes over what was exported, checks it and prints it.
#include <arrow/api.h>
#include <arrow/c/bridge.h>
#include <cognite/cognite.h>

#include <iostream>

extern "C" int example_import(struct ArrowSchema* schema, struct ArrowArray* array) {
  // Releases both structs, also when it fails.
  auto imported = arrow::ImportRecordBatch(array, schema);
  if (!imported.ok()) {
    std::cerr << "arrow: " << imported.status().ToString() << "\n";
    return 1;
  }
  const std::shared_ptr<arrow::RecordBatch> batch = *imported;
  const arrow::Status valid = batch->ValidateFull();
  if (!valid.ok()) {
    std::cerr << "arrow: " << valid.ToString() << "\n";
    return 1;
  }
  std::cout << "a table of " << batch->num_rows() << " rows, in Arrow " << arrow::GetBuildInfo().version_string << "\n"
            << batch->schema()->ToString(/*show_metadata=*/false) << "\n"
            << batch->Slice(0, 5)->ToString() << std::flush;
  return 0;
}
