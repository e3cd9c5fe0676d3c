/* event.c - the queue's handle on Windows: an event, set exactly while there is something to take, and for good after the
 * queue was closed. Nothing answers on the port; a call that fails is a completion like any other. */
#include <cognite/cognite.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

static int passed, failed;

static void check(int fine, const char *what) {
  if (fine) passed++;
  else failed++, printf("FAILED: %s\n", what);
}
#define CHECK(condition) check((condition), #condition)

static DWORD WINAPI close_later(void *queue) {
  Sleep(200);
  cognite_queue_close(queue);
  return 0;
}

int main(void) {
  static const char text[] = "{\"client_name\":\"w\",\"project\":\"p\",\"base_url\":\"http://127.0.0.1:9\",\"max_retries\":0,"
                             "\"proxy\":\"none\",\"credentials\":{\"token\":\"t\"}}";
  cognite_client *client = NULL;
  cognite_queue *queue = NULL;
  cognite_error *err = NULL;
  HANDLE event, thread;
  int i, taken = 0;
  if (cognite_client_load(text, strlen(text), &client, &err) != COGNITE_OK) {
    printf("FAILED: %s\n", cognite_error_message(err));
    return 1;
  }
  CHECK(cognite_queue_new(0, &queue, NULL) == COGNITE_OK);
  event = (HANDLE)cognite_queue_os_handle(queue);
  CHECK(event != NULL && event != INVALID_HANDLE_VALUE && event == (HANDLE)cognite_queue_os_handle(queue));
  CHECK(WaitForSingleObject(event, 0) == WAIT_TIMEOUT);
  for (i = 0; i < 50; i++) {
    cognite_notify notify = COGNITE_NOTIFY_INIT;
    cognite_completion done = COGNITE_COMPLETION_INIT;
    notify.queue = queue;
    notify.tag = (uint64_t)i;
    CHECK(cognite_client_get_async(client, "/", NULL, NULL, &notify, NULL) == COGNITE_OK);
    CHECK(WaitForSingleObject(event, 20000) == WAIT_OBJECT_0);
    CHECK(WaitForSingleObject(event, 0) == WAIT_OBJECT_0); /* waiting does not take it */
    CHECK(cognite_queue_next(queue, 0, &done, NULL) == COGNITE_OK);
    CHECK(done.tag == (uint64_t)i && done.status == COGNITE_ERR_CONNECTION);
    CHECK(WaitForSingleObject(event, 0) == WAIT_TIMEOUT);
    cognite_error_free(done.error);
    taken++;
  }
  thread = CreateThread(NULL, 0, close_later, queue, 0, NULL);
  CHECK(WaitForSingleObject(event, 20000) == WAIT_OBJECT_0); /* woken by the close */
  CHECK(WaitForSingleObject(event, 0) == WAIT_OBJECT_0);
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  cognite_queue_free(queue);
  cognite_client_free(client);
  CHECK(cognite_shutdown(NULL) == COGNITE_OK);
  printf("event: %d completions waited for by their event\n%d passed, %d failed\n", taken, passed, failed);
  return failed != 0;
}
