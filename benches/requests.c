/* requests.c - what a small request costs through the C API.
 *
 *   requests t1|t2|t7 [--n N] [--conc N] [--port N] [--proj NAME]
 *
 * t1: GETs one after the other. t2: --conc at a time, by callbacks. t7: from the start of the process to the first answer
 * (t_first, on the monotonic clock; whoever started the process subtracts). Prints one JSON line, see meter.h. */
#define _POSIX_C_SOURCE 200809L
#include <cognite/cognite.h>
#include <pthread.h>

#include "meter.h"

static char path[256];

static void fail(const char *what, cognite_error *error) {
  fprintf(stderr, "requests: %s: %s\n", what, cognite_error_message(error));
  exit(2);
}

static cognite_client *connect_to(const char *port, const char *project) {
  char base_url[64];
  cognite_credentials *credentials = NULL;
  cognite_config *config = cognite_config_new();
  cognite_client *client = NULL;
  cognite_error *error = NULL;
  snprintf(base_url, sizeof base_url, "http://127.0.0.1:%s", port);
  if (cognite_credentials_new_token("t", &credentials, &error) || cognite_config_set_client_name(config, "bench", &error) ||
      cognite_config_set_project(config, project, &error) || cognite_config_set_base_url(config, base_url, &error) ||
      cognite_config_set_credentials(config, credentials, &error) || cognite_client_new(config, &client, &error))
    fail("client", error);
  cognite_config_free(config);
  cognite_credentials_free(credentials);
  return client;
}

static void get(cognite_client *client) {
  cognite_response *response = NULL;
  cognite_error *error = NULL;
  if (cognite_client_get(client, path, NULL, NULL, &response, &error) != COGNITE_OK) fail("get", error);
  cognite_response_free(response);
}

static void one_by_one(cognite_client *client, long n) {
  double *latencies = malloc((size_t)n * sizeof *latencies), wall, cpu;
  long i;
  for (i = 0; i < 200; i++) get(client);
  wall = now_s();
  cpu = cpu_s();
  for (i = 0; i < n; i++) {
    double start = now_s();
    get(client);
    latencies[i] = now_s() - start;
  }
  report("libcognite", "t1", n, now_s() - wall, cpu_s() - cpu, latencies, 0);
  free(latencies);
}

/* ---- many at a time: every answer starts the next request ---- */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t all_done;
  cognite_client *client;
  long left_to_start, left_to_end;
} many = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, 0, 0};

static void start_next(void);

static void done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  int more;
  (void)user_data;
  if (status != COGNITE_OK) fail("get", error);
  cognite_response_free(response);
  pthread_mutex_lock(&many.lock);
  more = many.left_to_start > 0;
  if (more) many.left_to_start--;
  if (--many.left_to_end == 0) pthread_cond_signal(&many.all_done);
  pthread_mutex_unlock(&many.lock);
  if (more) start_next();
}

static void start_next(void) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_error *error = NULL;
  notify.done = done;
  if (cognite_client_get_async(many.client, path, NULL, NULL, &notify, &error) != COGNITE_OK) fail("get_async", error);
}

static void many_at_a_time(cognite_client *client, long n, long at_a_time) {
  double wall = now_s(), cpu = cpu_s();
  long i;
  many.client = client;
  many.left_to_start = n - at_a_time;
  many.left_to_end = n;
  for (i = 0; i < at_a_time; i++) start_next();
  pthread_mutex_lock(&many.lock);
  while (many.left_to_end > 0) pthread_cond_wait(&many.all_done, &many.lock);
  pthread_mutex_unlock(&many.lock);
  report("libcognite", "t2", n, now_s() - wall, cpu_s() - cpu, NULL, 0);
}

int main(int argc, char **argv) {
  const char *task = argc > 1 ? argv[1] : "", *project = option(argc, argv, "--proj", "p");
  long n = atol(option(argc, argv, "--n", "20000")), at_a_time = atol(option(argc, argv, "--conc", "20"));
  cognite_client *client;
  if (argc < 2 || n < 1 || (strcmp(task, "t2") == 0 && n < at_a_time)) {
    fprintf(stderr, "usage: requests t1|t2|t7 [--n N] [--conc N] [--port N] [--proj NAME]\n");
    return 1;
  }
  snprintf(path, sizeof path, "/api/v1/projects/%s/assets/1", project);
  client = connect_to(option(argc, argv, "--port", "18080"), project);
  if (strcmp(task, "t1") == 0) {
    one_by_one(client, n);
  } else if (strcmp(task, "t2") == 0) {
    many_at_a_time(client, n, at_a_time);
  } else if (strcmp(task, "t7") == 0) {
    get(client);
    report("libcognite", "t7", 1, 0, cpu_s(), NULL, now_s());
  } else {
    fprintf(stderr, "requests: no task %s\n", task);
    return 1;
  }
  cognite_client_free(client);
  return 0;
}
