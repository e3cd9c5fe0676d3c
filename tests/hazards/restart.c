/* restart.c - twenty rounds of use and shutdown, each with calls in flight: everyone is told, no thread is left, no
 * descriptor leaks, and process-directed signals never land on a thread of the library. */
#define _DEFAULT_SOURCE
#include "host.h"

static struct host_server server;
static int told_ok, told_shutdown, told_other;

static void on_done(void *user_data, cognite_status status, cognite_response *response, cognite_error *error) {
  (void)user_data;
  if (status == COGNITE_OK) __atomic_add_fetch(&told_ok, 1, __ATOMIC_SEQ_CST);
  else if (status == COGNITE_ERR_SHUTDOWN) __atomic_add_fetch(&told_shutdown, 1, __ATOMIC_SEQ_CST);
  else __atomic_add_fetch(&told_other, 1, __ATOMIC_SEQ_CST);
  cognite_response_free(response);
  cognite_error_free(error);
}

static int descriptors(void) {
  DIR *all = opendir("/proc/self/fd");
  int count = 0;
  if (all == NULL) return -1;
  while (readdir(all) != NULL) count++;
  closedir(all);
  return count;
}

/* The handler runs on the thread that took the signal. */
static pthread_t main_thread;
static volatile sig_atomic_t taken, strayed;
static void on_signal(int number) {
  (void)number;
  if (pthread_equal(pthread_self(), main_thread)) taken++;
  else strayed++;
}

/* The main thread blocks the signal for a moment, so that any other thread that could take it would. */
static void signals(cognite_client *client) {
  static const int numbers[] = {SIGUSR1, SIGCHLD, SIGALRM, SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGWINCH, SIGIO, SIGURG};
  struct sigaction action;
  int i, sent = 0;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_signal;
  main_thread = pthread_self();
  for (i = 0; i < 20; i++) {
    int number = numbers[i % 10];
    sigset_t one;
    struct sigaction before;
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    notify.done = on_done;
    sigaction(number, &action, &before);
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    (void)!cognite_client_get_async(client, "/slow", NULL, NULL, &notify, NULL);
    kill(getpid(), number);
    sent++;
    host_pause(10);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    sigaction(number, &before, NULL);
  }
  CHECK(sent == 20 && taken == 20 && strayed == 0);
}

int main(void) {
  cognite_client *client;
  int round, i, rounds = host_long() ? 200 : 20, accepted = 0, ok = 0, first = 0;
  host_start(&server);
  client = host_client(server.port);
  for (round = 0; round < rounds; round++) {
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    notify.done = on_done;
    if (host_get(client, "/ok") == COGNITE_OK) ok++;
    for (i = 0; i < 30; i++)
      if (cognite_client_get_async(client, i % 3 == 0 ? "/ok" : "/hang", NULL, NULL, &notify, NULL) == COGNITE_OK) accepted++;
    if (round == 0) signals(client), accepted += 20;
    if (round == 0) CHECK(host_threads(0) > 0);
    CHECK_STATUS(cognite_shutdown(NULL), COGNITE_OK);
    CHECK(told_ok + told_shutdown + told_other == accepted); /* all told when it returns */
    CHECK(host_threads(0) == 0);
    if (round == 2) first = descriptors();
  }
  CHECK(ok == rounds && told_other == 0 && told_shutdown > 0);
  host_pause(300);
  CHECK(first > 0 && descriptors() <= first + 2);
  printf("restart: %d rounds, %d calls accepted and told (%d answered, %d shut down), 20 signals\n", rounds, accepted, told_ok,
         told_shutdown);
  cognite_client_free(client);
  host_stop(&server);
  return REPORT();
}
