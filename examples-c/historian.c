/* historian.c - samples this machine and keeps the samples as time series: the everyday job of a CDF client.
 *
 *   cc -std=c99 historian.c outbox.c signals.c example.c -o historian $(pkg-config --cflags --libs cognite) -lpthread -lm
 *   ./historian [--seconds N] [--interval-ms N] [FILE.csv]      (connection: COGNITE_* variables, see example.h)
 *
 * Reads CPU, memory, load, disk and network of a Linux machine every 100 ms for 10 seconds; or, with a file, rows of
 * timestamp_ms,name,value. Creates an asset and one time series per signal (finding them there already is fine), sends
 * the datapoints in the background once a second while sampling goes on (outbox.c), and at the end reads everything
 * back: raw values, which must be exactly equal, and 1-second aggregates, compared with its own arithmetic.
 * The exit status is 0 only if all of that is so. */
#define _POSIX_C_SOURCE 200809L
#include "example.h"
#include "json_scan.h"
#include "outbox.h"
#include "signals.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { BATCH_POINTS = 10000, PAGE = 10000, WIDTH = 60, FLUSH_MS = 1000, SETTLE_MS = 60000, READ_TRIES = 10 };

static cognite_client *client;
static char host[256];

/* ---- text that grows ---- */

struct text {
  char *data;
  size_t length, capacity;
};

static void add(struct text *text, const char *format, ...) {
  va_list arguments;
  int n;
  for (;;) {
    size_t room = text->capacity - text->length;
    va_start(arguments, format);
    n = vsnprintf(text->data != NULL ? text->data + text->length : NULL, room, format, arguments);
    va_end(arguments);
    if (n >= 0 && (size_t)n < room) break;
    text->capacity = 2 * text->capacity + (size_t)(n < 0 ? 0 : n) + 256;
    text->data = realloc(text->data, text->capacity);
    if (n < 0 || text->data == NULL) abort();
  }
  text->length += (size_t)n;
}

/* In JSON, between quotes, with what must be escaped escaped. */
static void add_string(struct text *text, const char *string) {
  add(text, "\"");
  for (; *string != '\0'; string++)
    add(text, *string == '"' || *string == '\\' ? "\\%c" : (unsigned char)*string < ' ' ? "\\u%04x" : "%c", *string);
  add(text, "\"");
}

static void add_external_id(struct text *text, const struct signal *signal) {
  char id[512];
  snprintf(id, sizeof id, "demo.%s%s%s", host, signal != NULL ? "." : "", signal != NULL ? signal->name : "");
  add_string(text, id);
}

/* ---- calls ---- */

/* POSTs `body`, frees it, and waits for the answer. */
static cognite_response *post(const char *path, struct text *body, cognite_error **error) {
  cognite_response *response = NULL;
  char url[256];
  example_url(url, sizeof url, path);
  cognite_client_post(client, url, body->data, body->length, NULL, NULL, &response, error);
  free(body->data);
  memset(body, 0, sizeof *body);
  return response;
}

/* Creates one thing; that it exists already is as good. */
static int create(const char *path, struct text *body, const char *what) {
  cognite_error *error = NULL;
  cognite_response_free(post(path, body, &error));
  if (error != NULL && cognite_error_status(error) != COGNITE_ERR_DUPLICATED) return !example_fail(what, error);
  printf("historian: %s %s\n", what, error == NULL ? "created" : "was there already");
  cognite_error_free(error);
  return 1;
}

/* An asset for the machine, and under it a time series for each signal. */
static int create_all(struct signals *signals) {
  struct text body = {0};
  cognite_error *error = NULL;
  cognite_response *response;
  const char *text, *end, *item;
  int64_t asset_id = 0;
  size_t length, i;
  int found;

  add(&body, "{\"items\":[{\"name\":");
  add_string(&body, host);
  add(&body, ",\"externalId\":");
  add_external_id(&body, NULL);
  add(&body, "}]}");
  if (!create("/assets", &body, "asset")) return 0;

  add(&body, "{\"items\":[{\"externalId\":");
  add_external_id(&body, NULL);
  add(&body, "}]}");
  response = post("/assets/byids", &body, &error);
  if (response == NULL) return !example_fail("asset", error);
  text = cognite_response_body(response, &length);
  end = text + length;
  item = json_first(json_member(text, end, "items"), end);
  found = json_integer(json_member(item, end, "id"), end, &asset_id);
  cognite_response_free(response);
  if (!found) {
    fprintf(stderr, "historian: the answer about the asset has no id\n");
    return 0;
  }

  for (i = 0; i < signals->count; i++) {
    add(&body, "{\"items\":[{\"name\":");
    add_string(&body, signals->list[i].name);
    add(&body, ",\"externalId\":");
    add_external_id(&body, &signals->list[i]);
    add(&body, ",\"unit\":");
    add_string(&body, signals->list[i].unit);
    add(&body, ",\"assetId\":%" PRId64 "}]}", asset_id);
    if (!create("/timeseries", &body, signals->list[i].name)) return 0;
  }
  return 1;
}

/* Puts every sample that is not queued yet into batches. */
static int flush(struct outbox *outbox, struct signals *signals) {
  for (;;) {
    struct text body = {0};
    size_t points = 0, i;
    add(&body, "{\"items\":[");
    for (i = 0; i < signals->count; i++) {
      struct signal *signal = &signals->list[i];
      size_t first = signal->queued;
      if (first == signal->count || points == BATCH_POINTS) continue;
      add(&body, "%s{\"externalId\":", points > 0 ? "," : "");
      add_external_id(&body, signal);
      add(&body, ",\"datapoints\":[");
      for (; signal->queued < signal->count && points < BATCH_POINTS; signal->queued++, points++)
        /* 17 digits: enough for any double to come back as the same double */
        add(&body, "%s{\"timestamp\":%" PRId64 ",\"value\":%.17g}", signal->queued > first ? "," : "",
            signal->timestamps[signal->queued], signal->values[signal->queued]);
      add(&body, "]}");
    }
    add(&body, "]}");
    if (points == 0) {
      free(body.data);
      return 1;
    }
    if (!outbox_put(outbox, body.data, body.length, points)) return 0;
    outbox_pump(outbox);
  }
}

static int sample(struct outbox *outbox, struct signals *signals, long seconds, long interval_ms) {
  int64_t next = now_ms() + interval_ms, flushed = now_ms();
  long i, samples = seconds * 1000 / interval_ms;
  for (i = 0; i < samples; i++, next += interval_ms) {
    sleep_ms(next - now_ms());
    if (!signals_sample_machine(signals)) {
      fprintf(stderr, "historian: cannot read from /proc\n");
      return 0;
    }
    if (now_ms() - flushed >= FLUSH_MS) {
      if (!flush(outbox, signals)) return 0;
      flushed = now_ms();
    }
    outbox_pump(outbox); /* also sends again what failed */
  }
  return 1;
}

/* ---- reading back ---- */

/* One page of datapoints of `signal` from `start` to before `end`; `options` are further members. */
static cognite_response *read_page(const struct signal *signal, int64_t start, int64_t end, const char *options) {
  struct text body = {0};
  cognite_error *error = NULL;
  cognite_response *response;
  add(&body, "{\"items\":[{\"externalId\":");
  add_external_id(&body, signal);
  add(&body, "}],\"start\":%" PRId64 ",\"end\":%" PRId64 ",\"limit\":%d%s}", start, end, PAGE, options);
  response = post("/timeseries/data/list", &body, &error);
  if (response == NULL) example_fail(signal->name, error);
  return response;
}

static const char *first_point(cognite_response *response, const char **end) {
  size_t length;
  const char *text = cognite_response_body(response, &length);
  *end = text + length;
  return json_first(json_member(json_first(json_member(text, *end, "items"), *end), *end, "datapoints"), *end);
}

/* How many of the samples come back, in order and exactly equal, with nothing else between them. */
static size_t read_raw(const struct signal *signal) {
  int64_t start = signal->timestamps[0], stop = signal->timestamps[signal->count - 1] + 1, timestamp = start;
  size_t equal = 0;
  for (;;) {
    cognite_response *response = read_page(signal, start, stop, "");
    const char *end, *point = response != NULL ? first_point(response, &end) : NULL;
    size_t in_page = 0;
    for (; point != NULL; point = json_next(point, end), in_page++) {
      double value;
      if (!json_integer(json_member(point, end, "timestamp"), end, &timestamp) ||
          !json_number(json_member(point, end, "value"), end, &value) || equal == signal->count ||
          timestamp != signal->timestamps[equal] || value != signal->values[equal])
        break;
      equal++;
    }
    cognite_response_free(response);
    if (point != NULL || in_page < PAGE) return equal;
    start = timestamp + 1;
  }
}

static int within(double value, double low, double high) {
  double slack = 1e-9 * (fabs(low) + fabs(high)); /* sums may be added up in another order */
  return value >= low - slack && value <= high + slack;
}

/* Compares one 1-second aggregate with the samples from number `i` on. The number of samples in it; 0: it differs. */
static size_t same_aggregate(const struct signal *signal, size_t i, const char *point, const char *end, int64_t timestamp) {
  double average, low, high, count, total, sum = 0, size = 0, min = INFINITY, max = -INFINITY, from, to;
  size_t first = i;
  if (!json_number(json_member(point, end, "average"), end, &average) ||
      !json_number(json_member(point, end, "min"), end, &low) || !json_number(json_member(point, end, "max"), end, &high) ||
      !json_number(json_member(point, end, "count"), end, &count) ||
      !json_number(json_member(point, end, "sum"), end, &total))
    return 0;
  for (; i < signal->count && signal->timestamps[i] >= timestamp && signal->timestamps[i] < timestamp + 1000; i++) {
    sum += signal->values[i];
    size += fabs(signal->values[i]);
    if (signal->values[i] < min) min = signal->values[i];
    if (signal->values[i] > max) max = signal->values[i];
  }
  if (count != (double)(i - first) || low != min || high != max || fabs(total - sum) > 1e-9 * size) return 0;
  /* The service's average is weighted by time, along lines drawn from sample to sample; the lines to the neighbours of the
   * second belong to it too. So it can be anything between the lowest and the highest of these samples. */
  from = min;
  to = max;
  if (first > 0) from = fmin(from, signal->values[first - 1]), to = fmax(to, signal->values[first - 1]);
  if (i < signal->count) from = fmin(from, signal->values[i]), to = fmax(to, signal->values[i]);
  return within(average, from, to) ? i - first : 0;
}

/* The seconds that `signal` covers, aggregated by the service and by us. The number of samples in the equal ones. */
static size_t read_aggregates(const struct signal *signal) {
  static const char options[] = ",\"aggregates\":[\"average\",\"min\",\"max\",\"count\",\"sum\"],\"granularity\":\"1s\"";
  int64_t start = signal->timestamps[0] / 1000 * 1000, stop = signal->timestamps[signal->count - 1] / 1000 * 1000 + 1000;
  size_t equal = 0;
  for (;;) {
    cognite_response *response = read_page(signal, start, stop, options);
    const char *end, *point = response != NULL ? first_point(response, &end) : NULL;
    int64_t timestamp = 0;
    size_t in_page = 0;
    for (; point != NULL; point = json_next(point, end), in_page++) {
      size_t same = 0;
      if (json_integer(json_member(point, end, "timestamp"), end, &timestamp))
        same = same_aggregate(signal, equal, point, end, timestamp);
      if (same == 0) break;
      equal += same;
    }
    cognite_response_free(response);
    if (point != NULL || in_page < PAGE) return equal;
    start = timestamp + 1000;
  }
}

static void draw(const struct signal *signal) {
  static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double min = INFINITY, max = -INFINITY, sum = 0;
  size_t i, width = signal->count < WIDTH ? signal->count : WIDTH, column;
  for (i = 0; i < signal->count; i++) {
    sum += signal->values[i];
    if (signal->values[i] < min) min = signal->values[i];
    if (signal->values[i] > max) max = signal->values[i];
  }
  printf("%-17s ", signal->name);
  for (column = 0; column < width; column++) {
    size_t from = column * signal->count / width, to = (column + 1) * signal->count / width;
    double mean = 0;
    for (i = from; i < to; i++) mean += signal->values[i] / (double)(to - from);
    printf("%s", bars[max > min ? (int)((mean - min) / (max - min) * 7.99) : 0]);
  }
  printf("  min %.4g  mean %.4g  max %.4g %s\n", min, sum / (double)signal->count, max, signal->unit);
}

/* ---- the program ---- */

static int run(struct signals *signals, struct outbox *outbox, const char *csv, long seconds, long interval_ms) {
  size_t i, total = 0, raw = 0, aggregated = 0;
  if (!create_all(signals)) return 0;
  if (csv == NULL && !sample(outbox, signals, seconds, interval_ms)) return 0;
  if (!flush(outbox, signals)) return 0;
  if (!outbox_wait(outbox, SETTLE_MS)) fprintf(stderr, "historian: some datapoints are still not confirmed\n");

  for (i = 0; i < signals->count; i++) {
    struct signal *signal = &signals->list[i];
    size_t raw_equal = 0, aggregates_equal = 0;
    int try;
    /* Reading may lag a little behind writing: look again for a while. */
    for (try = 0; try < READ_TRIES && (raw_equal < signal->count || aggregates_equal < signal->count); try++) {
      if (try > 0) sleep_ms(500);
      raw_equal = read_raw(signal);
      aggregates_equal = read_aggregates(signal);
    }
    draw(signal);
    total += signal->count;
    raw += raw_equal;
    aggregated += aggregates_equal;
    if (raw_equal < signal->count || aggregates_equal < signal->count)
      fprintf(stderr, "historian: %s: %lu samples, %lu equal, %lu in equal aggregates\n", signal->name,
              (unsigned long)signal->count, (unsigned long)raw_equal, (unsigned long)aggregates_equal);
  }
  if (outbox->sent_again > 0) printf("historian: %lu batches were sent again\n", (unsigned long)outbox->sent_again);
  printf("historian: %lu datapoints written, %lu read back, %s\n", (unsigned long)outbox->points_written,
         (unsigned long)raw, raw == total && aggregated == total ? "all equal" : "NOT EQUAL");
  return total > 0 && outbox->points_written == total && raw == total && aggregated == total;
}

int main(int argc, char **argv) {
  static struct signals signals;
  struct outbox outbox;
  const char *csv = NULL;
  char url[256];
  long seconds = 10, interval_ms = 100;
  int i, good;

  for (i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
      seconds = atol(argv[++i]);
    else if (strcmp(argv[i], "--interval-ms") == 0 && i + 1 < argc)
      interval_ms = atol(argv[++i]);
    else if (argv[i][0] != '-')
      csv = argv[i];
    else
      seconds = 0;
  }
  if (seconds <= 0 || seconds > 86400 || interval_ms <= 0 || seconds * 1000 < interval_ms) {
    fprintf(stderr, "usage: historian [--seconds N] [--interval-ms N] [FILE.csv]\n");
    return 2;
  }
  if (csv != NULL ? !signals_read_csv(&signals, csv) : !signals_open_machine(&signals)) {
    if (csv == NULL) fprintf(stderr, "historian: no /proc here; give a CSV file: timestamp_ms,name,value\n");
    signals_free(&signals);
    return 1;
  }
  if (gethostname(host, sizeof host) != 0) strcpy(host, "machine");
  host[sizeof host - 1] = '\0';
  client = example_client("historian");
  if (client == NULL) {
    signals_free(&signals);
    return 1;
  }
  example_url(url, sizeof url, "/timeseries/data");
  outbox_init(&outbox, client, url);
  good = run(&signals, &outbox, csv, seconds, interval_ms);
  cognite_client_free(client);
  cognite_shutdown(NULL); /* no callback comes after this, so the outbox can go */
  outbox_destroy(&outbox);
  signals_free(&signals);
  return good ? 0 : 1;
}
