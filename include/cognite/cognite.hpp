// cognite.hpp - libcognite from C++17. Header only, no dependency besides the standard library and <cognite/cognite.h>.
//
//   cognite::runtime runtime;                        // its destructor ends all activity of the library
//   auto config = cognite::config();
//   config.project("my-project").base_url("https://westeurope-1.cognitedata.com")
//         .client_name("me").credentials(cognite::credentials::token(secret));
//   cognite::client client(config);
//   cognite::response answer = client.get("/api/v1/projects/my-project/assets", R"({"limit": 10})");
//   std::cout << answer.body();
//
// Rules
//   * Every owner (config, credentials, client, response, pages, token_request, cancel, queue) is move-only and frees in its destructor. Using
//     one that was moved from is an error the library reports (INVALID_ARGUMENT), not a crash.
//   * Whatever fails throws cognite::error. Text with a zero byte in it, which C cannot take, throws
//     std::invalid_argument. Functions marked noexcept do not throw.
//   * Text goes in as std::string_view and is copied during the call. An empty view means "not given" where the C
//     function allows NULL.
//   * Text comes out as std::string_view into the object: valid as long as the object lives.
//   * Asynchronous calls tell their callback, or complete their future, exactly once - unless the call itself throws: then
//     never. Callbacks run on a thread of the library; an exception that leaves one is swallowed.
//   * Do not wait inside a callback for another callback or a future.
//   * Threads: as in C. client, pages, cancel, queue: any number; config and credentials: one at a time; response and error: read-only, any.
//   * Everything is inline: only the C functions are a binary interface.
#ifndef COGNITE_COGNITE_HPP
#define COGNITE_COGNITE_HPP

#include <chrono>
#include <cognite/cognite.h>
#include <cognite/files.hpp>
#include <cognite/results.hpp>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace cognite {

// What a callback gets: either of the two. std::get<response>(r), or std::get_if<error>(&r).
using result = std::variant<response, error>;
using callback = std::function<void(result)>;

// A library that wants a token: answer or fail once, now or later, from any thread. One that is dropped fails.
class token_request {
 public:
  explicit token_request(cognite_token_request* raw) noexcept : raw_(raw) {}

  // `expires_in` 0: unknown, so ask again for each attempt.
  void answer(std::string_view token, std::chrono::milliseconds expires_in = std::chrono::milliseconds(0)) {
    detail::text copy(token);
    cognite_error* err = nullptr;
    auto life = expires_in.count() > 0 ? static_cast<std::uint64_t>(expires_in.count()) : 0;
    auto status = cognite_token_request_answer(raw_.release(), copy.get(), life, &err);
    detail::check(status, err);
  }
  void fail(std::string_view message) {
    detail::text copy(message);
    cognite_error* err = nullptr;
    auto status = cognite_token_request_fail(raw_.release(), copy.get(), &err);
    detail::check(status, err);
  }

 private:
  struct drop {
    void operator()(cognite_token_request* raw) const noexcept {
      (void)cognite_token_request_fail(raw, "the token provider gave no answer", nullptr);
    }
  };
  std::unique_ptr<cognite_token_request, drop> raw_;
};
using token_provider = std::function<void(token_request)>;

// How to get a token.
class credentials {
 public:
  static credentials token(std::string_view token) {
    return make([&](auto out, auto err) { return cognite_credentials_new_token(detail::text(token).get(), out, err); });
  }
  static credentials client_credentials(std::string_view token_url, std::string_view client_id,
                                        std::string_view client_secret, std::string_view scopes = {}) {
    return make([&](auto out, auto err) {
      return cognite_credentials_new_client_credentials(detail::text(token_url).get(), detail::text(client_id).get(),
                                                        detail::text(client_secret).get(), detail::text(scopes).or_null(),
                                                        out, err);
    });
  }
  // `provider` is called on a callback thread. An exception that leaves it fails the request.
  static credentials provider(token_provider provider) {
    auto state = std::make_unique<token_provider>(std::move(provider));
    // Also when this fails, the library calls `destroy`: so it owns the state from here on.
    return make([&](auto out, auto err) {
      return cognite_credentials_new_token_provider(&ask, state.release(), &destroy, out, err);
    });
  }
  // YAML or JSON with one key: token, client_credentials, ...
  static credentials load(std::string_view text) {
    return make([&](auto out, auto err) { return cognite_credentials_load(text.data(), text.size(), out, err); });
  }

  credentials& form_field(std::string_view name, std::string_view value) {
    detail::text n(name), v(value);
    cognite_error* err = nullptr;
    auto status = cognite_credentials_set_form_field(get(), n.get(), v.get(), &err);
    detail::check(status, err);
    return *this;
  }
  credentials& expiry_leeway(std::chrono::milliseconds leeway) {
    cognite_error* err = nullptr;
    auto status = cognite_credentials_set_expiry_leeway_ms(get(), static_cast<std::uint64_t>(leeway.count()), &err);
    detail::check(status, err);
    return *this;
  }
  // Without secrets.
  std::string_view json() const noexcept { return detail::view(cognite_credentials_json(get())); }
  cognite_credentials* get() const noexcept { return raw_.get(); }

 private:
  explicit credentials(cognite_credentials* raw) noexcept : raw_(raw) {}
  template <class F>
  static credentials make(F&& call) {
    cognite_credentials* out = nullptr;
    cognite_error* err = nullptr;
    cognite_status status = call(&out, &err);
    detail::check(status, err);
    return credentials(out);
  }
  static void ask(void* user_data, cognite_token_request* request) noexcept {
    try {
      (*static_cast<token_provider*>(user_data))(token_request(request));
    } catch (...) {  // the request was moved into the call and has failed with it
    }
  }
  static void destroy(void* user_data) noexcept { delete static_cast<token_provider*>(user_data); }

  detail::owner<cognite_credentials, &cognite_credentials_free> raw_;
};

// Settings being collected. A client copies them: changing them afterwards has no effect on it.
class config {
 public:
  config() : raw_(cognite_config_new()) {}
  explicit config(cognite_config* raw) noexcept : raw_(raw) {}
  // YAML or JSON. Unknown keys are refused.
  static config load(std::string_view text) {
    cognite_config* out = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_config_load(text.data(), text.size(), &out, &err);
    detail::check(status, err);
    return config(out);
  }

  config& client_name(std::string_view name) { return set(&cognite_config_set_client_name, name); }
  config& project(std::string_view project) { return set(&cognite_config_set_project, project); }
  config& base_url(std::string_view url) { return set(&cognite_config_set_base_url, url); }
  config& cluster(std::string_view cluster) { return set(&cognite_config_set_cluster, cluster); }
  config& api_subversion(std::string_view version) { return set(&cognite_config_set_api_subversion, version); }
  config& credentials(const cognite::credentials& from) {
    return done([&](auto err) { return cognite_config_set_credentials(get(), from.get(), err); });
  }
  config& header(std::string_view name, std::string_view value) {
    detail::text n(name), v(value);
    return done([&](auto err) { return cognite_config_set_header(get(), n.get(), v.get(), err); });
  }
  config& remove_header(std::string_view name) {
    detail::text n(name);
    return done([&](auto err) { return cognite_config_set_header(get(), n.get(), nullptr, err); });
  }
  // Connecting, and each wait for data.
  config& timeout(std::chrono::milliseconds t) { return set(&cognite_config_set_timeout_ms, number(t)); }
  // A whole call, with repetitions and tokens.
  config& total_timeout(std::chrono::milliseconds t) { return set(&cognite_config_set_total_timeout_ms, number(t)); }
  config& file_transfer_timeout(std::chrono::milliseconds t) {
    return set(&cognite_config_set_file_transfer_timeout_ms, number(t));
  }
  config& max_response_bytes(std::uint64_t bytes) { return set(&cognite_config_set_max_response_bytes, bytes); }
  config& max_accepted_calls(std::uint64_t calls) { return set(&cognite_config_set_max_accepted_calls, calls); }
  config& gzip_min_bytes(std::uint64_t bytes) { return set(&cognite_config_set_gzip_min_bytes, bytes); }
  config& debug(bool on) { return set(&cognite_config_set_debug, on); }
  config& refresh_on_401(bool on) { return set(&cognite_config_set_refresh_on_401, on); }
  config& project_hint_on_401(bool on) { return set(&cognite_config_set_project_hint_on_401, on); }

  std::string_view client_name() const noexcept { return detail::view(cognite_config_get_client_name(get())); }
  std::string_view project() const noexcept { return detail::view(cognite_config_get_project(get())); }
  std::string_view base_url() const noexcept { return detail::view(cognite_config_get_base_url(get())); }
  std::string_view api_subversion() const noexcept { return detail::view(cognite_config_get_api_subversion(get())); }
  std::chrono::milliseconds timeout() const noexcept {
    return std::chrono::milliseconds(cognite_config_get_timeout_ms(get()));
  }
  // Without secrets; until the next change.
  std::string_view json() const noexcept { return detail::view(cognite_config_json(get())); }
  cognite_config* get() const noexcept { return raw_.get(); }

 private:
  static std::uint64_t number(std::chrono::milliseconds t) noexcept { return static_cast<std::uint64_t>(t.count()); }
  template <class F>
  config& done(F&& call) {
    cognite_error* err = nullptr;
    cognite_status status = call(&err);
    detail::check(status, err);
    return *this;
  }
  config& set(cognite_status (*setter)(cognite_config*, const char*, cognite_error**), std::string_view value) {
    detail::text copy(value);
    return done([&](auto err) { return setter(get(), copy.get(), err); });
  }
  config& set(cognite_status (*setter)(cognite_config*, std::uint64_t, cognite_error**), std::uint64_t value) {
    return done([&](auto err) { return setter(get(), value, err); });
  }
  config& set(cognite_status (*setter)(cognite_config*, std::int32_t, cognite_error**), bool on) {
    return done([&](auto err) { return setter(get(), on ? 1 : 0, err); });
  }

  detail::owner<cognite_config, &cognite_config_free> raw_;
};

// Cancels any number of calls, from any thread. May be destroyed before the calls end: then they go on.
class cancel {
 public:
  cancel() : raw_(cognite_cancel_new()) {}
  void trigger() const noexcept { cognite_cancel_trigger(get()); }
  bool is_triggered() const noexcept { return cognite_cancel_is_triggered(get()) != 0; }
  cognite_cancel* get() const noexcept { return raw_.get(); }

 private:
  detail::owner<cognite_cancel, &cognite_cancel_free> raw_;
};

// A finished call from a queue. std::get<response>(c.outcome), or std::get_if<error>(&c.outcome).
struct completion {
  std::uint64_t tag;
  result outcome;
};

// Finished calls, to be fetched by any number of threads or by an event loop.
class queue {
 public:
  // `limit`: how many completions may wait or be still to come; 0: the default.
  explicit queue(std::uint64_t limit = 0) {
    cognite_queue* out = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_queue_new(limit, &out, &err);
    raw_.reset(out);
    detail::check(status, err);
  }
  // For poll, epoll, select: readable while next(0ms) would not answer "nothing yet". Never read or close it.
  std::intptr_t os_handle() const noexcept { return cognite_queue_os_handle(get()); }
  // The oldest completion. Empty: nothing came within the time. Throws SHUTDOWN when the queue is closed and empty.
  std::optional<completion> next(std::chrono::milliseconds wait) const { return fetch(wait.count() > 0 ? wait.count() : 0); }
  // Waits until one comes; empty: the queue was closed and has no more.
  std::optional<completion> next() const {
    try {
      return fetch(-1);
    } catch (const error& e) {
      if (e.status() == COGNITE_ERR_SHUTDOWN) return std::nullopt;
      throw;
    }
  }
  // Wakes everyone in next(); refuses new calls.
  void close() const noexcept { cognite_queue_close(get()); }
  cognite_queue* get() const noexcept { return raw_.get(); }

 private:
  std::optional<completion> fetch(std::int64_t wait) const {
    cognite_completion done = COGNITE_COMPLETION_INIT;
    cognite_error* err = nullptr;
    auto status = cognite_queue_next(get(), wait, &done, &err);
    if (status == COGNITE_ERR_EMPTY) {
      cognite_error_free(err);
      return std::nullopt;
    }
    detail::check(status, err);
    if (done.status == COGNITE_OK) return completion{done.tag, response(done.response)};
    return completion{done.tag, error(done.status, done.error)};
  }

  detail::owner<cognite_queue, &cognite_queue_free> raw_;
};

// Everything a request can have; see cognite_request. The views must live until the call returns, not longer.
struct request {
  std::string_view method = "GET";
  std::string_view url;
  std::string_view params = {};        // JSON object, or empty
  std::string_view headers = {};       // JSON object, or empty
  std::string_view body = {};          // empty: none
  std::string_view content_type = {};  // empty: the body is JSON
  std::chrono::milliseconds timeout{0};
  std::uint32_t retry = COGNITE_RETRY_DEFAULT;
  const cognite::cancel* cancel = nullptr;
};

// An operation of the API by name; see cognite_operation. The views must live until the call returns, not longer.
struct operation {
  std::string_view name;
  std::string_view arguments = {};  // JSON object, or empty
  std::chrono::milliseconds timeout{0};
  const cognite::cancel* cancel = nullptr;
  std::uint32_t flags = 0;
};

// A list being read page by page, by any number of threads.
class pages {
 public:
  explicit pages(cognite_pages* raw) noexcept : raw_(raw) {}
  // Empty: there are no more.
  std::optional<response> next() const {
    cognite_response* page = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_pages_next(get(), &page, &err);
    if (status == COGNITE_ERR_EMPTY) {
      cognite_error_free(err);
      return std::nullopt;
    }
    detail::check(status, err);
    return response(page);
  }
  cognite_pages* get() const noexcept { return raw_.get(); }

 private:
  detail::owner<cognite_pages, &cognite_pages_free> raw_;
};

// Connections, tokens and limits. One for all threads.
class client {
 public:
  explicit client(const cognite::config& from) : client(from.get()) {}
  // From YAML or JSON, as config::load.
  static client load(std::string_view text) { return client(cognite::config::load(text)); }
  // From the default of the process (cognite_global_set_default_config).
  static client from_default() { return client(static_cast<const cognite_config*>(nullptr)); }

  // A copy of the settings.
  cognite::config config() const {
    cognite_config* out = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_client_config(get(), &out, &err);
    detail::check(status, err);
    return cognite::config(out);
  }

  // Blocking calls. `params` and `headers`: JSON objects, or empty.
  response get(std::string_view url, std::string_view params = {}, std::string_view headers = {}) const {
    return call({"GET", url, params, headers});
  }
  response post(std::string_view url, std::string_view body, std::string_view params = {}, std::string_view headers = {}) const {
    return call({"POST", url, params, headers, body});
  }
  response put(std::string_view url, std::string_view body, std::string_view params = {}, std::string_view headers = {}) const {
    return call({"PUT", url, params, headers, body});
  }
  response call(const request& r) const {
    cognite_response* out = nullptr;
    cognite_error* err = nullptr;
    auto status = with(r, [&](const cognite_request& raw) { return cognite_client_call(get(), &raw, &out, &err); });
    detail::check(status, err);
    return response(out);
  }

  // As many requests as it takes: operate({"assets.list", R"({"limit":null})"}).
  response operate(const operation& o) const {
    return own([&](auto out, auto err) {
      return with(o, [&](const cognite_operation& raw) { return cognite_client_operate(get(), &raw, out, err); });
    });
  }
  // A list page by page, `prefetch` of them ahead; see cognite_pages_new().
  cognite::pages pages(const operation& o, std::uint32_t prefetch = 1) const {
    cognite_pages* out = nullptr;
    cognite_error* err = nullptr;
    auto status = with(o, [&](const cognite_operation& raw) { return cognite_pages_new(get(), &raw, prefetch, &out, &err); });
    detail::check(status, err);
    return cognite::pages(out);
  }
  // Told to the queue, under this tag.
  void operate_async(const operation& o, const queue& to, std::uint64_t tag) const {
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    notify.queue = to.get();
    notify.tag = tag;
    cognite_error* err = nullptr;
    auto status = with(o, [&](const cognite_operation& raw) { return cognite_client_operate_async(get(), &raw, &notify, &err); });
    detail::check(status, err);
  }
  // The future's get() gives the response, or throws cognite::error.
  std::future<response> operate_async(const operation& o) const {
    auto promise = std::make_shared<std::promise<response>>();
    auto future = promise->get_future();
    operate_async(o, fulfil(promise));
    return future;
  }
  void operate_async(const operation& o, callback then) const {
    later(std::move(then), [&](const cognite_notify& notify, auto err) {
      return with(o, [&](const cognite_operation& raw) { return cognite_client_operate_async(get(), &raw, &notify, err); });
    });
  }

  // Content of files: upload({R"({"name":"a.txt"})", "content"}), download({R"({"id":1})", "to/this/path"}).
  response upload(const upload_request& u) const {
    return own([&](auto out, auto err) {
      return u.with([&](const cognite_upload& raw) { return cognite_client_upload(get(), &raw, out, err); });
    });
  }
  response download(const download_request& d) const {
    return own([&](auto out, auto err) {
      return d.with([&](const cognite_download& raw) { return cognite_client_download(get(), &raw, out, err); });
    });
  }
  void upload_async(const upload_request& u, callback then) const {
    later(std::move(then), [&](const cognite_notify& notify, auto err) {
      return u.with([&](const cognite_upload& raw) { return cognite_client_upload_async(get(), &raw, &notify, err); });
    });
  }
  void download_async(const download_request& d, callback then) const {
    later(std::move(then), [&](const cognite_notify& notify, auto err) {
      return d.with([&](const cognite_download& raw) { return cognite_client_download_async(get(), &raw, &notify, err); });
    });
  }

  void call_async(const request& r, callback then) const {
    later(std::move(then), [&](const cognite_notify& notify, auto err) {
      return with(r, [&](const cognite_request& raw) { return cognite_client_call_async(get(), &raw, &notify, err); });
    });
  }
  // Told to the queue, under this tag.
  void call_async(const request& r, const queue& to, std::uint64_t tag) const {
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    notify.queue = to.get();
    notify.tag = tag;
    cognite_error* err = nullptr;
    auto status = with(r, [&](const cognite_request& raw) { return cognite_client_call_async(get(), &raw, &notify, &err); });
    detail::check(status, err);
  }
  // The future's get() gives the response, or throws cognite::error.
  std::future<response> call_async(const request& r) const {
    auto promise = std::make_shared<std::promise<response>>();
    auto future = promise->get_future();
    call_async(r, fulfil(promise));
    return future;
  }
  std::future<response> get_async(std::string_view url, std::string_view params = {}, std::string_view headers = {}) const {
    return call_async({"GET", url, params, headers});
  }
  std::future<response> post_async(std::string_view url, std::string_view body, std::string_view params = {},
                                   std::string_view headers = {}) const {
    return call_async({"POST", url, params, headers, body});
  }
  std::future<response> put_async(std::string_view url, std::string_view body, std::string_view params = {},
                                  std::string_view headers = {}) const {
    return call_async({"PUT", url, params, headers, body});
  }

  // What was done so far, as JSON and for Prometheus; see cognite_client_metrics().
  response metrics() const {
    return own([&](auto out, auto err) { return cognite_client_metrics(get(), out, err); });
  }
  response metrics_prometheus() const {
    return own([&](auto out, auto err) { return cognite_client_metrics_prometheus(get(), out, err); });
  }
  // What works and what does not, as JSON; see cognite_client_diagnose(). 0: the usual time.
  response diagnose(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) const {
    const auto ms = timeout.count() > 0 ? static_cast<std::uint64_t>(timeout.count()) : 0;
    return own([&](auto out, auto err) { return cognite_client_diagnose(get(), ms, out, err); });
  }

  cognite_client* get() const noexcept { return raw_.get(); }

 private:
  template <class F>
  static response own(F&& call) {
    cognite_response* out = nullptr;
    cognite_error* err = nullptr;
    auto status = call(&out, &err);
    detail::check(status, err);
    return response(out);
  }
  explicit client(const cognite_config* from) {
    cognite_client* out = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_client_new(from, &out, &err);
    raw_.reset(out);
    detail::check(status, err);
  }
  template <class F>
  static cognite_status with(const request& r, F&& call) {
    detail::text method(r.method), url(r.url), params(r.params), headers(r.headers), type(r.content_type);
    cognite_request raw = COGNITE_REQUEST_INIT;
    raw.method = method.get();
    raw.url = url.get();
    raw.params = params.or_null();
    raw.headers = headers.or_null();
    raw.body = r.body.empty() ? nullptr : r.body.data();
    raw.body_len = r.body.size();
    raw.content_type = type.or_null();
    raw.timeout_ms = r.timeout.count() > 0 ? static_cast<std::uint64_t>(r.timeout.count()) : 0;
    raw.retry = r.retry;
    raw.cancel = r.cancel != nullptr ? r.cancel->get() : nullptr;
    return call(raw);
  }
  template <class F>
  static cognite_status with(const operation& o, F&& call) {
    detail::text name(o.name);
    cognite_operation raw = COGNITE_OPERATION_INIT;
    raw.name = name.get();
    raw.arguments = o.arguments.empty() ? nullptr : o.arguments.data();
    raw.arguments_len = o.arguments.size();
    raw.timeout_ms = o.timeout.count() > 0 ? static_cast<std::uint64_t>(o.timeout.count()) : 0;
    raw.flags = o.flags;
    raw.cancel = o.cancel != nullptr ? o.cancel->get() : nullptr;
    return call(raw);
  }
  // Starts something that tells `then`.
  template <class F>
  static void later(callback then, F&& start) {
    if (!then) throw std::invalid_argument("cognite: no callback");
    auto state = std::make_unique<callback>(std::move(then));
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    notify.done = &tell;
    notify.user_data = state.get();
    cognite_error* err = nullptr;
    auto status = start(notify, &err);
    if (status == COGNITE_OK) (void)state.release();  // accepted: tell() deletes it
    detail::check(status, err);
  }
  static callback fulfil(std::shared_ptr<std::promise<response>> promise) {
    return [promise](result outcome) {
      if (auto* failed = std::get_if<error>(&outcome))
        promise->set_exception(std::make_exception_ptr(*failed));
      else
        promise->set_value(std::move(std::get<response>(outcome)));
    };
  }
  static void tell(void* user_data, cognite_status status, cognite_response* answer, cognite_error* raw) noexcept {
    std::unique_ptr<callback> then(static_cast<callback*>(user_data));
    response owned(answer);
    try {
      if (status == COGNITE_OK)
        (*then)(std::move(owned));
      else
        (*then)(error(status, raw));
    } catch (...) {  // nothing may leave a callback of C
    }
  }

  detail::owner<cognite_client, &cognite_client_free> raw_;
};

// Given log records, on a thread of the library: the level (COGNITE_LOG_ERROR to COGNITE_LOG_DEBUG) and a JSON object.
using log_callback = std::function<void(int, std::string_view)>;

namespace detail {
inline void log_record(void* user_data, std::int32_t level, const char* record, std::size_t len) noexcept {
  try {
    (*static_cast<log_callback*>(user_data))(level, std::string_view(record, len));
  } catch (...) {  // nothing may leave a callback of C
  }
}
inline void log_destroy(void* user_data) noexcept { delete static_cast<log_callback*>(user_data); }
}  // namespace detail

// Sets who is given the log records of the process; an empty function: nobody. See cognite_log_set_callback().
inline void set_log(log_callback to, int level = COGNITE_LOG_INFO) {
  cognite_error* err = nullptr;
  const bool some = static_cast<bool>(to);
  auto state = some ? std::make_unique<log_callback>(std::move(to)) : nullptr;
  // Also when this fails, the library calls the destroy function: it owns the state from here on.
  auto status = cognite_log_set_callback(some ? &detail::log_record : nullptr, state.release(),
                                         some ? &detail::log_destroy : nullptr, level, &err);
  detail::check(status, err);
}

// Its destructor cancels what is pending, tells everyone, and joins every thread of the library. Make one in main(), first.
// Not to be destroyed inside a callback.
class runtime {
 public:
  runtime() = default;
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;
  ~runtime() { (void)cognite_shutdown(nullptr); }
};

}  // namespace cognite

#endif
