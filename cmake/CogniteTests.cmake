# CogniteTests.cmake - tests/c, tests/cpp, the examples, and an installed copy, for ctest. Tests that talk to a service
# each get an emulator of their own.

enable_language(CXX)
set(COGNITE_EMULATOR_PROFILE dev CACHE STRING "The cargo profile of the emulator")
cognite_profile_dir("${COGNITE_EMULATOR_PROFILE}" cognite_emulator_dir)
set(cognite_emulator "${cognite_emulator_dir}/cognite-emulator")
add_custom_target(cognite_emulator ALL
  COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${COGNITE_CARGO_TARGET_DIR}"
          "${COGNITE_CARGO}" build --locked --package cognite-emulator --profile "${COGNITE_EMULATOR_PROFILE}" ${cognite_cargo_flags}
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
  COMMENT "Building the emulator with cargo"
  VERBATIM USES_TERMINAL)
add_dependencies(cognite_emulator cognite_cargo) # one cargo at a time

set(cognite_runner)
if(COGNITE_TESTS_VALGRIND)
  find_program(COGNITE_VALGRIND valgrind)
  if(NOT COGNITE_VALGRIND)
    message(FATAL_ERROR "COGNITE_TESTS_VALGRIND needs valgrind")
  endif()
  set(cognite_runner "${COGNITE_VALGRIND}" --quiet --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite --error-exitcode=9)
endif()

# cognite_test(NAME [EMULATOR] [FAST] COMMAND...); FAST: never under valgrind
function(cognite_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "EMULATOR;FAST" "" "COMMAND")
  set(command ${arg_COMMAND})
  if(NOT arg_FAST)
    set(command ${cognite_runner} ${command})
  endif()
  if(arg_EMULATOR)
    set(command "${CMAKE_CURRENT_SOURCE_DIR}/tests/c/with_emulator.sh" "${cognite_emulator}" ${command})
  endif()
  add_test(NAME ${name} COMMAND ${command})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  if(cognite_runner)
    set_tests_properties(${name} PROPERTIES TIMEOUT 1500 ENVIRONMENT COGNITE_TEST_SLOW=1)
  endif()
endfunction()

function(cognite_c_program name)
  add_executable(${name} tests/c/${name}.c)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests"
    C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_options(${name} PRIVATE ${COGNITE_WARNINGS})
  target_link_libraries(${name} PRIVATE cognite::cognite Threads::Threads)
endfunction()

foreach(name IN ITEMS test_arguments test_arguments_requests test_config test_settings test_hostile test_guest test_queue
                      test_cancel test_callers_thread test_log test_token test_files_network test_arrow)
  cognite_c_program(${name})
  cognite_test(c_${name} COMMAND "$<TARGET_FILE:${name}>")
endforeach()
foreach(name IN ITEMS test_requests test_async test_metrics test_operations test_operations_write test_points test_columns
                      test_columns_pages test_aggregates test_subscriptions test_round_trip test_files)
  cognite_c_program(${name})
  cognite_test(c_${name} EMULATOR COMMAND "$<TARGET_FILE:${name}>")
endforeach()
foreach(name IN ITEMS test_login test_every_operation)
  cognite_c_program(${name})
  cognite_test(c_${name} EMULATOR COMMAND "$<TARGET_FILE:${name}>" "${CMAKE_CURRENT_SOURCE_DIR}/tests/data")
endforeach()

# What is lost is noticed, or the tests above showed nothing.
if(COGNITE_TESTS_VALGRIND)
  cognite_c_program(leaks)
  cognite_test(valgrind_notices_leaks COMMAND "$<TARGET_FILE:leaks>")
  set_tests_properties(valgrind_notices_leaks PROPERTIES PASS_REGULAR_EXPRESSION "definitely lost")
endif()

# The header alone, in each language; and a program with the static library.
foreach(standard IN ITEMS 99 11)
  add_executable(header_alone_c${standard} tests/c/header_alone.c)
  set_target_properties(header_alone_c${standard} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests"
    C_STANDARD ${standard} C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_options(header_alone_c${standard} PRIVATE ${COGNITE_WARNINGS})
  target_include_directories(header_alone_c${standard} PRIVATE include)
  cognite_test(header_alone_c${standard} FAST COMMAND "$<TARGET_FILE:header_alone_c${standard}>")
endforeach()
add_executable(static_test_arguments tests/c/test_arguments.c)
target_compile_options(static_test_arguments PRIVATE ${COGNITE_WARNINGS})
set_target_properties(static_test_arguments PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")
target_link_libraries(static_test_arguments PRIVATE cognite::cognite_static)
cognite_test(static_test_arguments COMMAND "$<TARGET_FILE:static_test_arguments>")

add_executable(test_cpp tests/cpp/test_cpp.cpp tests/cpp/second_unit.cpp)
set_target_properties(test_cpp PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests"
  CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
target_compile_options(test_cpp PRIVATE ${COGNITE_WARNINGS})
target_link_libraries(test_cpp PRIVATE cognite::cognite Threads::Threads)
cognite_test(cpp_test_cpp EMULATOR COMMAND "$<TARGET_FILE:test_cpp>")

# The examples are tests too.
cognite_test(example_quickstart EMULATOR COMMAND "$<TARGET_FILE:example_quickstart>")
cognite_test(example_async EMULATOR COMMAND "$<TARGET_FILE:example_async>")
cognite_test(example_queue EMULATOR COMMAND "$<TARGET_FILE:example_queue>")
cognite_test(example_errors EMULATOR COMMAND "$<TARGET_FILE:example_errors>")
cognite_test(example_list_assets EMULATOR COMMAND "$<TARGET_FILE:example_list_assets>")
cognite_test(example_resources EMULATOR COMMAND "$<TARGET_FILE:example_resources>")
cognite_test(example_resources_list FAST COMMAND "$<TARGET_FILE:example_resources>" --list)
set_tests_properties(example_resources_list PROPERTIES PASS_REGULAR_EXPRESSION "workflows.versions.upsert")
cognite_test(example_config_file EMULATOR COMMAND "$<TARGET_FILE:example_config_file>" "${CMAKE_CURRENT_SOURCE_DIR}/examples-c/config.yaml")
cognite_test(example_doctor EMULATOR COMMAND "$<TARGET_FILE:example_cognite-doctor>")
cognite_test(example_doctor_ill EMULATOR FAST COMMAND sh -c "COGNITE_CLIENT_SECRET=wrong '$<TARGET_FILE:example_cognite-doctor>'; test $? = 1")
set_tests_properties(example_doctor_ill PROPERTIES PASS_REGULAR_EXPRESSION "FAILED  token")
cognite_test(example_files EMULATOR COMMAND "$<TARGET_FILE:example_files>" "${CMAKE_CURRENT_BINARY_DIR}/files.example" 60)
cognite_test(example_hierarchy EMULATOR COMMAND "$<TARGET_FILE:example_hierarchy>")
cognite_test(example_data_modeling EMULATOR COMMAND "$<TARGET_FILE:example_data_modeling>")
cognite_test(example_jobs EMULATOR COMMAND "$<TARGET_FILE:example_jobs>")
cognite_test(example_historian EMULATOR COMMAND "$<TARGET_FILE:example_historian>" --seconds 3)
cognite_test(example_historian_csv EMULATOR COMMAND "$<TARGET_FILE:example_historian>" "${CMAKE_CURRENT_SOURCE_DIR}/tests/c/signals.csv")
cognite_test(example_backfill EMULATOR COMMAND sh -c "'$<TARGET_FILE:example_backfill>' '${CMAKE_CURRENT_SOURCE_DIR}/tests/c/signals.csv' new- && '$<TARGET_FILE:example_trend>' new-temperature 2023-11-14T00:00:00Z 2023-11-15T00:00:00Z 1h && '$<TARGET_FILE:example_arrow>' new-temperature")
set_tests_properties(example_backfill PROPERTIES PASS_REGULAR_EXPRESSION "points written, [0-9]+ series made.*buckets.*a table of [0-9]+ rows")
cognite_test(example_without_settings FAST COMMAND env -i "$<TARGET_FILE:example_async>")
set_tests_properties(example_without_settings PROPERTIES PASS_REGULAR_EXPRESSION "please set the environment variable COGNITE_")

# The SONAME that build.rs sets is the one this build gives a file name to.
cognite_test(soname FAST COMMAND sh -c "readelf -d '${COGNITE_LIB_DIR}/libcognite.so' | grep -F 'Library soname: [${COGNITE_SONAME}]'")

# An installed copy that was moved, used by find_package and by pkg-config.
cognite_test(consumer EMULATOR FAST COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/tests/consumer/run.sh" "${CMAKE_CURRENT_BINARY_DIR}"
  "${CMAKE_COMMAND}" "${CMAKE_C_COMPILER}")
