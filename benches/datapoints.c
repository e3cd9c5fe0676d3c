/* datapoints.c - what datapoints cost through the C API.
 *
 *   datapoints t4|t5|small|post|raw [--n N] [--series S] [--own 0|1] [--gz 0|1] [--port N] [--proj NAME]
 *
 * t4: writes N points over S series from memory, compressed with --gz 1. The series share what arrays they can, as in the
 * laboratory, or with --own 1 have their own. t5: reads N points of S series into columns. small: N inserts of one point, one
 * after the other. post: the same bytes by cognite_client_call(). raw: the same bytes by a socket and nothing else. Prints one
 * JSON line, see meter.h; what it counts is one point. The data is that of the laboratory: a slow sine with noise and two
 * decimals, a point each second. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <cognite/cognite.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "meter.h"

#define T0 INT64_C(1600000000000)
enum { RING = 1000000, WARM = 200 };

static void fail(const char *what, cognite_error *error) {
  fprintf(stderr, "datapoints: %s: %s\n", what, cognite_error_message(error));
  exit(2);
}

static void *need(void *memory) {
  if (memory == NULL) exit(2);
  return memory;
}

static cognite_client *connect_to(const char *port, const char *project, int gzip) {
  char base_url[64];
  cognite_credentials *credentials = NULL;
  cognite_config *config = cognite_config_new();
  cognite_client *client = NULL;
  cognite_error *error = NULL;
  snprintf(base_url, sizeof base_url, "http://127.0.0.1:%s", port);
  if (cognite_credentials_new_token("t", &credentials, &error) || cognite_config_set_client_name(config, "bench", &error) ||
      cognite_config_set_project(config, project, &error) || cognite_config_set_base_url(config, base_url, &error) ||
      cognite_config_set_credentials(config, credentials, &error) || cognite_global_set_disable_gzip(!gzip, &error) ||
      cognite_client_new(config, &client, &error))
    fail("client", error);
  cognite_config_free(config);
  cognite_credentials_free(credentials);
  return client;
}

static double value_at(uint64_t i) {
  uint64_t h = i * UINT64_C(0x9E3779B97F4A7C15);
  h ^= h >> 32;
  return round(10000.0 + 1000.0 * sin((double)i / 500.0) + (double)(h % 200) - 100.0) / 100.0;
}

static void insert(cognite_client *client, long n, long series, int own) {
  long per = n / series, ring = own || n < RING + per ? n : RING + per, clock = own ? n : per, i;
  int64_t *times = need(malloc((size_t)clock * sizeof *times));
  double *values = need(malloc((size_t)ring * sizeof *values)), wall, cpu;
  cognite_column *columns = need(malloc((size_t)series * sizeof *columns));
  const cognite_column **all = need(malloc((size_t)series * sizeof *all));
  char(*names)[64] = need(malloc((size_t)series * sizeof *names));
  cognite_error *error = NULL;
  for (i = 0; i < clock; i++) times[i] = T0 + i % per * 1000;
  for (i = 0; i < ring; i++) values[i] = value_at((uint64_t)i);
  wall = now_s();
  cpu = cpu_s();
  for (i = 0; i < series; i++) {
    cognite_column c = COGNITE_COLUMN_INIT;
    snprintf(names[i], sizeof names[i], "s%ld_%ld", per, i);
    c.external_id = names[i];
    c.count = (size_t)per;
    c.timestamps_ms = times + (own ? i * per : 0);
    c.numbers = values + (own ? i * per : series > 1 ? i * per % RING : 0);
    columns[i] = c;
    all[i] = &columns[i];
  }
  if (cognite_points_insert_columns(client, all, (size_t)series, NULL, NULL, &error) != COGNITE_OK) fail("insert", error);
  report("libcognite", "t4", n, now_s() - wall, cpu_s() - cpu, NULL, 0);
  free(times);
  free(values);
  free(columns);
  free(all);
  free(names);
}

static void retrieve(cognite_client *client, long n, long series) {
  long per = n / series, i, got = 0;
  char *query = need(malloc((size_t)series * 80 + 200));
  size_t length = 0, s;
  cognite_columns *columns = NULL;
  cognite_error *error = NULL;
  double wall = now_s(), cpu = cpu_s(), sum = 0;
  length += (size_t)sprintf(query, "{\"start\":%lld,\"end\":%lld,\"items\":[", (long long)T0, (long long)(T0 + per * 1000));
  for (i = 0; i < series; i++) length += (size_t)sprintf(query + length, "%s{\"externalId\":\"s%ld_%ld\"}", i ? "," : "", per, i);
  length += (size_t)sprintf(query + length, "]}");
  if (cognite_columns_read(client, query, length, NULL, &columns, &error) != COGNITE_OK) fail("read", error);
  wall = now_s() - wall;
  cpu = cpu_s() - cpu;
  for (s = 0; s < cognite_columns_series(columns); s++) {
    const double *values = cognite_columns_numbers(columns, s, NULL);
    const long count = (long)cognite_columns_count(columns, s);
    for (i = 0; i < count; i++) sum += values[i];
    got += i;
  }
  if (got != n) {
    fprintf(stderr, "datapoints: %ld points came, not %ld\n", got, n);
    exit(2);
  }
  fprintf(stderr, "check %.2f\n", sum);
  report("libcognite", "t5", n, wall, cpu, NULL, 0);
  cognite_columns_free(columns);
  free(query);
}

/* ---- one point at a time ---- */

static void small(cognite_client *client, long n) {
  int64_t time = T0;
  double value = 20.5, wall = 0, cpu = 0;
  cognite_column column = COGNITE_COLUMN_INIT;
  const cognite_column *all = &column;
  cognite_error *error = NULL;
  long i;
  column.external_id = "s1_0";
  column.count = 1;
  column.timestamps_ms = &time;
  column.numbers = &value;
  for (i = -WARM; i < n; i++) {
    if (i == 0) wall = now_s(), cpu = cpu_s();
    if (cognite_points_insert_columns(client, &all, 1, NULL, NULL, &error) != COGNITE_OK) fail("insert", error);
  }
  report("libcognite", "small", n, now_s() - wall, cpu_s() - cpu, NULL, 0);
}

/* What `small` sends: an item of external id and one point of time and value. */
static size_t one_point(unsigned char *out) {
  static const unsigned char head[] = {0x0a, 26, 0x12, 4, 's', '1', '_', '0', 0x1a, 18, 0x0a, 16, 0x08};
  const double value = 20.5;
  uint64_t time = T0;
  size_t n = sizeof head;
  memcpy(out, head, sizeof head);
  for (; time >= 0x80; time >>= 7) out[n++] = (unsigned char)(time | 0x80);
  out[n++] = (unsigned char)time;
  out[n++] = 0x11;
  memcpy(out + n, &value, sizeof value);
  return n + sizeof value;
}

static void post(cognite_client *client, long n, const char *project) {
  unsigned char body[64];
  char path[256];
  double wall = 0, cpu = 0;
  cognite_request request = COGNITE_REQUEST_INIT;
  cognite_error *error = NULL;
  long i;
  snprintf(path, sizeof path, "/api/v1/projects/%s/timeseries/data", project);
  request.method = "POST";
  request.url = path;
  request.body = body;
  request.body_len = one_point(body);
  request.content_type = "application/protobuf";
  for (i = -WARM; i < n; i++) {
    cognite_response *response = NULL;
    if (i == 0) wall = now_s(), cpu = cpu_s();
    if (cognite_client_call(client, &request, &response, &error) != COGNITE_OK) fail("post", error);
    cognite_response_free(response);
  }
  report("plain POST", "small", n, now_s() - wall, cpu_s() - cpu, NULL, 0);
}

static void raw(long n, const char *port, const char *project) {
  unsigned char body[64], in[4096];
  const size_t length = one_point(body);
  char out[1024];
  double wall = 0, cpu = 0;
  struct sockaddr_in to;
  const int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  long i;
  int head = snprintf(out, sizeof out,
                      "POST /api/v1/projects/%s/timeseries/data HTTP/1.1\r\nhost: 127.0.0.1:%s\r\nauthorization: Bearer t\r\n"
                      "content-type: application/protobuf\r\ncontent-length: %lu\r\n\r\n",
                      project, port, (unsigned long)length);
  memset(&to, 0, sizeof to);
  to.sin_family = AF_INET;
  to.sin_port = htons((unsigned short)atoi(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  memcpy(out + head, body, length);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) exit(2);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (i = -WARM; i < n; i++) {
    const ssize_t whole = head + (ssize_t)length;
    if (i == 0) wall = now_s(), cpu = cpu_s();
    if (write(fd, out, (size_t)whole) != whole) exit(2);
    /* A small answer comes whole. */
    if (read(fd, in, sizeof in) < 12 || memcmp(in, "HTTP/1.1 200", 12) != 0) exit(2);
  }
  report("raw socket", "small", n, now_s() - wall, cpu_s() - cpu, NULL, 0);
  close(fd);
}

int main(int argc, char **argv) {
  const char *task = argc > 1 ? argv[1] : "";
  long n = atol(option(argc, argv, "--n", "10000000")), series = atol(option(argc, argv, "--series", "1000"));
  const char *port = option(argc, argv, "--port", "18080"), *project = option(argc, argv, "--proj", "p");
  cognite_client *client;
  const int bulk = strcmp(task, "t4") == 0 || strcmp(task, "t5") == 0;
  const int one = strcmp(task, "small") == 0 || strcmp(task, "post") == 0 || strcmp(task, "raw") == 0;
  if (n < 1 || series < 1 || (bulk && n % series != 0) || (!bulk && !one)) {
    fprintf(stderr, "usage: datapoints t4|t5|small|post|raw [--n N] [--series S] [--own 0|1] [--gz 0|1] [--port N] [--proj NAME]; N in whole series\n");
    return 1;
  }
  if (strcmp(task, "raw") == 0) {
    raw(n, port, project);
    return 0;
  }
  client = connect_to(port, project, atoi(option(argc, argv, "--gz", "0")));
  if (strcmp(task, "t4") == 0) insert(client, n, series, atoi(option(argc, argv, "--own", "0")));
  else if (strcmp(task, "t5") == 0) retrieve(client, n, series);
  else if (strcmp(task, "small") == 0) small(client, n);
  else post(client, n, project);
  cognite_client_free(client);
  return 0;
}
