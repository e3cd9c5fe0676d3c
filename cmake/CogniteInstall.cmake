# CogniteInstall.cmake - libraries, headers, cognite.pc and the CMake package. Everything finds the rest relative to itself,
# so the installed tree can be moved.

include(CMakePackageConfigHelpers)

install(PROGRAMS "${COGNITE_LIB_DIR}/${COGNITE_SHARED_NAME}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${COGNITE_LIB_DIR}/${COGNITE_SONAME}" "${COGNITE_LIB_DIR}/libcognite.so" "${COGNITE_LIB_DIR}/libcognite.a"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES include/cognite/cognite.h include/cognite/cognite.hpp include/cognite/results.hpp
  include/cognite/datapoints.hpp include/cognite/files.hpp DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/cognite")

set(cognite_pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH COGNITE_PC_PREFIX "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" COGNITE_PC_PREFIX "${COGNITE_PC_PREFIX}")
string(REPLACE ";" " -l" cognite_libs "${COGNITE_STATIC_LIBS}")
set(COGNITE_PC_LIBS_PRIVATE "-l${cognite_libs}")
configure_file(cmake/cognite.pc.in "${CMAKE_CURRENT_BINARY_DIR}/cognite.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/cognite.pc" DESTINATION "${cognite_pc_dir}")

set(cognite_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/cognite")
configure_package_config_file(cmake/cogniteConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/cogniteConfig.cmake"
  INSTALL_DESTINATION "${cognite_cmake_dir}"
  PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
# Before 1.0 a new minor version may break programs; SameMinorVersion says so.
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/cogniteConfigVersion.cmake"
  VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/cogniteConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/cogniteConfigVersion.cmake"
  DESTINATION "${cognite_cmake_dir}")
