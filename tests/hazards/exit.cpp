// exit.cpp - the process ends by exit() with a hundred calls in flight whose callbacks touch static objects that are being
// destroyed: children, one after the other, all end with their own status, and soon.
#include "host.h"
#include <cognite/cognite.hpp>
#include <map>
#include <string>

namespace {

host_server server;

// Of static storage: destroyed at exit, on the main thread. A callback that ran after that would use freed memory; it
// sees `alive` first, which has no destructor.
volatile bool alive = false;
struct table {
  std::map<int, std::string> seen;
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  table() { alive = true; }
  ~table() {
    alive = false;
    seen.clear();
    host_pause(100);  // time for a callback that must not come
  }
};
table statics;

// Made before the library's first use, so it is destroyed after the library's exit handler has run: many a plug-in shuts
// down what it used in such a place.
struct late_end {
  bool on = false;
  ~late_end() {
    if (on && cognite_shutdown(nullptr) != COGNITE_OK) _exit(95);
  }
};
late_end late;

extern "C" void touch(void*, cognite_status status, cognite_response* response, cognite_error* error) {
  if (!alive) _exit(99);
  pthread_mutex_lock(&statics.lock);
  statics.seen[static_cast<int>(statics.seen.size())] = std::string(200, 'x') + cognite_status_name(status);
  pthread_mutex_unlock(&statics.lock);
  host_pause(1);
  if (!alive) _exit(98);
  cognite_response_free(response);
  cognite_error_free(error);
}

extern "C" void slow(void* user_data, cognite_status status, cognite_response* response, cognite_error* error) {
  host_pause(300);
  touch(user_data, status, response, error);
}

// In a process of its own: children are forked from one without threads, as not every allocator can be forked while
// another thread is in it (that of the address sanitizer cannot). Ends when nobody holds the other end any more.
[[noreturn]] void serve(int end) {
  char wait;
  host_start(&server);
  if (write(end, &server.port, sizeof server.port) != sizeof server.port) _exit(1);
  while (read(end, &wait, 1) > 0) continue;
  _exit(0);
}

[[noreturn]] void child(int round) {
  check_failed = 0;  // not those of the rounds before
  cognite_client* client = host_client(server.port);
  cognite_notify notify = COGNITE_NOTIFY_INIT;
  notify.done = round % 4 == 3 ? &slow : &touch;
  for (int i = 0; i < 100; ++i)
    if (cognite_client_get_async(client, i % 5 == 4 ? "/hang" : "/ok", nullptr, nullptr, &notify, nullptr) != COGNITE_OK) _exit(97);
  host_pause(round % 8 * 3);
  if (round % 2 == 0) cognite_client_free(client);
  late.on = round % 4 == 1 || round % 8 == 2;
  exit(check_failed == 0 ? 7 : 96);  // runs destructors and the library's exit handler
}

}  // namespace

int main() {
  const int rounds = host_long() ? 100 : 16;
  int ends[2], ended = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 1;
  const pid_t serving = fork();
  if (serving == 0) {
    close(ends[0]);
    serve(ends[1]);
  }
  close(ends[1]);
  CHECK(read(ends[0], &server.port, sizeof server.port) == sizeof server.port);
  for (int round = 0; round < rounds; ++round) {
    fflush(nullptr);
    const auto start = host_now();
    pid_t pid = fork();
    if (pid == 0) child(round);
    int end = host_end(pid, 20000);
    char detail[64];
    snprintf(detail, sizeof detail, "round %d ended with %d", round, end);
    CHECK_(end == 7, detail);
    CHECK(host_now() - start < 10000);
    ended += end == 7;
  }
  printf("exit: %d processes ended with 100 calls in flight each\n", ended);
  close(ends[0]);
  host_ended(serving, 20000, "the server");
  return REPORT();
}
