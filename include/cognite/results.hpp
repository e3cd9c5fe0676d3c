// results.hpp - part of cognite.hpp, which includes it: what comes back from a call, an error or a response.
#ifndef COGNITE_RESULTS_HPP
#define COGNITE_RESULTS_HPP

#include <cognite/cognite.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cognite {
namespace detail {
inline std::string_view view(const char* text) noexcept { return text != nullptr ? text : std::string_view(); }
}  // namespace detail

// Why a call failed. Copying is cheap and does not throw.
class error : public std::exception {
 public:
  // Takes over `raw`, which may be NULL.
  error(cognite_status status, cognite_error* raw) : status_(status), raw_(raw, &cognite_error_free) {}

  // What the program should do next: a COGNITE_ERR_ constant. Later versions may add some.
  cognite_status status() const noexcept { return status_; }
  std::string_view status_name() const noexcept { return cognite_status_name(status_); }
  // One line for a human.
  const char* what() const noexcept override { return cognite_error_message(raw_.get()); }
  std::string_view message() const noexcept { return what(); }
  // 0: there was no answer.
  int http_status() const noexcept { return cognite_error_http_status(raw_.get()); }
  // The service's own code, and its name for the request; empty: none.
  std::string_view code() const noexcept { return detail::view(cognite_error_code(raw_.get())); }
  std::string_view request_id() const noexcept { return detail::view(cognite_error_request_id(raw_.get())); }
  // 0: the service did not say.
  std::chrono::milliseconds retry_after() const noexcept {
    return std::chrono::milliseconds(cognite_error_retry_after_ms(raw_.get()));
  }
  std::uint32_t attempts() const noexcept { return cognite_error_attempts(raw_.get()); }
  bool is_retryable() const noexcept { return cognite_error_is_retryable(raw_.get()) != 0; }
  // A write may have been applied although the call failed.
  bool in_doubt() const noexcept { return cognite_error_in_doubt(raw_.get()) != 0; }
  // All of it, without secrets, as JSON.
  std::string_view json() const noexcept { return cognite_error_json(raw_.get()); }

 private:
  cognite_status status_;
  std::shared_ptr<cognite_error> raw_;
};

namespace detail {

template <auto Free>
struct deleter {
  template <class T>
  void operator()(T* pointer) const noexcept {
    Free(pointer);
  }
};
template <class T, auto Free>
using owner = std::unique_ptr<T, deleter<Free>>;

inline void check(cognite_status status, cognite_error* raw) {
  if (status != COGNITE_OK) throw error(status, raw);
}

// Text for C: NUL-terminated.
class text {
 public:
  explicit text(std::string_view view) : copy_(view) {
    if (copy_.find('\0') != std::string::npos) throw std::invalid_argument("cognite: text with a zero byte in it");
  }
  const char* get() const noexcept { return copy_.c_str(); }
  const char* or_null() const noexcept { return copy_.empty() ? nullptr : copy_.c_str(); }

 private:
  std::string copy_;
};

}  // namespace detail

// What the service answered (2xx only: anything else is an error).
class response {
 public:
  explicit response(cognite_response* raw) noexcept : raw_(raw) {}

  int http_status() const noexcept { return cognite_response_http_status(raw_.get()); }
  std::string_view body() const noexcept {
    std::size_t length = 0;
    const char* data = cognite_response_body(raw_.get(), &length);
    return {data, length};
  }
  // `name` in any letter case. Empty: no such header (or an empty one).
  std::string_view header(std::string_view name) const {
    return detail::view(cognite_response_header(raw_.get(), detail::text(name).get()));
  }
  // A JSON object; names in lower case.
  std::string_view headers_json() const noexcept { return detail::view(cognite_response_headers_json(raw_.get())); }
  std::string_view request_id() const noexcept { return detail::view(cognite_response_request_id(raw_.get())); }
  std::chrono::microseconds elapsed() const noexcept {
    return std::chrono::microseconds(cognite_response_elapsed_us(raw_.get()));
  }
  std::uint32_t attempts() const noexcept { return cognite_response_attempts(raw_.get()); }
  // Of a body {"items":[...]}: how many there are, and each as JSON text.
  std::size_t item_count() const noexcept { return cognite_response_item_count(raw_.get()); }
  std::string_view item(std::size_t index) const noexcept {
    std::size_t length = 0;
    const char* data = cognite_response_item(raw_.get(), index, &length);
    return {data, length};
  }
  // Where the list goes on; empty: it does not.
  std::string_view next_cursor() const noexcept { return detail::view(cognite_response_next_cursor(raw_.get())); }
  const cognite_response* get() const noexcept { return raw_.get(); }

 private:
  detail::owner<cognite_response, &cognite_response_free> raw_;
};

}  // namespace cognite

#endif
