// test_cpp.cpp - cognite.hpp against a service (in the test suite: the emulator, by tests/c/with_emulator.sh).
#include <atomic>
#include <cognite/cognite.hpp>
#include <cognite/datapoints.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <thread>
#include <type_traits>
#include <vector>

std::string second_unit(const cognite::client& client, const std::string& url);  // second_unit.cpp

namespace {

int passed = 0, failed = 0;

void check(bool good, int line, const char* what) {
  good ? ++passed : ++failed;
  if (!good) std::cerr << "test_cpp.cpp:" << line << ": FAILED: " << what << "\n";
}
#define CHECK(condition) check((condition), __LINE__, #condition)

// `f` throws cognite::error with that status; gives it for more checks.
template <class F>
cognite::error throws(cognite_status status, int line, F&& f) {
  try {
    f();
  } catch (const cognite::error& e) {
    if (e.status() != status) std::cerr << "got " << e.status_name() << ": " << e.what() << "\n";
    check(e.status() == status, line, "the status");
    check(!e.message().empty() && e.json().front() == '{', line, "a message and JSON");
    return e;
  }
  check(false, line, "an exception");
  return cognite::error(COGNITE_OK, nullptr);
}
#define THROWS(status, ...) throws(status, __LINE__, [&] { __VA_ARGS__; })

std::string need(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) {
    std::cerr << "this test needs " << name << ": run it with tests/c/with_emulator.sh\n0 passed, 1 failed\n";
    std::exit(1);
  }
  return value;
}

cognite::config settings(const cognite::credentials& credentials) {
  cognite::config config;
  config.client_name("tests")
      .project(need("COGNITE_PROJECT"))
      .base_url(need("COGNITE_BASE_URL"))
      .timeout(std::chrono::seconds(20))
      .header("x-one", "1")
      .credentials(credentials);
  return config;
}

cognite::credentials oauth(std::string_view secret) {
  return cognite::credentials::client_credentials(need("COGNITE_TOKEN_URL"), need("COGNITE_CLIENT_ID"), secret,
                                                  need("COGNITE_SCOPES"));
}

template <class T>
constexpr bool move_only = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                           !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T>;
static_assert(move_only<cognite::config> && move_only<cognite::credentials> && move_only<cognite::client> &&
              move_only<cognite::response> && move_only<cognite::token_request>);
static_assert(std::is_nothrow_copy_constructible_v<cognite::error> && !std::is_copy_constructible_v<cognite::runtime>);

void settings_only() {
  cognite::config config = settings(cognite::credentials::token("canary-token"));
  CHECK(config.client_name() == "tests");
  CHECK(config.timeout() == std::chrono::seconds(20));
  CHECK(config.json().find("x-one") != std::string_view::npos);
  CHECK(config.json().find("canary-token") == std::string_view::npos);
  config.remove_header("X-One");
  CHECK(config.json().find("x-one") == std::string_view::npos);
  cognite::client client(config);
  config.project("changed");
  CHECK(client.config().project() == need("COGNITE_PROJECT"));

  cognite::config moved = std::move(config);
  CHECK(moved.project() == "changed");
  THROWS(COGNITE_ERR_INVALID_ARGUMENT, config.project("x"));  // moved from: refused, no crash
  THROWS(COGNITE_ERR_CONFIG, cognite::client{cognite::config()});
  THROWS(COGNITE_ERR_CONFIG, (void)cognite::config::load("projekt: x"));
  THROWS(COGNITE_ERR_CONFIG, (void)cognite::client::from_default());
  THROWS(COGNITE_ERR_CONFIG, (void)cognite::credentials::load("{tokn: x}"));
  bool refused = false;
  try {
    moved.project(std::string_view("a\0b", 3));
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  CHECK(refused && moved.project() == "changed");
}

void calls(const cognite::client& client, const std::string& base) {
  const std::string id = "cpp-" + std::to_string(std::time(nullptr)) + "-" + std::to_string(std::rand());
  const std::string body = R"({"items":[{"externalId":")" + id + R"(","name":"x"}]})";
  cognite::response made = client.post(base + "/assets", body);
  CHECK(made.http_status() / 100 == 2);
  CHECK(made.body().find(id) != std::string_view::npos);
  CHECK(made.header("CONTENT-type").find("json") != std::string_view::npos);
  CHECK(made.header("x-never").empty());
  CHECK(made.elapsed().count() > 0 && made.attempts() == 1);
  cognite::response moved = std::move(made);
  CHECK(!moved.body().empty() && made.body().empty());
  CHECK(second_unit(client, base + "/assets").find("items") != std::string::npos);

  cognite::error twice = THROWS(COGNITE_ERR_DUPLICATED, (void)client.post(base + "/assets", body));
  CHECK(twice.http_status() == 409 && !twice.in_doubt() && !twice.is_retryable() && twice.attempts() == 1);
  CHECK(twice.json().find(id) != std::string_view::npos);
  cognite::error copy = twice;  // shares, stays valid
  CHECK(copy.message() == twice.message());
  THROWS(COGNITE_ERR_NOT_FOUND, (void)client.get(base + "/nothing-here"));
  THROWS(COGNITE_ERR_INVALID_ARGUMENT, (void)client.get("no-slash"));
  CHECK(client.call({"POST", base + "/assets/list", {}, {}, R"({"limit":1})", {}, std::chrono::seconds(5), COGNITE_RETRY_SAFE})
            .http_status() == 200);
  cognite::client wrong(settings(oauth("canary-secret")));
  cognite::error denied = THROWS(COGNITE_ERR_AUTH, (void)wrong.get(base + "/assets"));
  CHECK(denied.code() == "invalid_client" && denied.json().find("canary-secret") == std::string_view::npos);
}

void operations(const cognite::client& client) {
  const std::string id = "cpp-operation-" + std::to_string(std::time(nullptr)) + "-" + std::to_string(std::rand());
  std::string items;
  for (int i = 0; i < 1200; ++i) items += (i > 0 ? "," : "") + std::string(R"({"externalId":")") + id + std::to_string(i) + R"(","name":"x"})";
  CHECK(client.operate({"assets.create", "{\"items\":[" + items + "]}"}).item_count() == 1200);
  const std::string filter = R"("filter":{"externalIdPrefix":")" + id + "\"}";
  cognite::response some = client.operate_async({"assets.list", "{" + filter + ",\"limit\":7}"}).get();
  CHECK(some.item_count() == 7 && some.item(6).find(id) != std::string_view::npos && some.item(7).empty());
  CHECK(!some.next_cursor().empty());
  cognite::pages pages = client.pages({"assets.list", "{" + filter + "}"});
  std::size_t all = 0;
  while (auto page = pages.next()) all += page->item_count();
  CHECK(all == 1200);
  THROWS(COGNITE_ERR_INVALID_ARGUMENT, (void)client.operate({"asets.list"}));
  THROWS(COGNITE_ERR_INVALID_ARGUMENT, (void)client.pages({"assets.create", "{\"items\":[]}"}));
}

void files(const cognite::client& client) {
  const std::string name = "cpp-file-" + std::to_string(std::time(nullptr)) + "-" + std::to_string(std::rand());
  const std::string key = "{\"externalId\":\"" + name + "\"}";
  const std::string content("a\0b", 3);
  CHECK(client.upload({"{\"name\":\"x\",\"externalId\":\"" + name + "\"}", content}).body().find(name) != std::string_view::npos);
  CHECK(client.download({key}).body() == content);
  std::promise<std::string> told;
  client.upload_async({key, "other", {}, COGNITE_UPLOAD_EXISTING}, [&](cognite::result done) {
    if (std::get_if<cognite::response>(&done) == nullptr) return told.set_value("failed");
    client.download_async({key}, [&](cognite::result got) {
      auto* answer = std::get_if<cognite::response>(&got);
      told.set_value(answer != nullptr ? std::string(answer->body()) : "failed");
    });
  });
  CHECK(told.get_future().get() == "other");
  THROWS(COGNITE_ERR_IO, (void)client.upload({"{}", {}, "/nonexistent/file"}));
  THROWS(COGNITE_ERR_INVALID_ARGUMENT, (void)client.download({"{}"}));
}

void futures(const cognite::client& client, const std::string& base) {
  std::vector<std::future<cognite::response>> all;
  for (int i = 0; i < 50; ++i) all.push_back(client.get_async(base + "/assets", R"({"limit":1})"));
  int good = 0;
  for (auto& future : all) good += future.get().http_status() == 200;
  CHECK(good == 50);
  CHECK(client.post_async(base + "/assets/list", R"({"limit":1})").get().http_status() == 200);
  auto missing = client.get_async(base + "/nothing-here");
  THROWS(COGNITE_ERR_NOT_FOUND, (void)missing.get());
  auto put = client.put_async(base + "/assets", "{}");
  bool put_failed = false;
  try {
    (void)put.get();
  } catch (const cognite::error& e) {
    put_failed = e.http_status() == 404 || e.http_status() == 405;
  }
  CHECK(put_failed);
  THROWS(COGNITE_ERR_INVALID_ARGUMENT, (void)client.get_async("no-slash"));  // refused at once
  (void)client.get_async(base + "/assets");                                  // nobody has to wait
}

void callbacks(const cognite::client& client, const std::string& base) {
  std::atomic<int> good{0}, bad{0};
  std::promise<void> done;
  auto count = [&] {
    if (good + bad == 21) done.set_value();
  };
  auto state = std::make_shared<int>(0);  // its count shows that every callback object is destroyed
  for (int i = 0; i < 20; ++i)
    client.call_async({"GET", base + "/assets"}, [&, state](cognite::result result) {
      auto* answer = std::get_if<cognite::response>(&result);
      answer != nullptr && answer->http_status() == 200 ? ++good : ++bad;
      count();
      throw 5;  // stays inside
    });
  client.call_async({"GET", base + "/nothing-here"}, [&, state](cognite::result result) {
    auto* failure = std::get_if<cognite::error>(&result);
    failure != nullptr && failure->http_status() == 404 ? ++good : ++bad;
    count();
  });
  CHECK(done.get_future().wait_for(std::chrono::seconds(60)) == std::future_status::ready);
  CHECK(good == 21 && bad == 0);
  THROWS(COGNITE_ERR_INVALID_ARGUMENT, client.call_async({"GET", "no-slash"}, [state](cognite::result) {}));
  for (int i = 0; i < 500 && state.use_count() > 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(state.use_count() == 1);
}

void providers(const cognite::client& client, const std::string& base) {
  cognite_response* raw = nullptr;
  CHECK(cognite_client_authorization(client.get(), &raw, nullptr) == COGNITE_OK);
  cognite::response authorization(raw);
  const std::string text(authorization.body()), mark = "Bearer ";
  const auto start = text.find(mark) + mark.size();
  const std::string token = text.substr(start, text.find('"', start) - start);

  std::atomic<int> asked{0};
  auto state = std::make_shared<int>(0);
  {
    cognite::client good(settings(cognite::credentials::provider([&, state](cognite::token_request request) {
      ++asked;
      std::thread([token, r = std::move(request)]() mutable { r.answer(token, std::chrono::minutes(5)); }).detach();
    })));
    CHECK(good.get(base + "/assets").http_status() == 200);
    CHECK(good.get(base + "/assets").http_status() == 200);
    CHECK(asked == 1);
  }
  for (int i = 0; i < 500 && state.use_count() > 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(state.use_count() == 1);

  cognite::client throwing(settings(cognite::credentials::provider([](cognite::token_request) { throw 5; })));
  THROWS(COGNITE_ERR_AUTH, (void)throwing.get(base + "/assets"));
  cognite::client failing(settings(cognite::credentials::provider([](cognite::token_request r) { r.fail("vault shut"); })));
  auto e = THROWS(COGNITE_ERR_AUTH, (void)failing.get(base + "/assets"));
  CHECK(e.message().find("vault shut") != std::string_view::npos);
}

void queues(cognite::client& client, const std::string& base) {
  cognite::queue queue;
  CHECK(!queue.next(std::chrono::milliseconds(0)) && queue.os_handle() >= 0);
  cognite::cancel cancel;
  const std::string url = base + "/assets";
  cognite::request ask{"GET", url};
  for (std::uint64_t i = 0; i < 20; ++i) client.call_async(ask, queue, i);
  std::uint64_t tags = 0;
  for (int i = 0; i < 20; ++i) {
    auto done = queue.next(std::chrono::seconds(60));
    CHECK(done && std::get<cognite::response>(done->outcome).http_status() == 200);
    if (done) tags += done->tag;
  }
  CHECK(tags == 190);
  cancel.trigger();
  ask.cancel = &cancel;
  CHECK(cancel.is_triggered());
  THROWS(COGNITE_ERR_CANCELLED, (void)client.call(ask));
  client.call_async(ask, queue, 7);
  auto done = queue.next();
  CHECK(done && done->tag == 7 && std::get<cognite::error>(done->outcome).status() == COGNITE_ERR_CANCELLED);
  std::thread closer([&] { queue.close(); });
  CHECK(!queue.next());
  closer.join();
  THROWS(COGNITE_ERR_SHUTDOWN, client.call_async(ask, queue, 8));
  THROWS(COGNITE_ERR_SHUTDOWN, (void)queue.next(std::chrono::milliseconds(0)));
}

void sight(const cognite::client& client, const std::string& base) {
  std::atomic<int> records{0};
  auto held = std::make_shared<int>(0);
  cognite::set_log([&records, held](int level, std::string_view record) {
    if (level == COGNITE_LOG_DEBUG && record.find("\"event\":\"request\"") != std::string_view::npos) ++records;
    throw 1;  // stays inside
  }, COGNITE_LOG_DEBUG);
  CHECK(client.get(base + "/assets").http_status() == 200);
  for (int i = 0; i < 500 && records == 0; i++) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(records == 1);
  cognite::set_log({});
  for (int i = 0; i < 500 && held.use_count() > 1; i++) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(held.use_count() == 1);
  CHECK(client.metrics().body().find("\"2xx\":") != std::string_view::npos);
  CHECK(client.metrics_prometheus().body().find("cognite_requests_total{") != std::string_view::npos);
  CHECK(client.diagnose(std::chrono::seconds(20)).body().substr(0, 11) == "{\"ok\":true,");
  bool refused = false;
  try {
    cognite::set_log([](int, std::string_view) {}, 77);
  } catch (const cognite::error& e) {
    refused = e.status() == COGNITE_ERR_INVALID_ARGUMENT;
  }
  CHECK(refused);
}

void datapoints(cognite::client& client) {
  const std::string name = "cpp-" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
  const std::int64_t times[] = {1700000000000, 1700000001000, 1700000002000};
  const double values[] = {1.5, -2, 4};
  cognite::points points;
  points.add(name, times, values, 3);
  CHECK(points.count() == 3);
  CHECK(points.insert(client, {}, R"({"timeSeries": {"unit": "bar"}})").body().find("\"created\":1") != std::string_view::npos);
  const std::string query = R"({"externalId": ")" + name + R"("})";
  cognite::columns read = cognite::read(client, query, {std::chrono::seconds(20), nullptr});
  CHECK(read.series() == 1 && read.count(0) == 3 && read.item(0) == 0 && read.is_there(0, 2) && !read.is_there(0, 3));
  double sum = 0;
  for (double value : read.numbers(0)) sum += value;
  CHECK(sum == 3.5 && read.timestamps(0)[2] == times[2] && read.status_codes(0).empty() && read.text(0, 0).empty());
  CHECK(read.info(0).find("\"unit\":\"bar\"") != std::string_view::npos);
  ArrowSchema schema;
  ArrowArray array;
  read.export_arrow(0, schema, array);
  CHECK(array.length == 3 && schema.n_children == 2);
  array.release(&array);
  schema.release(&schema);
  CHECK(read.to_json().body().find(R"("datapoints":[{"timestamp":1700000000000,"value":1.5},)") != std::string_view::npos);
  CHECK(read.state_buckets(0).empty() && read.state_aggregate(0).empty() && read.state_aggregate(0, "stateCount").empty());
  cognite::column_pages pages(client, query);
  auto page = pages.next();
  CHECK(page && page->count(0) == 3 && !pages.next());
  CHECK(cognite::read_latest(client, query).numbers(0)[0] == 4);
  CHECK(cognite::read_synthetic(client, R"({"expression": "TS{externalId=')" + name + R"('} * 2"})").numbers(0)[1] == -4);
  bool refused = false;
  try {
    cognite::subscription(client, R"({"externalId": "none", "pollTimeoutSeconds": 0})").next();
  } catch (const cognite::error& e) {
    refused = e.status() == COGNITE_ERR_NOT_FOUND || e.status() == COGNITE_ERR_API;
  }
  CHECK(refused);
}

}  // namespace

int main() {
  {
    cognite::runtime runtime;
    const std::string base = "/api/v1/projects/" + need("COGNITE_PROJECT");
    cognite::client client(settings(oauth(need("COGNITE_CLIENT_SECRET"))));
    settings_only();
    calls(client, base);
    operations(client);
    files(client);
    futures(client, base);
    callbacks(client, base);
    providers(client, base);
    queues(client, base);
    datapoints(client);
    sight(client, base);
  }
  std::cout << passed << " passed, " << failed << " failed" << std::endl;
  return failed > 0 || passed == 0 ? 1 : 0;
}
