/* throttle.c - how much of a budget of the service is used, and how often it is refused.
 *
 *   throttle SECONDS
 *
 * Twenty GETs in flight for so long, against the service the environment names (as for the examples). Prints
 * {"answered":N,"refused":N,"failed":N,"seconds":S}: answers, 429s on the way to them, calls given up. */
#define _POSIX_C_SOURCE 200809L
#include <cognite/cognite.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { AT_A_TIME = 20 };

static struct {
  pthread_mutex_t lock;
  pthread_cond_t idle;
  cognite_client *client;
  char path[512];
  double until;
  long answered, refused, failed, running;
} bench = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, NULL, "", 0, 0, 0, 0, 0};

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what, cognite_error *error) {
  fprintf(stderr, "throttle: %s: %s\n", what, cognite_error_message(error));
  exit(2);
}

static void start_next(void);

static void done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  int more;
  (void)user_data;
  pthread_mutex_lock(&bench.lock);
  if (status == COGNITE_OK) {
    bench.answered++;
    bench.refused += (long)cognite_response_attempts(response) - 1;
  } else {
    bench.failed++;
    bench.refused += (long)cognite_error_attempts(error);
  }
  more = now_s() < bench.until;
  if (!more && --bench.running == 0) pthread_cond_signal(&bench.idle);
  pthread_mutex_unlock(&bench.lock);
  cognite_response_free(response);
  cognite_error_free(error);
  if (more) start_next();
}

static void start_next(void) {
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  cognite_error *error = NULL;
  notify.done = done;
  if (cognite_client_get_async(bench.client, bench.path, NULL, NULL, &notify, &error) != COGNITE_OK) fail("get_async", error);
}

static const char *setting(const char *name) {
  const char *value = getenv(name);
  if (value == NULL || *value == '\0') {
    fprintf(stderr, "throttle: %s is not set\n", name);
    exit(2);
  }
  return value;
}

int main(int argc, char **argv) {
  double seconds = argc > 1 ? atof(argv[1]) : 0, begun;
  const char *project = setting("COGNITE_PROJECT");
  cognite_credentials *credentials = NULL;
  cognite_config *config = cognite_config_new();
  cognite_error *error = NULL;
  int i;
  if (seconds <= 0) {
    fprintf(stderr, "usage: throttle SECONDS\n");
    return 1;
  }
  if (cognite_credentials_new_client_credentials(setting("COGNITE_TOKEN_URL"), setting("COGNITE_CLIENT_ID"),
                                                 setting("COGNITE_CLIENT_SECRET"), getenv("COGNITE_SCOPES"), &credentials, &error) ||
      cognite_config_set_client_name(config, "bench", &error) || cognite_config_set_project(config, project, &error) ||
      cognite_config_set_base_url(config, setting("COGNITE_BASE_URL"), &error) ||
      cognite_config_set_credentials(config, credentials, &error) || cognite_client_new(config, &bench.client, &error))
    fail("client", error);
  cognite_config_free(config);
  cognite_credentials_free(credentials);
  snprintf(bench.path, sizeof bench.path, "/api/v1/projects/%s/timeseries?limit=1", project);
  begun = now_s();
  bench.until = begun + seconds;
  bench.running = AT_A_TIME;
  for (i = 0; i < AT_A_TIME; i++) start_next();
  pthread_mutex_lock(&bench.lock);
  while (bench.running > 0) pthread_cond_wait(&bench.idle, &bench.lock);
  printf("{\"answered\":%ld,\"refused\":%ld,\"failed\":%ld,\"seconds\":%.3f}\n", bench.answered, bench.refused, bench.failed,
         now_s() - begun);
  pthread_mutex_unlock(&bench.lock);
  cognite_client_free(bench.client);
  return cognite_shutdown(NULL) == COGNITE_OK ? 0 : 1;
}
