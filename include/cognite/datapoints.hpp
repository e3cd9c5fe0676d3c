// datapoints.hpp - datapoints from C++17, beside cognite.hpp and with its rules: columns written and read, page by page too,
// subscriptions, expressions. The functions of C say what each does.
//
//   cognite::points points;
//   points.add("my-series", times, values, count);
//   points.insert(client);
//   cognite::columns read = cognite::read(client, R"({"externalId": "my-series", "start": "1d-ago"})");
//   for (double value : read.numbers(0)) ...
//
// points is a collector: one thread at a time. columns are read-only, for any number; column_pages and subscription are for any number.
#ifndef COGNITE_DATAPOINTS_HPP
#define COGNITE_DATAPOINTS_HPP

#include <cognite/cognite.hpp>

namespace cognite {

// Elements that belong to an object: valid as long as it lives.
template <class T>
class column_view {
 public:
  column_view(const T* data, std::size_t size) noexcept : data_(data), size_(data != nullptr ? size : 0) {}
  const T* begin() const noexcept { return data_; }
  const T* end() const noexcept { return data_ + size_; }
  const T* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const T& operator[](std::size_t n) const noexcept { return data_[n]; }

 private:
  const T* data_;
  std::size_t size_;
};

// Datapoints that were read. A column that there is not is an empty view.
class columns {
 public:
  explicit columns(cognite_columns* raw) noexcept : raw_(raw) {}
  // Of a response of an asynchronous read, of a page or of a step.
  static columns of(const response& from) {
    cognite_columns* out = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_columns_of(from.get(), &out, &err);
    detail::check(status, err);
    return columns(out);
  }

  std::size_t series() const noexcept { return cognite_columns_series(get()); }
  std::size_t item(std::size_t series) const noexcept { return cognite_columns_item(get(), series); }
  std::size_t count(std::size_t series) const noexcept { return cognite_columns_count(get(), series); }
  std::string_view info(std::size_t series) const noexcept { return cognite_columns_info(get(), series); }
  column_view<std::int64_t> timestamps(std::size_t series) const noexcept {
    return {cognite_columns_timestamps(get(), series), count(series)};
  }
  column_view<double> numbers(std::size_t series) const noexcept {
    return {cognite_columns_numbers(get(), series, nullptr), count(series)};
  }
  column_view<double> aggregate(std::size_t series, std::string_view name) const {
    return {cognite_columns_numbers(get(), series, detail::text(name).get()), count(series)};
  }
  column_view<std::int64_t> states(std::size_t series) const noexcept {
    return {cognite_columns_states(get(), series), count(series)};
  }
  column_view<std::uint32_t> status_codes(std::size_t series) const noexcept {
    return {cognite_columns_status_codes(get(), series), count(series)};
  }
  // Where the entries of each bucket begin in what follows; one more than there are buckets.
  column_view<std::int64_t> state_buckets(std::size_t series) const noexcept {
    const std::int64_t* buckets = nullptr;
    cognite_columns_state_aggregates(get(), series, nullptr, &buckets);
    return {buckets, count(series) + 1};
  }
  // `stateCount` and its like, a number for each entry; without a name the numbers of the states. text() has their names.
  column_view<std::int64_t> state_aggregate(std::size_t series, std::string_view name = {}) const {
    const column_view<std::int64_t> buckets = state_buckets(series);
    const detail::text which(name);
    const char* of = name.empty() ? nullptr : which.get();
    return {cognite_columns_state_aggregates(get(), series, of, nullptr), entries(buckets)};
  }
  // Empty past the last one, and where there are no texts.
  std::string_view text(std::size_t series, std::size_t n) const noexcept {
    const std::int64_t* at = nullptr;
    const char* all = cognite_columns_text(get(), series, &at);
    const column_view<std::int64_t> buckets = state_buckets(series);
    if (all == nullptr || n >= (buckets.empty() ? count(series) : entries(buckets))) return {};
    return {all + at[n], static_cast<std::size_t>(at[n + 1] - at[n])};
  }
  bool is_there(std::size_t series, std::size_t n) const noexcept {
    const std::uint8_t* bits = cognite_columns_validity(get(), series);
    return n < count(series) && (bits == nullptr || (bits[n / 8] >> n % 8 & 1) != 0);
  }
  // The service's JSON: `{"items":[…]}`.
  response to_json() const {
    cognite_response* out = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_columns_to_json(get(), &out, &err);
    detail::check(status, err);
    return response(out);
  }
  // Both are the caller's to release, or to hand to an importer.
  void export_arrow(std::size_t series, ArrowSchema& schema, ArrowArray& array) const {
    cognite_error* err = nullptr;
    auto status = cognite_columns_export_arrow(get(), series, &schema, &array, &err);
    detail::check(status, err);
  }
  const cognite_columns* get() const noexcept { return raw_.get(); }

 private:
  static std::size_t entries(column_view<std::int64_t> buckets) noexcept {
    return buckets.empty() ? 0 : static_cast<std::size_t>(buckets[buckets.size() - 1]);
  }
  detail::owner<cognite_columns, &cognite_columns_free> raw_;
};

// What ends an operation from outside.
struct limits {
  std::chrono::milliseconds timeout{0};  // 0: the client's
  const cognite::cancel* cancel = nullptr;
};

namespace detail {

inline cognite_limits raw_limits(const limits& given) {
  if (given.timeout.count() < 0) throw std::invalid_argument("cognite: a timeout below zero");
  cognite_limits raw = COGNITE_LIMITS_INIT;
  raw.timeout_ms = static_cast<std::uint64_t>(given.timeout.count());
  raw.cancel = given.cancel != nullptr ? given.cancel->get() : nullptr;
  return raw;
}

template <class F>
columns read_by(F function, const client& from, std::string_view query, const limits& given) {
  cognite_limits raw = raw_limits(given);
  cognite_columns* out = nullptr;
  cognite_error* err = nullptr;
  auto status = function(from.get(), query.data(), query.size(), &raw, &out, &err);
  check(status, err);
  return columns(out);
}

}  // namespace detail

inline columns read(const client& from, std::string_view query, const limits& given = {}) {
  return detail::read_by(&cognite_columns_read, from, query, given);
}
inline columns read_latest(const client& from, std::string_view query, const limits& given = {}) {
  return detail::read_by(&cognite_columns_read_latest, from, query, given);
}
inline columns read_synthetic(const client& from, std::string_view query, const limits& given = {}) {
  return detail::read_by(&cognite_columns_read_synthetic, from, query, given);
}

// A range being read page by page, by any number of threads.
class column_pages {
 public:
  column_pages(const client& from, std::string_view query, std::uint32_t prefetch = 1, const limits& given = {}) {
    cognite_limits raw = detail::raw_limits(given);
    cognite_columns_pages* out = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_columns_pages_new(from.get(), query.data(), query.size(), prefetch, &raw, &out, &err);
    detail::check(status, err);
    raw_.reset(out);
  }
  // Empty: there are no more.
  std::optional<columns> next() const {
    cognite_columns* page = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_columns_pages_next(raw_.get(), &page, &err);
    if (status == COGNITE_ERR_EMPTY) {
      cognite_error_free(err);
      return std::nullopt;
    }
    detail::check(status, err);
    return columns(page);
  }

 private:
  detail::owner<cognite_columns_pages, &cognite_columns_pages_free> raw_;
};

// A reader of a subscription.
class subscription {
 public:
  subscription(const client& from, std::string_view query, const limits& given = {}) {
    cognite_limits raw = detail::raw_limits(given);
    cognite_subscription* out = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_subscription_new(from.get(), query.data(), query.size(), &raw, &out, &err);
    detail::check(status, err);
    raw_.reset(out);
  }
  // Its body has the cursors to keep; columns::of() the datapoints.
  response next() const {
    cognite_response* step = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_subscription_next(raw_.get(), &step, &err);
    detail::check(status, err);
    return response(step);
  }

 private:
  detail::owner<cognite_subscription, &cognite_subscription_free> raw_;
};

// Datapoints collected to be written together.
class points {
 public:
  points() : raw_(cognite_points_new()) {}
  // Good numbers of one series.
  points& add(std::string_view external_id, const std::int64_t* timestamps_ms, const double* values, std::size_t count) {
    cognite_error* err = nullptr;
    auto status = cognite_points_add_f64(raw_.get(), detail::text(external_id).get(), timestamps_ms, values, count, &err);
    detail::check(status, err);
    return *this;
  }
  points& add(const cognite_column& column) {
    cognite_error* err = nullptr;
    auto status = cognite_points_add(raw_.get(), &column, &err);
    detail::check(status, err);
    return *this;
  }
  std::uint64_t count() const noexcept { return cognite_points_count(raw_.get()); }
  void clear() noexcept { cognite_points_clear(raw_.get()); }
  // `create_missing`: JSON, see cognite_points_insert(); empty: series are not made.
  response insert(const client& to, const limits& given = {}, std::string_view create_missing = {}) const {
    const cognite_limits raw = detail::raw_limits(given);
    cognite_insert options = COGNITE_INSERT_INIT;
    options.timeout_ms = raw.timeout_ms;
    options.cancel = raw.cancel;
    options.create_missing = create_missing.data();
    options.create_missing_len = create_missing.size();
    cognite_response* out = nullptr;
    cognite_error* err = nullptr;
    auto status = cognite_points_insert(to.get(), raw_.get(), &options, &out, &err);
    detail::check(status, err);
    return response(out);
  }

 private:
  detail::owner<cognite_points, &cognite_points_free> raw_;
};

}  // namespace cognite

#endif
