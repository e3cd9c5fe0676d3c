# CogniteExamples.cmake - the programs of examples-c/.

find_package(Threads REQUIRED)

function(cognite_example name)
  list(TRANSFORM ARGN PREPEND examples-c/ OUTPUT_VARIABLE sources)
  add_executable(example_${name} examples-c/${name}.c ${sources})
  set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/examples-c"
    C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_options(example_${name} PRIVATE ${COGNITE_WARNINGS})
  target_link_libraries(example_${name} PRIVATE cognite::cognite Threads::Threads)
endfunction()

cognite_example(quickstart)
cognite_example(async example.c)
cognite_example(queue example.c)
cognite_example(errors example.c)
cognite_example(list_assets example.c)
cognite_example(resources example.c)
cognite_example(config_file example.c)
cognite_example(cognite-doctor example.c)
cognite_example(files example.c)
cognite_example(hierarchy example.c)
cognite_example(data_modeling example.c)
cognite_example(historian outbox.c signals.c example.c)
target_link_libraries(example_historian PRIVATE m)
cognite_example(backfill example.c)
cognite_example(trend example.c)
target_link_libraries(example_trend PRIVATE m)
