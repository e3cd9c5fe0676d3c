// files.hpp - part of cognite.hpp, which includes it: content of files, up and down.
#ifndef COGNITE_FILES_HPP
#define COGNITE_FILES_HPP

#include <cognite/cognite.h>
#include <cognite/results.hpp>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace cognite {

// What is uploaded, and whose content it is; see cognite_upload. The views must live until the call returns, not longer.
struct upload_request {
  std::string_view file;          // JSON: metadata of a new file; with COGNITE_UPLOAD_EXISTING which file
  std::string_view content = {};  // from memory; or
  std::string_view path = {};     // from this local file
  std::uint32_t flags = 0;        // COGNITE_UPLOAD_*
  std::chrono::milliseconds timeout{0};
  cognite_cancel* cancel = nullptr;  // cancel::get()

  template <class F>
  cognite_status with(F&& call) const {
    detail::text local(path);
    cognite_upload raw = COGNITE_UPLOAD_INIT;
    raw.file = file.empty() ? nullptr : file.data();
    raw.file_len = file.size();
    raw.content = content.empty() ? nullptr : content.data();
    raw.content_len = content.size();
    raw.path = local.or_null();
    raw.timeout_ms = timeout.count() > 0 ? static_cast<std::uint64_t>(timeout.count()) : 0;
    raw.flags = flags;
    raw.cancel = cancel;
    return call(raw);
  }
};

// What is downloaded, and where to; see cognite_download.
struct download_request {
  std::string_view file;       // JSON: which file
  std::string_view path = {};  // into this local file; empty: the response's body is the content
  std::chrono::milliseconds timeout{0};
  cognite_cancel* cancel = nullptr;  // cancel::get()

  template <class F>
  cognite_status with(F&& call) const {
    detail::text local(path);
    cognite_download raw = COGNITE_DOWNLOAD_INIT;
    raw.file = file.empty() ? nullptr : file.data();
    raw.file_len = file.size();
    raw.path = local.or_null();
    raw.timeout_ms = timeout.count() > 0 ? static_cast<std::uint64_t>(timeout.count()) : 0;
    raw.cancel = cancel;
    return call(raw);
  }
};

}  // namespace cognite

#endif
