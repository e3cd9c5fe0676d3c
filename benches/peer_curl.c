/* peer_curl.c - the tasks of requests.c through libcurl, to compare with. */
#define _POSIX_C_SOURCE 200809L
#include <curl/curl.h>

#include "meter.h"

static size_t take(char *data, size_t size, size_t count, void *user_data) {
  (void)data;
  *(size_t *)user_data += size * count;
  return size * count;
}

static CURL *handle(const char *url, struct curl_slist *headers, size_t *length) {
  CURL *c = curl_easy_init();
  curl_easy_setopt(c, CURLOPT_URL, url);
  curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(c, CURLOPT_WRITEDATA, length);
  curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
  return c;
}

static void check(CURL *c, CURLcode code) {
  long status = 0;
  curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
  if (code == CURLE_OK && status == 200) return;
  fprintf(stderr, "peer_curl: %s, HTTP %ld\n", curl_easy_strerror(code), status);
  exit(2);
}

static void one_by_one(CURL *c, long n) {
  double *latencies = malloc((size_t)n * sizeof *latencies), wall, cpu;
  long i;
  for (i = 0; i < 200; i++) check(c, curl_easy_perform(c));
  wall = now_s();
  cpu = cpu_s();
  for (i = 0; i < n; i++) {
    double start = now_s();
    check(c, curl_easy_perform(c));
    latencies[i] = now_s() - start;
  }
  report("libcurl", "t1", n, now_s() - wall, cpu_s() - cpu, latencies, 0);
  free(latencies);
}

static void many_at_a_time(const char *url, struct curl_slist *headers, size_t *length, long n, long at_a_time) {
  CURLM *multi = curl_multi_init();
  double wall = now_s(), cpu = cpu_s();
  long started, ended = 0;
  int running, queued;
  for (started = 0; started < at_a_time; started++) curl_multi_add_handle(multi, handle(url, headers, length));
  while (ended < n) {
    CURLMsg *message;
    long before = ended;
    curl_multi_perform(multi, &running);
    while ((message = curl_multi_info_read(multi, &queued)) != NULL) {
      CURL *c = message->easy_handle;
      if (message->msg != CURLMSG_DONE) continue;
      check(c, message->data.result);
      ended++;
      curl_multi_remove_handle(multi, c);
      if (started < n) {
        curl_multi_add_handle(multi, c);
        started++;
      }
    }
    if (ended == before) curl_multi_poll(multi, NULL, 0, 1000, NULL);
  }
  report("libcurl", "t2", n, now_s() - wall, cpu_s() - cpu, NULL, 0);
}

int main(int argc, char **argv) {
  const char *task = argc > 1 ? argv[1] : "";
  long n = atol(option(argc, argv, "--n", "20000")), at_a_time = atol(option(argc, argv, "--conc", "20"));
  struct curl_slist *headers;
  size_t length = 0;
  char url[256];
  snprintf(url, sizeof url, "http://127.0.0.1:%s/api/v1/projects/%s/assets/1", option(argc, argv, "--port", "18080"),
           option(argc, argv, "--proj", "p"));
  curl_global_init(CURL_GLOBAL_DEFAULT);
  headers = curl_slist_append(NULL, "Authorization: Bearer t");
  if (strcmp(task, "t1") == 0) {
    one_by_one(handle(url, headers, &length), n);
  } else if (strcmp(task, "t2") == 0) {
    many_at_a_time(url, headers, &length, n, at_a_time);
  } else if (strcmp(task, "t7") == 0) {
    CURL *c = handle(url, headers, &length);
    check(c, curl_easy_perform(c));
    report("libcurl", "t7", 1, 0, cpu_s(), NULL, now_s());
  } else {
    fprintf(stderr, "peer_curl: no task %s\n", task);
    return 1;
  }
  return 0;
}
