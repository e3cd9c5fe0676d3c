/* callback_fork.c - callbacks that fork: the child, in which the callback's thread is the only one, gets errors instead of
 * hangs from whatever it calls, may exit or exec, and ends when it returns; no callback of the parent's is run in it, and
 * the parent never notices. */
#define _DEFAULT_SOURCE
#include "host.h"

static struct host_server server;
static cognite_client *client;
static int told, forked, ended_well;
static pid_t parent;

/* Exit status 0: every call of the child's said FORKED, or did nothing. */
static void child(int way, cognite_response *response, cognite_error *error) {
  cognite_response *mine = NULL;
  cognite_error *err = NULL;
  cognite_queue *queue = NULL;
  size_t length = 0;
  int bad = 0;
  alarm(10);
  if (cognite_client_get(client, "/ok", NULL, NULL, &mine, &err) != COGNITE_ERR_FORKED || mine != NULL || err == NULL) bad |= 1;
  if (cognite_error_status(err) != COGNITE_ERR_FORKED) bad |= 2;
  if (cognite_queue_new(0, &queue, NULL) != COGNITE_ERR_FORKED) bad |= 4;
  if (cognite_shutdown(NULL) != COGNITE_ERR_FORKED) bad |= 8;
  if (response != NULL && (cognite_response_body(response, &length) == NULL || length != 12)) bad |= 16; /* plain memory */
  cognite_error_free(err);
  cognite_response_free(response);
  cognite_error_free(error);
  cognite_client_free(client);
  if (bad != 0) _exit(64 + bad);
  if (way == 0) _exit(0);
  if (way == 3) return;
  if (way == 1) exit(0); /* with exit handlers */
  execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
  _exit(99);
}

static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  int number = *(int *)user_data;
  (void)status;
  if (getpid() != parent) _exit(98); /* one that waited in the parent when it forked */
  if (number % 10 == 0) {
    pid_t pid;
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
      child(number / 10 % 4, response, error);
      return;
    }
    if (pid > 0) forked++;
    ended_well += host_end(pid, 20000) == 0;
  }
  cognite_response_free(response);
  cognite_error_free(error);
  __atomic_add_fetch(&told, 1, __ATOMIC_SEQ_CST);
}

int main(void) {
  static int numbers[1000];
  int i, calls = host_long() ? 1000 : 300;
  int64_t end;
  parent = getpid();
  host_start(&server);
  client = host_client(server.port);
  for (i = 0; i < calls; i++) {
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    numbers[i] = i;
    notify.done = on_done;
    notify.user_data = &numbers[i];
    CHECK_STATUS(cognite_client_get_async(client, i % 7 == 3 ? "/slow" : "/ok", NULL, NULL, &notify, NULL), COGNITE_OK);
  }
  end = host_now() + 120000;
  while (__atomic_load_n(&told, __ATOMIC_SEQ_CST) < calls && host_now() < end) host_pause(5);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK); /* joins: what the callbacks counted can be read */
  CHECK(told == calls && forked == calls / 10 && ended_well == forked);
  CHECK_STATUS(host_get(client, "/ok"), COGNITE_OK);
  printf("callback_fork: %d calls told, %d of them forked in the callback, %d children ended well\n", told, forked, ended_well);
  cognite_client_free(client);
  CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
  host_stop(&server);
  return REPORT();
}
