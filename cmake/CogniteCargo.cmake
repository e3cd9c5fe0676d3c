# CogniteCargo.cmake - runs cargo, gives the library its file names, and offers it as the targets
# cognite::cognite (shared) and cognite::cognite_static.

find_program(COGNITE_CARGO cargo HINTS "$ENV{CARGO_HOME}/bin" "$ENV{HOME}/.cargo/bin")
if(NOT COGNITE_CARGO)
  message(FATAL_ERROR "cargo is needed to build libcognite: install Rust, or set COGNITE_CARGO")
endif()

separate_arguments(cognite_cargo_flags UNIX_COMMAND "${COGNITE_CARGO_FLAGS}")
if(COGNITE_OFFLINE)
  list(APPEND cognite_cargo_flags --offline)
endif()

# cargo calls the directory of the profile "dev" "debug", and all others by their name.
function(cognite_profile_dir profile result)
  if(profile STREQUAL "dev")
    set(profile debug)
  endif()
  set(${result} "${COGNITE_CARGO_TARGET_DIR}/${profile}" PARENT_SCOPE)
endfunction()

cognite_profile_dir("${COGNITE_CARGO_PROFILE}" cognite_built)
set(COGNITE_LIB_DIR "${CMAKE_CURRENT_BINARY_DIR}/lib")
set(COGNITE_SHARED_NAME "libcognite.so.${PROJECT_VERSION}")
set(COGNITE_SONAME "libcognite.so.${COGNITE_SOVERSION}")
file(MAKE_DIRECTORY "${COGNITE_LIB_DIR}")

# Each library by itself: beside another kind, all that is public would have to stay in the shared one, a sixth more.
# cargo itself decides what is out of date, so it is asked at every build (that takes a fraction of a second). The files
# are copied only when they changed, so that nothing is linked again without need.
add_custom_target(cognite_cargo ALL
  COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${COGNITE_CARGO_TARGET_DIR}"
          "${COGNITE_CARGO}" rustc --locked --package cognite-c --lib --crate-type staticlib
          --profile "${COGNITE_CARGO_PROFILE}" ${cognite_cargo_flags}
  COMMAND "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${COGNITE_CARGO_TARGET_DIR}"
          "${COGNITE_CARGO}" rustc --locked --package cognite-c --lib --crate-type cdylib
          --profile "${COGNITE_CARGO_PROFILE}" ${cognite_cargo_flags}
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${cognite_built}/libcognite.so" "${COGNITE_LIB_DIR}/${COGNITE_SHARED_NAME}"
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different "${cognite_built}/libcognite.a" "${COGNITE_LIB_DIR}/libcognite.a"
  COMMAND "${CMAKE_COMMAND}" -E create_symlink "${COGNITE_SHARED_NAME}" "${COGNITE_LIB_DIR}/${COGNITE_SONAME}"
  COMMAND "${CMAKE_COMMAND}" -E create_symlink "${COGNITE_SONAME}" "${COGNITE_LIB_DIR}/libcognite.so"
  BYPRODUCTS "${COGNITE_LIB_DIR}/${COGNITE_SHARED_NAME}" "${COGNITE_LIB_DIR}/libcognite.a"
  WORKING_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}"
  COMMENT "Building libcognite with cargo (profile ${COGNITE_CARGO_PROFILE})"
  VERBATIM USES_TERMINAL)

# What a program that links the static library needs besides: rustc's own list (cargo rustc -- --print native-static-libs).
set(COGNITE_STATIC_LIBS gcc_s util rt pthread m dl c)

add_library(cognite::cognite SHARED IMPORTED GLOBAL)
set_target_properties(cognite::cognite PROPERTIES
  IMPORTED_LOCATION "${COGNITE_LIB_DIR}/${COGNITE_SHARED_NAME}"
  IMPORTED_SONAME "${COGNITE_SONAME}"
  INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include")
add_library(cognite::cognite_static STATIC IMPORTED GLOBAL)
set_target_properties(cognite::cognite_static PROPERTIES
  IMPORTED_LOCATION "${COGNITE_LIB_DIR}/libcognite.a"
  INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_SOURCE_DIR}/include"
  INTERFACE_LINK_LIBRARIES "${COGNITE_STATIC_LIBS}")
add_dependencies(cognite::cognite cognite_cargo)
add_dependencies(cognite::cognite_static cognite_cargo)
