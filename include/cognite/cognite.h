/* libcognite: Cognite Data Fusion (CDF) from C. Generated from the Rust sources; do not edit.
 *
 * The rules, the same for every function:
 *
 * Text        NUL-terminated UTF-8. Bodies and documents come with a length. Nothing else is ever expected.
 * Inputs      are read during the call only, also by asynchronous calls: the library keeps no pointer of yours but
 *             user_data.
 * Results     of functions that can fail: a cognite_status, COGNITE_OK (0) or what went wrong. The status says what
 *             the program should do next, the cognite_error what to tell a human and why. `err` is the last
 *             parameter; it may be NULL, else *err is always overwritten: NULL on success, on failure an error to be
 *             freed with cognite_error_free().
 * Outputs     come before `err`. They are set to NULL first and filled on success only. What you get is yours, and
 *             freed with the _free function of its type. Every _free takes NULL.
 * Borrowed    texts (const char * returned by accessors) belong to the object they were asked of and live as long.
 * NULL        is answered with INVALID_ARGUMENT and the name of the parameter, by accessors with a harmless value.
 * Handles     are of three kinds. Collectors (config, credentials, points) are used by one thread at a time and copied from.
 *             Workers (client, queue, cancel) are used by any number of threads. Results (response, columns, error) are read-only, for any
 *             number of threads. They may be freed in any order.
 * Blocking    functions end: by their result, by their deadline, by a cognite_cancel, or by cognite_shutdown(). They may be
 *             called from any thread, whatever its signal mask, with a stack of 64 KiB or more (96 KiB in builds that are not
 *             optimised). cognite_queue_next() has its own rule. A pthread_cancel() takes effect after a function of the library, never in it.
 * _async      functions answer COGNITE_OK when the call is accepted: then the callback (on a thread of the library) or the
 *             queue is told exactly once, later. Any other answer means it is never told.
 * Writes      that failed are either surely not applied or in doubt: cognite_error_in_doubt() tells.
 * Process     No signal is handled, nothing is written to standard output, no thread of the library takes a signal of
 *             yours. A child forked while the library is in use gets FORKED from every call; fork before the first call or
 *             after cognite_shutdown().
 * Structs     that you fill begin with struct_size and are initialised with their _INIT macro: a program built with an
 *             older header works with a newer library.
 * Numbers     Times are int64_t milliseconds since 1970-01-01 UTC, durations uint64_t in the unit their name ends with.
 * Growth      Functions, statuses, JSON members and struct fields are added, never changed or removed.
 *
 * A first program:
 *
 *     cognite_client *client = NULL;
 *     cognite_response *answer = NULL;
 *     cognite_error *err = NULL;
 *     if (cognite_client_load(yaml, strlen(yaml), &client, &err) == COGNITE_OK &&
 *         cognite_client_get(client, "/api/v1/projects/p/timeseries", "{\"limit\": 5}", NULL, &answer, &err) == COGNITE_OK)
 *       puts(cognite_response_body(answer, NULL));
 *     else
 *       fprintf(stderr, "%s\n", cognite_error_message(err));
 *     cognite_response_free(answer);
 *     cognite_error_free(err);
 *     cognite_client_free(client);
 */

#ifndef COGNITE_COGNITE_H
#define COGNITE_COGNITE_H

#include <stddef.h>
#include <stdint.h>

/* The version of this header; cognite_version() is that of the library that is loaded. */
#define COGNITE_VERSION "0.1.0"
#define COGNITE_VERSION_MAJOR 0
#define COGNITE_VERSION_MINOR 1
#define COGNITE_VERSION_PATCH 0
#define COGNITE_VERSION_NUMBER 0x000100u

#if defined(_WIN32) && !defined(COGNITE_STATIC)
#define COGNITE_API __declspec(dllimport)
#elif defined(__GNUC__)
#define COGNITE_API __attribute__((visibility("default")))
#else
#define COGNITE_API
#endif

/* For functions whose status must not be ignored; said where a cast to void takes it back. */
#if (defined(__cplusplus) && __cplusplus >= 201703L) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 202311L)
#define COGNITE_CHECKED [[nodiscard]] COGNITE_API
#else
#define COGNITE_CHECKED COGNITE_API
#endif

/* Arrow's C Data Interface, word for word and under its own guard: its other headers have the same. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
  const char *format;
  const char *name;
  const char *metadata;
  int64_t flags;
  int64_t n_children;
  struct ArrowSchema **children;
  struct ArrowSchema *dictionary;
  void (*release)(struct ArrowSchema *);
  void *private_data;
};

struct ArrowArray {
  int64_t length;
  int64_t null_count;
  int64_t offset;
  int64_t n_buffers;
  int64_t n_children;
  const void **buffers;
  struct ArrowArray **children;
  struct ArrowArray *dictionary;
  void (*release)(struct ArrowArray *);
  void *private_data;
};

#endif

/* What a struct with a struct_size begins with. */
#define COGNITE_NOTIFY_INIT {sizeof(cognite_notify), NULL, NULL, NULL, 0}
#define COGNITE_REQUEST_INIT {sizeof(cognite_request), NULL, NULL, NULL, NULL, NULL, 0, NULL, 0, 0, 0, NULL}
#define COGNITE_OPERATION_INIT {sizeof(cognite_operation), NULL, NULL, 0, 0, 0, 0, NULL}
#define COGNITE_UPLOAD_INIT {sizeof(cognite_upload), NULL, 0, NULL, 0, NULL, 0, 0, 0, NULL}
#define COGNITE_DOWNLOAD_INIT {sizeof(cognite_download), NULL, 0, NULL, 0, 0, 0, NULL}
#define COGNITE_COLUMN_INIT {sizeof(cognite_column), 0, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0}
#define COGNITE_INSERT_INIT {sizeof(cognite_insert), 0, NULL, 0, 0, NULL, 0}
#define COGNITE_LIMITS_INIT {sizeof(cognite_limits), 0, NULL}
#define COGNITE_COMPLETION_INIT {sizeof(cognite_completion), 0, NULL, NULL, 0, 0}

/**
 * Success.
 */
#define COGNITE_OK 0

/**
 * A parameter is NULL, out of range, not UTF-8, or a struct has a wrong size. Mend the program.
 */
#define COGNITE_ERR_INVALID_ARGUMENT 1

/**
 * Settings are missing, contradictory or unknown. Mend the configuration.
 */
#define COGNITE_ERR_CONFIG 2

/**
 * No token could be had from the identity provider or the token provider.
 */
#define COGNITE_ERR_AUTH 3

/**
 * The service answered 401: the token gives no access to the project; or, to an upload, 403: no right to write that file.
 */
#define COGNITE_ERR_ACCESS 4

/**
 * The service answered with any other status than 2xx.
 */
#define COGNITE_ERR_API 5

/**
 * Something asked for does not exist; the error lists what, if the service says it.
 */
#define COGNITE_ERR_NOT_FOUND 6

/**
 * Something to be created exists already; the error lists what.
 */
#define COGNITE_ERR_DUPLICATED 7

/**
 * Some items were applied, some not; the error's JSON lists which.
 */
#define COGNITE_ERR_PARTIAL 8

/**
 * No connection could be made, or it was lost.
 */
#define COGNITE_ERR_CONNECTION 10

/**
 * No secure connection could be made: an untrusted or wrong certificate.
 */
#define COGNITE_ERR_TLS 11

/**
 * No answer within the time allowed.
 */
#define COGNITE_ERR_TIMEOUT 12

/**
 * The call was cancelled by its cognite_cancel.
 */
#define COGNITE_ERR_CANCELLED 13

/**
 * There was an answer that cannot be understood: not HTTP, damaged, or larger than allowed.
 */
#define COGNITE_ERR_DECODE 14

/**
 * A local file, thread or other resource of the system failed.
 */
#define COGNITE_ERR_IO 15

/**
 * A queue had nothing within the time given.
 */
#define COGNITE_ERR_EMPTY 20

/**
 * The library was shut down while the call was made or running; or the queue was closed.
 */
#define COGNITE_ERR_SHUTDOWN 21

/**
 * This process was forked while the library was in use; nothing works in the child.
 */
#define COGNITE_ERR_FORKED 22

/**
 * The call would wait for itself: it may not be made from a callback.
 */
#define COGNITE_ERR_WOULD_DEADLOCK 23

/**
 * Too many calls of this client are under way, or the queue is full; wait for some to finish, or fetch.
 */
#define COGNITE_ERR_BUSY 24

/**
 * A defect of the library, contained. Please report it.
 */
#define COGNITE_ERR_INTERNAL 99

/**
 * Keep the refresh token of a login in memory only.
 */
#define COGNITE_TOKEN_CACHE_MEMORY 1

/**
 * Forget what an earlier run kept.
 */
#define COGNITE_TOKEN_CACHE_CLEAR 2

/**
 * Repeat by method and path: what reads or can be done twice is repeated, a create is not.
 */
#define COGNITE_RETRY_DEFAULT 0

/**
 * The caller knows that sending it twice is the same as sending it once.
 */
#define COGNITE_RETRY_SAFE 1

/**
 * Never repeat what may have had an effect.
 */
#define COGNITE_RETRY_UNSAFE 2

/**
 * For `flags` of an operation that writes items: a request that the API refuses for some of its items (400, 404, 409,
 * 422) is sent again in parts, so that the good items get in and the others are named. It takes more requests, in the worst
 * case two for each item.
 */
#define COGNITE_OPERATION_SPLIT 1

/**
 * For cognite_operation.flags, of pages: hand each page out as it came. Only its last bytes are read, to find the cursor;
 * it is neither checked to be JSON nor counted, so there can be no `limit`. The last page is always checked.
 */
#define COGNITE_OPERATION_UNCHECKED 256

/**
 * For `flags` of an upload: a file that has the same external id is replaced. Without it that is an error of the service's.
 */
#define COGNITE_UPLOAD_OVERWRITE 1

/**
 * For `flags` of an upload: the content is for a file that exists, and replaces what it has.
 */
#define COGNITE_UPLOAD_EXISTING 2

/**
 * Times are seconds since 1970.
 */
#define COGNITE_TIME_S 1

/**
 * Times are milliseconds since 1970.
 */
#define COGNITE_TIME_MS 2

/**
 * Times are microseconds since 1970.
 */
#define COGNITE_TIME_US 3

/**
 * Times are nanoseconds since 1970.
 */
#define COGNITE_TIME_NS 4

/**
 * Times are Windows' FILETIME: 100 ns since 1601.
 */
#define COGNITE_TIME_FILETIME 5

/**
 * A defect of the library, contained.
 */
#define COGNITE_LOG_ERROR 1

/**
 * A call or a login that failed; a setting that is dangerous or has no effect.
 */
#define COGNITE_LOG_WARNING 2

/**
 * Repeats, tokens obtained.
 */
#define COGNITE_LOG_INFO 3

/**
 * Every call.
 */
#define COGNITE_LOG_DEBUG 4

/**
 * Cancels calls: one token for any number of calls, used by any number of threads at a time. Named in
 * cognite_request. Free it with cognite_cancel_free(), at any time after the calls were made.
 */
typedef struct cognite_cancel cognite_cancel;

/**
 * A connection to one CDF project: its connections, its token, its limits. Used by any number of threads at a time.
 * Free it with cognite_client_free().
 */
typedef struct cognite_client cognite_client;

/**
 * Datapoints that were read, a column each of times, values, status codes and aggregates per series. Read-only; may be
 * read by any number of threads. Free it with cognite_columns_free().
 */
typedef struct cognite_columns cognite_columns;

/**
 * Datapoints being read page by page. Free it with cognite_columns_pages_free().
 */
typedef struct cognite_columns_pages cognite_columns_pages;

/**
 * Settings of a client, being collected. A collector: one thread at a time; copied from, so it can be freed or changed
 * as soon as it was passed on. Free it with cognite_config_free().
 */
typedef struct cognite_config cognite_config;

/**
 * How to log in. A collector: one thread at a time; copied from, so it can be freed as soon as it was passed on.
 * Free it with cognite_credentials_free().
 */
typedef struct cognite_credentials cognite_credentials;

/**
 * Why a call failed. Read-only; may be read by any number of threads. Free it with cognite_error_free().
 */
typedef struct cognite_error cognite_error;

/**
 * Content that is uploaded in parts. Free it with cognite_multipart_free().
 */
typedef struct cognite_multipart cognite_multipart;

/**
 * A list being read page by page. Free it with cognite_pages_free().
 */
typedef struct cognite_pages cognite_pages;

/**
 * Datapoints of any number of time series, collected to be written together. A collector: used by one thread at a time,
 * and copied from. Free it with cognite_points_free().
 */
typedef struct cognite_points cognite_points;

/**
 * Finished calls, to be fetched. Used by any number of threads at a time. Free it with cognite_queue_free().
 */
typedef struct cognite_queue cognite_queue;

/**
 * One answer. Read-only; may be read by any number of threads. Free it with cognite_response_free().
 */
typedef struct cognite_response cognite_response;

/**
 * A reader of a subscription. Free it with cognite_subscription_free().
 */
typedef struct cognite_subscription cognite_subscription;

/**
 * A question for a token. Answered once, with cognite_token_request_answer() or cognite_token_request_fail(), at once
 * or later, from any thread; either call frees it.
 */
typedef struct cognite_token_request cognite_token_request;

/**
 * `COGNITE_OK` or one of `COGNITE_ERR_*`: what the program should do next. New values may appear; treat one you do not
 * know as a failure.
 */
typedef int32_t cognite_status;

/**
 * Asked for a token whenever one is needed, on a callback thread of the library. May answer before it returns. Must
 * not throw, longjmp or wait for a call of the same client, which waits for the token.
 *
 * @param user_data  As given to cognite_credentials_new_token_provider().
 * @param request    Owned by the callee: answer it exactly once. One that is never answered keeps its callers waiting
 *                   until their deadline, and counts as refused after two minutes.
 */
typedef void (*cognite_token_provider)(void *user_data, cognite_token_request *request);

/**
 * Called once when `user_data` is no longer needed. Never while another callback with it runs.
 */
typedef void (*cognite_destroy)(void *user_data);

/**
 * Shows a person where to enter which code. Called on a callback thread of the library; the texts are valid during the
 * call. Must not throw, longjmp or wait for a call of the same client, which waits for the person.
 *
 * @param user_data         As given with the callback.
 * @param verification_uri  The address to open, in any browser; empty if the provider says it in `message` only.
 * @param complete_uri      The same with the code in it already; NULL if the provider has none.
 * @param user_code         The code to enter; empty likewise.
 * @param message           A sentence with both, ready to be shown.
 * @param expires_in_ms     How long the code is good for.
 */
typedef void (*cognite_device_code_prompt)(void *user_data,
                                           const char *verification_uri,
                                           const char *complete_uri,
                                           const char *user_code,
                                           const char *message,
                                           uint64_t expires_in_ms);

/**
 * Opens an address in the person's browser. Called on a callback thread of the library; the text is valid during the
 * call. Must not throw, longjmp or wait for a call of the same client, which waits for the person.
 *
 * @param user_data  As given with the callback.
 * @param url        The address, good for one login.
 */
typedef void (*cognite_open_url)(void *user_data, const char *url);

/**
 * Told once, on a callback thread of the library: never inside the call that was accepted, never on the caller's thread.
 * Any function of the library may be called from it but cognite_shutdown(). It must not throw, longjmp or end the
 * thread; one that takes long delays other callbacks, not the network. A child that is forked in it should end in it, or
 * call exec: where it returns, it ends as by exit(0).
 *
 * @param user_data  As given in the cognite_notify.
 * @param status     `COGNITE_OK` or what went wrong.
 * @param response   On success: owned by the callee, to be freed. Else NULL.
 * @param error      On failure: owned by the callee, to be freed. Else NULL.
 */
typedef void (*cognite_done)(void *user_data,
                             cognite_status status,
                             cognite_response *response,
                             cognite_error *error);

/**
 * Whom an asynchronous call tells: a callback or a queue, one of the two. Read during the call only. Begin with
 * COGNITE_NOTIFY_INIT.
 */
typedef struct cognite_notify {
  /**
   * sizeof(cognite_notify), set by COGNITE_NOTIFY_INIT.
   */
  size_t struct_size;
  /**
   * The callback; NULL with a queue.
   */
  cognite_done done;
  /**
   * Handed to `done`.
   */
  void *user_data;
  /**
   * Takes the completion; NULL with a callback. May be freed at any time after the call was made.
   */
  cognite_queue *queue;
  /**
   * Comes back with the completion from the queue: names the call.
   */
  uint64_t tag;
} cognite_notify;

/**
 * A finished call, filled by cognite_queue_next(). Begin with COGNITE_COMPLETION_INIT.
 */
typedef struct cognite_completion {
  /**
   * sizeof(cognite_completion), set by COGNITE_COMPLETION_INIT. The library writes no further than this.
   */
  size_t struct_size;
  /**
   * As given in the cognite_notify.
   */
  uint64_t tag;
  /**
   * On success: yours, to be freed. Else NULL.
   */
  cognite_response *response;
  /**
   * On failure: yours, to be freed. Else NULL.
   */
  cognite_error *error;
  /**
   * `COGNITE_OK` or what went wrong with the call.
   */
  cognite_status status;
  /**
   * 0.
   */
  uint32_t reserved;
} cognite_completion;

/**
 * A request. Read during the call only. Begin with COGNITE_REQUEST_INIT.
 */
typedef struct cognite_request {
  /**
   * sizeof(cognite_request), set by COGNITE_REQUEST_INIT.
   */
  size_t struct_size;
  /**
   * In capital letters: `"GET"`, `"POST"`, … Not NULL.
   */
  const char *method;
  /**
   * A path that begins with `/`, put behind the base URL, or a full http(s) URL. A full URL of another origin than the
   * base URL's is sent without the token. Not NULL.
   */
  const char *url;
  /**
   * Query parameters as a JSON object of text, numbers, booleans, null (an empty value) and lists of these (the name is
   * repeated); added to a query that `url` has. NULL: none.
   */
  const char *params;
  /**
   * Headers as a JSON object of text values; over those of the config. NULL: none.
   */
  const char *headers;
  /**
   * NULL only with `body_len` 0: no body.
   */
  const void *body;
  /**
   * Bytes of the body.
   */
  size_t body_len;
  /**
   * NULL: the body is JSON, is checked, and compressed where that is worth it. Else the body is sent as it is.
   */
  const char *content_type;
  /**
   * For the whole call with tokens, repeats and pauses, in milliseconds up to a week; 0: the client's.
   */
  uint64_t timeout_ms;
  /**
   * COGNITE_RETRY_DEFAULT, COGNITE_RETRY_SAFE or COGNITE_RETRY_UNSAFE.
   */
  uint32_t retry;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Cancels the call when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
   */
  cognite_cancel *cancel;
} cognite_request;

/**
 * An operation of the API by name, with its arguments. Read during the call only. Begin with COGNITE_OPERATION_INIT.
 */
typedef struct cognite_operation {
  /**
   * sizeof(cognite_operation), set by COGNITE_OPERATION_INIT.
   */
  size_t struct_size;
  /**
   * `"assets.list"`, `"raw.rows.insert"`, …; cognite_operations_json() lists them. Not NULL.
   */
  const char *name;
  /**
   * A JSON object; NULL only with `arguments_len` 0: none. See cognite_client_operate().
   */
  const char *arguments;
  /**
   * Bytes of the arguments.
   */
  size_t arguments_len;
  /**
   * For the whole operation with all its requests, in milliseconds up to a week; 0: the client's.
   */
  uint64_t timeout_ms;
  /**
   * `COGNITE_OPERATION_SPLIT` or 0.
   */
  uint32_t flags;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Cancels the operation when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
   */
  cognite_cancel *cancel;
} cognite_operation;

/**
 * Content to be uploaded, and whose it is. Read during the call only. Begin with COGNITE_UPLOAD_INIT.
 */
typedef struct cognite_upload {
  /**
   * sizeof(cognite_upload), set by COGNITE_UPLOAD_INIT.
   */
  size_t struct_size;
  /**
   * JSON. Of a new file its metadata, `{"name":"pump.pdf","externalId":"a","mimeType":"application/pdf","dataSetId":1}`;
   * the name may be left out where there is a path. With COGNITE_UPLOAD_EXISTING which file: `{"id":1}`,
   * `{"externalId":"a"}` or `{"instanceId":{"space":"s","externalId":"a"}}`. NULL only with `file_len` 0.
   */
  const char *file;
  /**
   * Bytes of it.
   */
  size_t file_len;
  /**
   * The content; NULL with a path, or with `content_len` 0: an empty file.
   */
  const void *content;
  /**
   * Bytes of the content.
   */
  size_t content_len;
  /**
   * The content is that of this local file, UTF-8; NULL: `content` is. A relative path is meant from where the process is
   * when the call is made.
   */
  const char *path;
  /**
   * For all of it, in milliseconds up to a week. 0: as long as bytes move; then each request to the API has the client's
   * total time, and the content may stand still for its `file_transfer_timeout`.
   */
  uint64_t timeout_ms;
  /**
   * COGNITE_UPLOAD_*, or 0.
   */
  uint32_t flags;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Cancels the upload when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
   */
  cognite_cancel *cancel;
} cognite_upload;

/**
 * Content to be downloaded, and where to. Read during the call only. Begin with COGNITE_DOWNLOAD_INIT.
 */
typedef struct cognite_download {
  /**
   * sizeof(cognite_download), set by COGNITE_DOWNLOAD_INIT.
   */
  size_t struct_size;
  /**
   * JSON, which file: `{"id":1}`, `{"externalId":"a"}` or `{"instanceId":{"space":"s","externalId":"a"}}`. Not NULL.
   */
  const char *file;
  /**
   * Bytes of it.
   */
  size_t file_len;
  /**
   * Into this local file, UTF-8, which is replaced if it exists. NULL: into memory. Relative as in cognite_upload.
   */
  const char *path;
  /**
   * As for an upload.
   */
  uint64_t timeout_ms;
  /**
   * 0.
   */
  uint32_t flags;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * Cancels the download when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
   */
  cognite_cancel *cancel;
} cognite_download;

/**
 * Datapoints of one time series as columns of the caller's. Read during the call only. Begin with COGNITE_COLUMN_INIT.
 *
 * The series is named by `id`, by `external_id`, or by `space` and `external_id` (an instance). Its values are `numbers`, or
 * texts (`text` and `text_offsets`), or states: `states`, or texts with `state_text` 1. States are written by instance id.
 *
 * Numbers are written as they are, also NaN and infinities: CDF takes those only with a bad status code, and refuses the
 * request that holds one without.
 */
typedef struct cognite_column {
  /**
   * sizeof(cognite_column), set by COGNITE_COLUMN_INIT.
   */
  size_t struct_size;
  /**
   * The id; 0: named by `external_id`.
   */
  int64_t id;
  /**
   * The external id, of the series or of the instance; NULL with `id`.
   */
  const char *external_id;
  /**
   * The space of the instance; NULL: `external_id` is the series' own.
   */
  const char *space;
  /**
   * The number of datapoints: the length of all columns.
   */
  size_t count;
  /**
   * Milliseconds since 1970, 1900 to 2099, in any order. Of equal ones the last wins.
   */
  const int64_t *timestamps_ms;
  /**
   * Numeric values; NULL: other values.
   */
  const double *numbers;
  /**
   * Numbers of states; NULL: other values.
   */
  const int64_t *states;
  /**
   * UTF-8 without NULs between the values; NULL: no texts.
   */
  const char *text;
  /**
   * `count` + 1 offsets into `text`: value `n` lies from `text_offsets[n]` to `text_offsets[n + 1]`.
   */
  const int64_t *text_offsets;
  /**
   * OPC UA status codes; NULL: all good.
   */
  const uint32_t *status_codes;
  /**
   * A bit for each value, from the low end of the first byte on: 0 says that the value is missing (which CDF takes with a
   * bad status code only). NULL: all are there.
   */
  const uint8_t *validity;
  /**
   * 1: the texts are names of states.
   */
  uint32_t state_text;
  /**
   * 0.
   */
  uint32_t reserved;
} cognite_column;

/**
 * How an insert is made. Read during the call only. Begin with COGNITE_INSERT_INIT.
 */
typedef struct cognite_insert {
  /**
   * sizeof(cognite_insert), set by COGNITE_INSERT_INIT.
   */
  size_t struct_size;
  /**
   * For the whole insert with all its requests, in milliseconds up to a week; 0: the client's.
   */
  uint64_t timeout_ms;
  /**
   * Cancels the insert when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
   */
  cognite_cancel *cancel;
  /**
   * 1: numbers and texts go as JSON, as the service took them before protobuf: slower, for gateways that look inside.
   */
  uint32_t json;
  /**
   * 0.
   */
  uint32_t reserved;
  /**
   * NULL: a series that does not exist fails its request. JSON text: it is made, see cognite_points_insert().
   */
  const char *create_missing;
  /**
   * Bytes of it.
   */
  size_t create_missing_len;
} cognite_insert;

/**
 * What ends an operation from outside. Read during the call only. Begin with COGNITE_LIMITS_INIT.
 */
typedef struct cognite_limits {
  /**
   * sizeof(cognite_limits), set by COGNITE_LIMITS_INIT.
   */
  size_t struct_size;
  /**
   * For the whole operation with all its requests, in milliseconds up to a week; 0: the client's.
   */
  uint64_t timeout_ms;
  /**
   * Cancels the operation when it is triggered; NULL: nothing does. May be freed at any time after the call was made.
   */
  cognite_cancel *cancel;
} cognite_limits;

/**
 * Given one record at a time, on a callback thread of the library that does nothing else: never inside a call of the
 * program's. May call the library, but for cognite_shutdown(); must not throw, longjmp or end the thread.
 *
 * @param user_data  As given to cognite_log_set_callback().
 * @param level      COGNITE_LOG_ERROR to COGNITE_LOG_DEBUG; later versions may add some.
 * @param record     One JSON object, NUL-terminated, without line ends. Valid during the callback only.
 * @param len        Its length in bytes, without the NUL.
 */
typedef void (*cognite_log_callback)(void *user_data, int32_t level, const char *record, size_t len);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that is loaded, such as `0.1.0`. Compare with `COGNITE_VERSION`, the header's.
 *
 * @return Static text, never NULL.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the library. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_version(void);

/**
 * The same as a number, 0xMMmmpp: major, minor, patch. A program made for a newer header than the library that is
 * loaded should refuse it: `cognite_version_number() < COGNITE_VERSION_NUMBER`.
 *
 * @return The number.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_version_number(void);

/**
 * The name of a status, such as `NOT_FOUND`; `UNKNOWN` for a number this version does not know.
 *
 * @param status  Any number.
 * @return Static text, never NULL.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the library. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_status_name(cognite_status status);

/**
 * The status, the same that the failed function returned.
 *
 * @param err  The error; NULL gives `COGNITE_OK`.
 * @return The status.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API cognite_status cognite_error_status(const cognite_error *err);

/**
 * The HTTP status of the last answer.
 *
 * @param err  The error, or NULL.
 * @return 100 to 599; 0 when there was no answer.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_error_http_status(const cognite_error *err);

/**
 * The service's own code: the `code` of CDF's error object as text (`"400"`), or the `error` of an identity
 * provider (`"invalid_client"`).
 *
 * @param err  The error, or NULL.
 * @return Text, or NULL when the service gave none.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the error; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_error_code(const cognite_error *err);

/**
 * What happened and what to do, in one line for a human. No secrets, no line ends.
 *
 * @param err  The error; NULL gives `""`.
 * @return Text, never NULL.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the error; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_error_message(const cognite_error *err);

/**
 * CDF's id of the failed request (`x-request-id`): what its support asks for.
 *
 * @param err  The error, or NULL.
 * @return Text, or NULL when there was none.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the error; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_error_request_id(const cognite_error *err);

/**
 * How long the service asks to wait before the request is made again (`Retry-After`), in milliseconds.
 *
 * @param err  The error, or NULL.
 * @return Milliseconds; 0 when the service did not say.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_error_retry_after_ms(const cognite_error *err);

/**
 * How many times the request was made before the call gave up.
 *
 * @param err  The error, or NULL.
 * @return The number; 0 when it never was.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_error_attempts(const cognite_error *err);

/**
 * Whether the same call may succeed later without a change. Look at cognite_error_in_doubt() too before repeating
 * a write.
 *
 * @param err  The error, or NULL.
 * @return 1 or 0.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_error_is_retryable(const cognite_error *err);

/**
 * Whether a write may have been applied although the call failed: the request was sent, and the answer got lost or
 * came from something on the way. 0 on a failed write means: surely not applied. Always 0 for reads.
 *
 * @param err  The error, or NULL.
 * @return 1 or 0.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_error_in_doubt(const cognite_error *err);

/**
 * Everything known, as one JSON object without secrets. Members that are not known are absent.
 *
 *     {"status":7,"statusName":"DUPLICATED","message":"…","httpStatus":409,"code":"409",
 *      "serviceMessage":"…","requestId":"…","missing":[…],"duplicated":[{"externalId":"a"}],"extra":{…},
 *      "cluster":"…","project":"…","attempts":1,"retryable":false,"inDoubt":false,"retryAfterMs":1000,
 *      "cause":"refused|dns|tls|proxy|proxy_auth|reset|closed|protocol|connect_timeout|idle_timeout|total_timeout|
 *               body_decode|too_large|token_incomplete|device_start|header",
 *      "phase":"connect|send|body","oauthError":"…","oauthDescription":"…","correlationId":"…",
 *      "maybeProjects":["…"]|null,
 *      "method":"POST","url":"without its query","location":"…"}
 *
 * An operation that writes items places each of them in exactly one of four lists, whatever happened to its requests.
 * Then there are also:
 *
 *     {"succeeded":[…],                     applied
 *      "failed":[…],                        refused, or surely not received: not applied
 *      "unknown":[…],                       sent, and no word of what became of it
 *      "skipped":[…],                       not attempted
 *      "answered":[…],                      what the service answered for those that succeeded, in the order given
 *      "requests":[{"positions":[0,1],      which items, counted from 0 in the order given
 *                   "status":5,"statusName":"API","message":"…","httpStatus":400, as above}]}
 *
 * Created items stand in the lists as they were given, others by what identifies them: `{"externalId":"a"}`. `missing`
 * and `duplicated` are then those of all requests, the other members those of the last one that failed.
 *
 * @param err  The error; NULL gives `{}`.
 * @return JSON text, never NULL.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the error; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_error_json(const cognite_error *err);

/**
 * Frees an error. NULL does nothing.
 *
 * @param err  The error; not used afterwards.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the error. **Since:** 0.1.0
 */
COGNITE_API void cognite_error_free(cognite_error *err);

/**
 * The HTTP status.
 *
 * @param response  The response, or NULL.
 * @return 200 to 299; 0 for NULL and for responses that did not come over HTTP.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_response_http_status(const cognite_response *response);

/**
 * The body, decompressed. One NUL byte follows it, so a JSON or text body can be printed as it is; a body may hold
 * NULs of its own, hence the length.
 *
 * @param response  The response; NULL gives `""`.
 * @param[out] len  Number of bytes without the added NUL; may be NULL.
 * @return The bytes, never NULL.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_response_body(const cognite_response *response, size_t *len);

/**
 * A header of the answer.
 *
 * @param response  The response, or NULL.
 * @param name      The name in any letter case, or NULL.
 * @return The value, several of one name joined by `", "`; NULL when the answer has no such header.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_response_header(const cognite_response *response, const char *name);

/**
 * All headers as one JSON object with lower-case names: `{"content-type":"application/json"}`.
 *
 * @param response  The response; NULL gives `{}`.
 * @return JSON text, never NULL.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_response_headers_json(const cognite_response *response);

/**
 * CDF's id of the request (`x-request-id`): what its support asks for.
 *
 * @param response  The response, or NULL.
 * @return Text, or NULL when there is none.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_response_request_id(const cognite_response *response);

/**
 * Time from the start of the call to its end, with waits for a token, repeats and pauses, in microseconds.
 *
 * @param response  The response, or NULL.
 * @return Microseconds.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_response_elapsed_us(const cognite_response *response);

/**
 * How many times the request was made until this answer came.
 *
 * @param response  The response, or NULL.
 * @return 1 or more; 0 for NULL and for responses that did not come over HTTP.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_response_attempts(const cognite_response *response);

/**
 * How many elements a body of the form `{"items":[…],…}` has: pages, and results of most operations. The body of a page
 * was looked through when it came; any other is when this is called first.
 *
 * @param response  The response, or NULL.
 * @return Their number; 0 also for NULL and for other bodies.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API
size_t cognite_response_item_count(const cognite_response *response);

/**
 * An element of a body of the form `{"items":[…],…}`: its JSON text, not ended by NUL.
 *
 * @param response  The response, or NULL.
 * @param index     0 to cognite_response_item_count() - 1.
 * @param[out] len  Number of bytes; may be NULL.
 * @return The bytes; NULL when there is no such element.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_response_item(const cognite_response *response, size_t index, size_t *len);

/**
 * Where a list goes on behind this page: `nextCursor` of a body of the form `{"items":[…],…}`. Given as `cursor` in the
 * arguments of the same operation, it begins there: that is how to resume.
 *
 * @param response  The response, or NULL.
 * @return Text; NULL at the end of a list, and for other bodies.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the response; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API
const char *cognite_response_next_cursor(const cognite_response *response);

/**
 * Frees a response. NULL does nothing.
 *
 * @param response  The response; not used afterwards, nor anything borrowed from it.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the response. **Since:** 0.1.0
 */
COGNITE_API void cognite_response_free(cognite_response *response);

/**
 * A token that was had by other means. White space around it is dropped; it is sent as `Bearer <token>`.
 *
 * @param token     The token: not empty.
 * @param[out] out  The credentials. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (an empty token).
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_token(const char *token,
                                             cognite_credentials **out,
                                             cognite_error **err);

/**
 * OAuth 2.0 client credentials: a client id and secret exchanged for tokens, which are cached, renewed before they
 * end and asked for once for any number of callers. The secret goes to `token_url` only.
 *
 * @param token_url      Full URL of the token endpoint.
 * @param client_id      Not empty.
 * @param client_secret  Not empty. Wiped from memory when no longer needed; never shown.
 * @param scopes         Separated by spaces; NULL for none.
 * @param[out] out       The credentials. Not NULL.
 * @param[out] err       May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_client_credentials(const char *token_url,
                                                          const char *client_id,
                                                          const char *client_secret,
                                                          const char *scopes,
                                                          cognite_credentials **out,
                                                          cognite_error **err);

/**
 * Reads credentials from YAML or JSON: a mapping with exactly one key.
 *
 *     token: abc
 *
 *     client_credentials:
 *       token_url: https://…/token
 *       client_id: …
 *       client_secret: …
 *       scopes: [https://…/.default]        # required; a list, text or null
 *       token_expiry_leeway_seconds: 30     # optional
 *       timeout: 10                         # optional, seconds for one token request
 *       follow_redirects: false             # optional
 *       audience: …                         # any other key: a further field of the token request
 *
 *     client_certificate:
 *       authority_url: https://login.microsoftonline.com/<tenant>
 *       client_id: …
 *       certificate: {file: key.pem}        # PEM of the private key (RSA, not encrypted), perhaps with the certificate
 *       cert_thumbprint: …                  # SHA-1 in hex; needed where the certificate is not there
 *       scopes: [https://…/.default]
 *       token_expiry_leeway_seconds: 30     # optional
 *
 *     device_code:                          # needs cognite_config_set_device_code_prompt()
 *       authority_url: https://…/<tenant>   # or oauth_discovery_url: https://… (OpenID Connect); one of the two
 *       client_id: …
 *       scopes: […]                         # or cdf_cluster: westeurope-1
 *       token_cache_path: …                 # optional, a file for the refresh token
 *       mem_cache_only: false               # optional, keep nothing between runs
 *       clear_cache: false                  # optional, forget what was kept
 *       token_expiry_leeway_seconds: 30     # optional
 *       audience: …                         # any other key: a further field of the requests
 *
 *     interactive:                          # opens a browser on this machine, or cognite_config_set_open_url()
 *       authority_url: https://…/<tenant>
 *       client_id: …
 *       scopes: […]
 *       redirect_port: 53000                # optional; http://localhost:<port> is registered for the client
 *       prompt: select_account              # optional; or login, consent
 *       login_hint: somebody@example.com    # optional
 *       login_timeout_seconds: 300          # optional, for the person
 *       token_cache_path, mem_cache_only, clear_cache, token_expiry_leeway_seconds   # optional, as above
 *
 * `token`, `client_secret` and `certificate` may be `{env: NAME}` or `{file: PATH}` instead of text: an environment variable,
 * or a file of at most 64 KiB, read now; a line end at the end is dropped. Logins that need a person keep their refresh
 * token in a file only the user can read, in the user's cache folder.
 *
 * @param text      UTF-8, a byte order mark allowed, at most 256 KiB.
 * @param len       Its length in bytes.
 * @param[out] out  The credentials. Not NULL.
 * @param[out] err  May be NULL. Names the key that is wrong; never quotes a value.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_load(const char *text,
                                        size_t len,
                                        cognite_credentials **out,
                                        cognite_error **err);

/**
 * Adds a field to the form of the token request, such as `audience`. `scope` replaces the scopes.
 *
 * @param credentials  Client credentials or a device code login. Not NULL.
 * @param name         The field; not auth, body, cookies, grant_type, headers, method, state or url.
 * @param value        Its value; an empty one is not sent.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials), CONFIG (a reserved name).
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_set_form_field(cognite_credentials *credentials,
                                                  const char *name,
                                                  const char *value,
                                                  cognite_error **err);

/**
 * How long before its end a token counts as used up. Unless this is set, a token that lives no longer than the default
 * is used for half its life; if it is set, such a token is asked for anew for each request.
 *
 * @param credentials  Credentials of an OAuth login. Not NULL.
 * @param leeway_ms    Milliseconds up to a day; the default is 30 s.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_set_expiry_leeway_ms(cognite_credentials *credentials,
                                                        uint64_t leeway_ms,
                                                        cognite_error **err);

/**
 * What may be shown of credentials, as JSON: `{"type":"token"}`, or
 * `{"type":"client_credentials","token_url":"…","client_id":"…","scopes":[…],"token_custom_args":{…},
 * "token_expiry_leeway_seconds":30}`; of `client_certificate`, `device_code` and `interactive` likewise `authority_url`,
 * `client_id`, `scopes`, `token_expiry_leeway_seconds`, and `oauth_discovery_url` or `prompt` and `login_hint`.
 *
 * @param credentials  The credentials; NULL gives `{}`.
 * @return JSON text, never NULL.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the credentials; valid until the next call on them.
 * **Since:** 0.1.0
 */
COGNITE_API
const char *cognite_credentials_json(const cognite_credentials *credentials);

/**
 * Frees credentials. NULL does nothing. Configs and clients they were passed to keep their copy.
 *
 * @param credentials  The credentials; not used afterwards.
 *
 * **Blocks:** no. **Threads:** one, no other using them. **Owns:** takes the credentials. **Since:** 0.1.0
 */
COGNITE_API void cognite_credentials_free(cognite_credentials *credentials);

/**
 * Tokens from the host program, for ways to log in that the library does not know.
 *
 * @param provider   Asked for tokens. Not NULL.
 * @param user_data  Handed to `provider` and `destroy`; the library does not look into it.
 * @param destroy    Called exactly once with `user_data` when the last copy of the credentials is gone, also when this
 *                   function fails; may be NULL. If that happens inside the library's own threads, on a callback thread.
 * @param[out] out   The credentials. Not NULL.
 * @param[out] err   May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_token_provider(cognite_token_provider provider,
                                                      void *user_data,
                                                      cognite_destroy destroy,
                                                      cognite_credentials **out,
                                                      cognite_error **err);

/**
 * Answers a question for a token. The request is freed, whatever the result.
 *
 * @param request        The request. Not NULL.
 * @param token          The token, without `Bearer`. Not empty.
 * @param expires_in_ms  How long it is good for; the library asks again shortly before. 0: not known, so the library asks
 *                       before each attempt of each request.
 * @param[out] err       May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT (the callers who wait are then told AUTH).
 *
 * **Blocks:** no. **Threads:** any. **Owns:** takes the request. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_token_request_answer(cognite_token_request *request,
                                            const char *token,
                                            uint64_t expires_in_ms,
                                            cognite_error **err);

/**
 * Answers that no token can be had. The request is freed, whatever the result.
 *
 * @param request   The request. Not NULL.
 * @param message   Why, for the error that the waiting callers get (status AUTH). No secrets.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** takes the request. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_token_request_fail(cognite_token_request *request,
                                          const char *message,
                                          cognite_error **err);

/**
 * OAuth 2.0 with a client certificate: instead of a secret a statement is sent that the certificate's private key has
 * signed (RS256). The endpoints are looked up at the first use.
 *
 * @param authority_url    `https://login.microsoftonline.com/<tenant>`, or an AD FS address that ends with `/adfs`.
 * @param client_id        Not empty.
 * @param cert_thumbprint  SHA-1 of the certificate in hex; NULL: computed from the certificate in `private_key`.
 * @param private_key      PEM text: an RSA key (PKCS#1 or PKCS#8, not encrypted), perhaps with the certificate beside it.
 *                         Never shown.
 * @param scopes           Separated by spaces. Not empty.
 * @param[out] out         The credentials. Not NULL.
 * @param[out] err         May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (a key or thumbprint that cannot be used).
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_client_certificate(const char *authority_url,
                                                          const char *client_id,
                                                          const char *cert_thumbprint,
                                                          const char *private_key,
                                                          const char *scopes,
                                                          cognite_credentials **out,
                                                          cognite_error **err);

/**
 * OAuth 2.0 device code (RFC 8628): a person enters a code in a browser, on this machine or another, while the call that
 * needs the token waits. Later tokens come from the refresh token, which is kept between runs
 * (cognite_credentials_set_token_cache()).
 *
 * @param authority_url        `https://login.microsoftonline.com/<tenant>`; NULL where the next one is given.
 * @param oauth_discovery_url  The address of any OpenID Connect provider; NULL where the one before is given.
 * @param client_id            Not empty.
 * @param scopes               Separated by spaces. Not empty. `offline_access` among them asks for a refresh token.
 * @param prompt               Shows the code. Not NULL.
 * @param user_data            Handed to `prompt` and `destroy`; the library does not look into it.
 * @param destroy              Called exactly once with `user_data` when the last copy of the credentials is gone, also
 *                             when this function fails; may be NULL.
 * @param[out] out             The credentials. Not NULL.
 * @param[out] err             May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_device_code(const char *authority_url,
                                                   const char *oauth_discovery_url,
                                                   const char *client_id,
                                                   const char *scopes,
                                                   cognite_device_code_prompt prompt,
                                                   void *user_data,
                                                   cognite_destroy destroy,
                                                   cognite_credentials **out,
                                                   cognite_error **err);

/**
 * OAuth 2.0 in a browser on this machine (authorization code with PKCE), while the call that needs the token waits. The
 * browser brings the answer to `http://localhost:53000` (cognite_credentials_set_redirect_port()), which must be
 * registered for the client. Later tokens come from the refresh token, which is kept between runs
 * (cognite_credentials_set_token_cache()).
 *
 * @param authority_url  `https://login.microsoftonline.com/<tenant>`.
 * @param client_id      Not empty.
 * @param scopes         Separated by spaces. Not empty; without openid, profile and offline_access, which are added.
 * @param open_url       Opens the browser; NULL: what the environment variable BROWSER names, else the system's own.
 * @param user_data      Handed to `open_url` and `destroy`; the library does not look into it.
 * @param destroy        Called exactly once with `user_data` when the last copy of the credentials is gone, also when
 *                       this function fails; may be NULL.
 * @param[out] out       The credentials. Not NULL.
 * @param[out] err       May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_interactive(const char *authority_url,
                                                   const char *client_id,
                                                   const char *scopes,
                                                   cognite_open_url open_url,
                                                   void *user_data,
                                                   cognite_destroy destroy,
                                                   cognite_credentials **out,
                                                   cognite_error **err);

/**
 * Client credentials of a Microsoft Entra ID tenant, for the scope `https://{cdf_cluster}.cognitedata.com/.default`.
 *
 * @param tenant_id      GUID or domain name of the tenant.
 * @param client_id      Not empty.
 * @param client_secret  Not empty.
 * @param cdf_cluster    The cluster, such as `westeurope-1`.
 * @param[out] out       The credentials. Not NULL.
 * @param[out] err       May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_entra_client_credentials(const char *tenant_id,
                                                                const char *client_id,
                                                                const char *client_secret,
                                                                const char *cdf_cluster,
                                                                cognite_credentials **out,
                                                                cognite_error **err);

/**
 * A client certificate of a Microsoft Entra ID tenant, for the scope `https://{cdf_cluster}.cognitedata.com/.default`.
 *
 * @param tenant_id        GUID or domain name of the tenant.
 * @param client_id        Not empty.
 * @param cert_thumbprint  As for cognite_credentials_new_client_certificate(); may be NULL.
 * @param private_key      As for cognite_credentials_new_client_certificate().
 * @param cdf_cluster      The cluster, such as `westeurope-1`.
 * @param[out] out         The credentials. Not NULL.
 * @param[out] err         May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_entra_client_certificate(const char *tenant_id,
                                                                const char *client_id,
                                                                const char *cert_thumbprint,
                                                                const char *private_key,
                                                                const char *cdf_cluster,
                                                                cognite_credentials **out,
                                                                cognite_error **err);

/**
 * A device code login at a Microsoft Entra ID tenant, with the scopes of a CDF cluster and a refresh token.
 *
 * @param tenant_id    GUID or domain name of the tenant.
 * @param client_id    Not empty.
 * @param cdf_cluster  The cluster, such as `westeurope-1`.
 * @param prompt       Shows the code. Not NULL.
 * @param user_data    Handed to `prompt` and `destroy`; the library does not look into it.
 * @param destroy      As for cognite_credentials_new_device_code(); may be NULL.
 * @param[out] out     The credentials. Not NULL.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_entra_device_code(const char *tenant_id,
                                                         const char *client_id,
                                                         const char *cdf_cluster,
                                                         cognite_device_code_prompt prompt,
                                                         void *user_data,
                                                         cognite_destroy destroy,
                                                         cognite_credentials **out,
                                                         cognite_error **err);

/**
 * A login in a browser at a Microsoft Entra ID tenant, for the scope `https://{cdf_cluster}.cognitedata.com/.default`.
 *
 * @param tenant_id    GUID or domain name of the tenant.
 * @param client_id    Not empty.
 * @param cdf_cluster  The cluster, such as `westeurope-1`.
 * @param open_url     Opens the browser; NULL: as for cognite_credentials_new_interactive().
 * @param user_data    Handed to `open_url` and `destroy`; the library does not look into it.
 * @param destroy      As for cognite_credentials_new_interactive(); may be NULL.
 * @param[out] out     The credentials. Not NULL.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result, the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_new_entra_interactive(const char *tenant_id,
                                                         const char *client_id,
                                                         const char *cdf_cluster,
                                                         cognite_open_url open_url,
                                                         void *user_data,
                                                         cognite_destroy destroy,
                                                         cognite_credentials **out,
                                                         cognite_error **err);

/**
 * Sets who shows the code of a device code login, for credentials that were loaded.
 *
 * @param credentials  A device code login. Not NULL.
 * @param prompt       Shows the code. Not NULL.
 * @param user_data    Handed to `prompt` and `destroy`; the library does not look into it.
 * @param destroy      Called exactly once with `user_data` when the last copy is gone, also when this function fails; may
 *                     be NULL.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials).
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_set_device_code_prompt(cognite_credentials *credentials,
                                                          cognite_device_code_prompt prompt,
                                                          void *user_data,
                                                          cognite_destroy destroy,
                                                          cognite_error **err);

/**
 * cognite_credentials_set_device_code_prompt() for the credentials inside a config, such as one that was loaded.
 *
 * @param config     Its credentials are a device code login. Not NULL.
 * @param prompt     Shows the code. Not NULL.
 * @param user_data  Handed to `prompt` and `destroy`; the library does not look into it.
 * @param destroy    Called exactly once with `user_data` when the last copy is gone, also when this function fails; may be
 *                   NULL.
 * @param[out] err   May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials, or none).
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_device_code_prompt(cognite_config *config,
                                                     cognite_device_code_prompt prompt,
                                                     void *user_data,
                                                     cognite_destroy destroy,
                                                     cognite_error **err);

/**
 * Sets who opens the browser of an interactive login, instead of the system.
 *
 * @param credentials  An interactive login. Not NULL.
 * @param open_url     Opens an address. Not NULL.
 * @param user_data    Handed to `open_url` and `destroy`; the library does not look into it.
 * @param destroy      Called exactly once with `user_data` when the last copy is gone, also when this function fails; may
 *                     be NULL.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials).
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_set_open_url(cognite_credentials *credentials,
                                                cognite_open_url open_url,
                                                void *user_data,
                                                cognite_destroy destroy,
                                                cognite_error **err);

/**
 * cognite_credentials_set_open_url() for the credentials inside a config, such as one that was loaded.
 *
 * @param config     Its credentials are an interactive login. Not NULL.
 * @param open_url   Opens an address. Not NULL.
 * @param user_data  Handed to `open_url` and `destroy`; the library does not look into it.
 * @param destroy    Called exactly once with `user_data` when the last copy is gone, also when this function fails; may be
 *                   NULL.
 * @param[out] err   May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT (other credentials, or none).
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_open_url(cognite_config *config,
                                           cognite_open_url open_url,
                                           void *user_data,
                                           cognite_destroy destroy,
                                           cognite_error **err);

/**
 * The port of this machine to which the browser brings the answer of an interactive login: `http://localhost:<port>` is
 * what must be registered for the client.
 *
 * @param credentials  An interactive login. Not NULL.
 * @param port         1 to 65535; 0: any free one, for providers that do not look at the port. The default is 53000.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_set_redirect_port(cognite_credentials *credentials,
                                                     uint32_t port,
                                                     cognite_error **err);

/**
 * How an interactive login begins, and for whom.
 *
 * @param credentials  An interactive login. Not NULL.
 * @param prompt       select_account, login or consent: asked for at the first login, even if a refresh token is kept.
 *                     NULL: whatever the provider thinks right.
 * @param login_hint   The user's name, to be filled in; only a kept refresh token of that user is used. NULL: none.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (another prompt).
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_set_login_prompt(cognite_credentials *credentials,
                                                    const char *prompt,
                                                    const char *login_hint,
                                                    cognite_error **err);

/**
 * How long an interactive login waits for the person, from the opening of the browser on.
 *
 * @param credentials  An interactive login. Not NULL.
 * @param timeout_ms   1 to 86400000 (a day); the default is 300000. A call's own deadline still ends the call.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_set_login_timeout_ms(cognite_credentials *credentials,
                                                        uint64_t timeout_ms,
                                                        cognite_error **err);

/**
 * Where the refresh token of a device code or interactive login is kept between runs: a file that only the user can read,
 * written in one step. The default is a file per provider, client and scopes in the user's cache folder
 * (`$XDG_CACHE_HOME/libcognite` or `~/.cache/libcognite` on Linux). Links are refused.
 *
 * @param credentials  A device code or interactive login. Not NULL.
 * @param path         The file; NULL: the default.
 * @param flags        0, or `COGNITE_TOKEN_CACHE_MEMORY` and `COGNITE_TOKEN_CACHE_CLEAR` added up.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_credentials_set_token_cache(cognite_credentials *credentials,
                                                   const char *path,
                                                   uint32_t flags,
                                                   cognite_error **err);

/**
 * An empty config. To be complete it needs client_name, project, credentials, and one of base_url and cluster.
 *
 * @return The config; NULL only when memory is out (the next call with it answers INVALID_ARGUMENT).
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_API cognite_config *cognite_config_new(void);

/**
 * Reads a config from YAML or JSON and checks that it is complete.
 *
 *     client_name: my-historian              # required; Latin-1
 *     project: my-project                    # required
 *     cluster: westeurope-1                  # this, or base_url: https://…
 *     credentials: {…}                       # required; see cognite_credentials_load()
 *     api_subversion: "20230101"             # the cdf-version header
 *     headers: {x-team: pumps}               # sent with every request
 *     timeout: 60                            # seconds to connect, and for each wait for data
 *     file_transfer_timeout: 600             # the same for file content
 *     debug: false                           # calls on standard error, with bodies, secrets masked
 *     total_timeout: 600                     # seconds for a whole call, repeats and pauses included
 *     max_response_bytes: 268435456          # larger answers are refused
 *     max_accepted_calls: 10000              # calls under way; beyond it they are answered BUSY
 *     gzip_min_bytes: 1024                   # smaller JSON bodies are not compressed
 *     refresh_on_401: true                   # one new token and one repeat after a 401
 *     project_hint_on_401: false             # after a 401 ask which projects the token does reach
 *
 *     ca_file: /etc/ssl/plant-ca.pem         # authorities trusted beside the system's; or ca_pem: the text itself
 *     ca_only: false                         # true: not the system's store, only ca_file
 *     client_certificate_file: client.pem    # shown to servers that ask (mutual TLS); or client_certificate_pem
 *     client_key_file: client.key            # its key, not encrypted; or client_key_pem
 *     min_tls_version: "1.2"                 # or "1.3"
 *     connect_timeout: null                  # seconds to make a connection; null: as timeout
 *     keep_alive_idle: 30                    # seconds an unused connection is kept
 *
 * The client's own values of `max_retries`, `max_retries_connect`, `max_retry_backoff`, `status_forcelist`,
 * `disable_gzip`, `follow_redirects`, `proxy`, `disable_ssl`, `max_connection_pool_size`, `file_download_chunk_size`,
 * `file_upload_chunk_size` and `concurrency_settings` can be given too; null or not given is the process's, see cognite_global_apply_settings(). Files are read here, not later.
 *
 * @param text      UTF-8, a byte order mark allowed, at most 256 KiB. Not expanded: `${NAME}` stays as it is.
 * @param len       Its length in bytes.
 * @param[out] out  The config. Not NULL.
 * @param[out] err  May be NULL. An unknown key is answered with the nearest valid one; values are never quoted.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_load(const char *text,
                                   size_t len,
                                   cognite_config **out,
                                   cognite_error **err);

/**
 * A complete config for a project on one of CDF's clusters, `https://{cdf_cluster}.cognitedata.com`.
 *
 * @param project      The project. Not empty.
 * @param cdf_cluster  The cluster, such as `westeurope-1`.
 * @param credentials  Copied. Not NULL.
 * @param client_name  Names the program to CDF; NULL: the login name.
 * @param[out] out     The config. Not NULL.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_default(const char *project,
                                      const char *cdf_cluster,
                                      const cognite_credentials *credentials,
                                      const char *client_name,
                                      cognite_config **out,
                                      cognite_error **err);

/**
 * Everything in a config that may be seen, as JSON under the keys of cognite_config_load(), with `cluster_hint` (the
 * cluster the address belongs to, or null) and `credentials` as in cognite_credentials_json(). Times in seconds. Values
 * of headers whose names sound secret are `"***"`.
 *
 * @param config  The config; NULL gives `{}`.
 * @return JSON text, never NULL.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until the next call on it. **Since:** 0.1.0
 */
COGNITE_API const char *cognite_config_json(const cognite_config *config);

/**
 * Frees a config. NULL does nothing. Clients made from it go on.
 *
 * @param config  The config; not used afterwards.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the config. **Since:** 0.1.0
 */
COGNITE_API void cognite_config_free(cognite_config *config);

/**
 * Names the program to CDF (the `x-cdp-app` header).
 *
 * @param config    The config. Not NULL.
 * @param client_name  Latin-1; may be empty.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_client_name(cognite_config *config,
                                              const char *client_name,
                                              cognite_error **err);

/**
 * The CDF project.
 *
 * @param config    The config. Not NULL.
 * @param project  Not empty.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_project(cognite_config *config,
                                          const char *project,
                                          cognite_error **err);

/**
 * The address of the API; a path in it is kept. Give this or the cluster.
 *
 * @param config    The config. Not NULL.
 * @param base_url  A full http:// or https:// URL without user name, query and fragment.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_base_url(cognite_config *config,
                                           const char *base_url,
                                           cognite_error **err);

/**
 * The CDF cluster; the address is then `https://{cluster}.cognitedata.com`. Give this or the base URL.
 *
 * @param config    The config. Not NULL.
 * @param cluster  Such as `westeurope-1`.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_cluster(cognite_config *config,
                                          const char *cluster,
                                          cognite_error **err);

/**
 * How to log in.
 *
 * @param config    The config. Not NULL.
 * @param credentials  Copied. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_credentials(cognite_config *config,
                                              const cognite_credentials *credentials,
                                              cognite_error **err);

/**
 * The API version asked for (the `cdf-version` header).
 *
 * @param config    The config. Not NULL.
 * @param api_subversion  Empty: the default, 20230101.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_api_subversion(cognite_config *config,
                                                 const char *api_subversion,
                                                 cognite_error **err);

/**
 * A header that goes with every request. Names have no letter case; a later value replaces an earlier one. Authorization,
 * Host, Content-Length and Transfer-Encoding are the library's own and not sent from here.
 *
 * @param config    The config. Not NULL.
 * @param name   The name.
 * @param value  The value, ASCII; NULL removes the header.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_header(cognite_config *config,
                                         const char *name,
                                         const char *value,
                                         cognite_error **err);

/**
 * Time to make a connection, and for each wait for data on it.
 *
 * @param config    The config. Not NULL.
 * @param timeout_ms  Milliseconds up to a week; 0: the default, 60 s (the reference's).
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_timeout_ms(cognite_config *config,
                                             uint64_t timeout_ms,
                                             cognite_error **err);

/**
 * Time for a whole call: tokens, attempts, pauses, and waiting for a free connection. A request may ask for its own.
 *
 * @param config    The config. Not NULL.
 * @param total_timeout_ms  Milliseconds up to a week; 0: the default, 600 s.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_total_timeout_ms(cognite_config *config,
                                                   uint64_t total_timeout_ms,
                                                   cognite_error **err);

/**
 * Like the timeout, for the content of files.
 *
 * @param config    The config. Not NULL.
 * @param file_transfer_timeout_ms  Milliseconds up to a week; 0: the default, 600 s (the reference's).
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_file_transfer_timeout_ms(cognite_config *config,
                                                           uint64_t file_transfer_timeout_ms,
                                                           cognite_error **err);

/**
 * Writes every call and repeat of the client to standard error: method, address, outcome, attempts, time, and with calls
 * the headers and bodies, cut to 1000 characters. Secrets are masked. See also cognite_log_set_callback().
 *
 * @param config    The config. Not NULL.
 * @param on  1 or 0; the default is 0.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_debug(cognite_config *config,
                                        int32_t on,
                                        cognite_error **err);

/**
 * The largest answer taken, counted after decompression. A larger one fails with DECODE and costs no more memory than this.
 *
 * @param config    The config. Not NULL.
 * @param bytes  1 or more; the default is 256 MiB.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_max_response_bytes(cognite_config *config,
                                                     uint64_t bytes,
                                                     cognite_error **err);

/**
 * How many calls of a client may be accepted and not finished, blocking ones included; beyond it they are answered BUSY.
 *
 * @param config    The config. Not NULL.
 * @param calls     1 or more; the default is 10000.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_max_accepted_calls(cognite_config *config,
                                                     uint64_t calls,
                                                     cognite_error **err);

/**
 * JSON bodies of at least this size are compressed. The global setting disable_gzip switches compression off.
 *
 * @param config    The config. Not NULL.
 * @param bytes  The default is 1024; 0 compresses every body, as the reference does.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_gzip_min_bytes(cognite_config *config,
                                                 uint64_t bytes,
                                                 cognite_error **err);

/**
 * After a 401, get one new token and repeat the request once. Without effect for a fixed token.
 *
 * @param config    The config. Not NULL.
 * @param on  1 or 0; the default is 1.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_refresh_on_401(cognite_config *config,
                                                 int32_t on,
                                                 cognite_error **err);

/**
 * After a final 401, ask the service which projects the token does reach; the error then names them. One more request, at
 * most 5 s.
 *
 * @param config    The config. Not NULL.
 * @param on  1 or 0; the default is 0.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_project_hint_on_401(cognite_config *config,
                                                      int32_t on,
                                                      cognite_error **err);

/**
 * The client name.
 *
 * @param config  The config, or NULL.
 * @return Text, or NULL when it is not set.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until this value is set or the config freed. **Since:** 0.1.0
 */
COGNITE_API
const char *cognite_config_get_client_name(const cognite_config *config);

/**
 * The project.
 *
 * @param config  The config, or NULL.
 * @return Text, or NULL when it is not set.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until this value is set or the config freed. **Since:** 0.1.0
 */
COGNITE_API
const char *cognite_config_get_project(const cognite_config *config);

/**
 * The address of the API, from the base URL or the cluster, without a slash at its end.
 *
 * @param config  The config, or NULL.
 * @return Text, or NULL when neither is set.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until this value is set or the config freed. **Since:** 0.1.0
 */
COGNITE_API
const char *cognite_config_get_base_url(const cognite_config *config);

/**
 * The API version asked for.
 *
 * @param config  The config, or NULL.
 * @return Text; NULL for NULL.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** the config; valid until this value is set or the config freed. **Since:** 0.1.0
 */
COGNITE_API
const char *cognite_config_get_api_subversion(const cognite_config *config);

/**
 * See cognite_config_set_timeout_ms().
 *
 * @param config  The config, or NULL.
 * @return Milliseconds; 0 for NULL.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_config_get_timeout_ms(const cognite_config *config);

/**
 * See cognite_config_set_total_timeout_ms().
 *
 * @param config  The config, or NULL.
 * @return Milliseconds; 0 for NULL.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_config_get_total_timeout_ms(const cognite_config *config);

/**
 * See cognite_config_set_file_transfer_timeout_ms().
 *
 * @param config  The config, or NULL.
 * @return Milliseconds; 0 for NULL.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_config_get_file_transfer_timeout_ms(const cognite_config *config);

/**
 * See cognite_config_set_debug().
 *
 * @param config  The config, or NULL.
 * @return 1 or 0.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_config_get_debug(const cognite_config *config);

/**
 * Certificate authorities the client trusts beside the system's store (or instead of it: cognite_config_set_ca_only()).
 * For the API, tokens and a proxy that is spoken to over TLS. They take the place of those given before.
 *
 * @param config    The config. Not NULL.
 * @param pem  One or more certificates in PEM form. NULL with length 0: none.
 * @param len  Its length in bytes.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_ca_pem(cognite_config *config,
                                         const char *pem,
                                         size_t len,
                                         cognite_error **err);

/**
 * Trusts the authorities of cognite_config_set_ca_pem() only, not the system's store.
 *
 * @param config    The config. Not NULL.
 * @param on  1 or 0; the default is 0.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_ca_only(cognite_config *config,
                                          int32_t on,
                                          cognite_error **err);

/**
 * The certificate the client shows to servers that ask for one (mutual TLS).
 * That the two belong together is checked here. NULL for both: none.
 *
 * @param config    The config. Not NULL.
 * @param certificate  The certificate and the chain after it, PEM.
 * @param certificate_len  Its length in bytes.
 * @param key  The private key, PEM, not encrypted.
 * @param key_len  Its length in bytes.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_client_certificate_pem(cognite_config *config,
                                                         const char *certificate,
                                                         size_t certificate_len,
                                                         const char *key,
                                                         size_t key_len,
                                                         cognite_error **err);

/**
 * The oldest version of TLS the client speaks.
 *
 * @param config    The config. Not NULL.
 * @param version  `1.2` or `1.3`; the default is 1.2.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_min_tls_version(cognite_config *config,
                                                  const char *version,
                                                  cognite_error **err);

/**
 * Time to make a connection: name look-up, TCP, proxy and TLS.
 *
 * @param config    The config. Not NULL.
 * @param connect_timeout_ms  Milliseconds up to a week; 0: as cognite_config_set_timeout_ms().
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_connect_timeout_ms(cognite_config *config,
                                                     uint64_t connect_timeout_ms,
                                                     cognite_error **err);

/**
 * How long an unused connection is kept for the next request.
 * Choose less than what the load balancer in between keeps.
 *
 * @param config    The config. Not NULL.
 * @param keep_alive_idle_ms  Milliseconds up to a week; 0: the default, 30 s.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_keep_alive_idle_ms(cognite_config *config,
                                                     uint64_t keep_alive_idle_ms,
                                                     cognite_error **err);

/**
 * The client's own value of cognite_global_set_max_retries().
 *
 * @param config    The config. Not NULL.
 * @param count  0 to 1000000; -1: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_max_retries(cognite_config *config,
                                              int32_t count,
                                              cognite_error **err);

/**
 * The client's own value of cognite_global_set_max_retries_connect().
 *
 * @param config    The config. Not NULL.
 * @param count  0 to 1000000; -1: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_max_retries_connect(cognite_config *config,
                                                      int32_t count,
                                                      cognite_error **err);

/**
 * The client's own value of cognite_global_set_max_retry_backoff_ms().
 *
 * @param config    The config. Not NULL.
 * @param max_retry_backoff_ms  Milliseconds; -1: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_max_retry_backoff_ms(cognite_config *config,
                                                       int64_t max_retry_backoff_ms,
                                                       cognite_error **err);

/**
 * The client's own value of cognite_global_set_status_forcelist().
 *
 * @param config    The config. Not NULL.
 * @param statuses  HTTP status codes; NULL: the process's. Not NULL with count 0: none.
 * @param count  How many.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_status_forcelist(cognite_config *config,
                                                   const int32_t *statuses,
                                                   size_t count,
                                                   cognite_error **err);

/**
 * The client's own value of cognite_global_set_disable_gzip().
 *
 * @param config    The config. Not NULL.
 * @param on  1 or 0; -1: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_disable_gzip(cognite_config *config,
                                               int32_t on,
                                               cognite_error **err);

/**
 * The client's own value of cognite_global_set_follow_redirects().
 *
 * @param config    The config. Not NULL.
 * @param on  1 or 0; -1: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_follow_redirects(cognite_config *config,
                                                   int32_t on,
                                                   cognite_error **err);

/**
 * The client's own value of cognite_global_set_proxy().
 *
 * @param config    The config. Not NULL.
 * @param proxy  As there; NULL: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_proxy(cognite_config *config,
                                        const char *proxy,
                                        cognite_error **err);

/**
 * The client's own value of cognite_global_set_disable_ssl().
 *
 * @param config    The config. Not NULL.
 * @param on  1 or 0; -1: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_disable_ssl(cognite_config *config,
                                              int32_t on,
                                              cognite_error **err);

/**
 * The client's own value of cognite_global_set_max_connection_pool_size().
 *
 * @param config    The config. Not NULL.
 * @param count  1 to 1000000; -1: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_max_connection_pool_size(cognite_config *config,
                                                           int32_t count,
                                                           cognite_error **err);

/**
 * The client's own value of cognite_global_set_file_download_chunk_size().
 *
 * @param config    The config. Not NULL.
 * @param bytes  1 or more; -1: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_file_download_chunk_size(cognite_config *config,
                                                           int64_t bytes,
                                                           cognite_error **err);

/**
 * The client's own value of cognite_global_set_file_upload_chunk_size().
 *
 * @param config    The config. Not NULL.
 * @param bytes  1 or more; -1: the process's.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_file_upload_chunk_size(cognite_config *config,
                                                         int64_t bytes,
                                                         cognite_error **err);

/**
 * Changes settings of the process from a YAML or JSON mapping: all of it or, on any error, nothing.
 *
 *     max_retries: 10                  # repeats of a call, of all kinds together
 *     max_retries_connect: 3           # of these, after connections that failed or broke
 *     max_retry_backoff: 60            # longest pause between attempts, seconds; the first is at most 0.5
 *     status_forcelist: [429, 502, 503, 504]   # answers that are repeated where that is safe
 *     disable_gzip: false              # do not compress what is sent
 *     max_connection_pool_size: 20     # exchanges at a time, per client            (next client)
 *     concurrency_settings: {general: {read: 5}}   # see cognite_global_set_concurrency(); what is not named stays
 *     disable_ssl: false               # true: accept any certificate. For tests.   (next client)
 *     proxy: null                      # http://user:password@host:port; none; null: the environment's (next client)
 *     follow_redirects: false          # see cognite_global_set_follow_redirects()
 *     file_download_chunk_size: null   # bytes written to a local file at a time; null: 256 KiB
 *     file_upload_chunk_size: null     # bytes read from a local file at a time; null: 256 KiB
 *     default_client_config: null      # a config as for cognite_config_load()
 *     io_threads: 2                    # for all network I/O; default: one per CPU, at most 2   (before the first call)
 *     callback_threads: 1              # for completion callbacks                               (before the first call)
 *     thread_stack_size: 2097152       # bytes, 512 KiB or more                                 (before the first call)
 *     thread_name_prefix: cognite      # at most 12 characters                                  (before the first call)
 *
 * Settings take effect with the next call, those marked so with the next client; those about threads are refused while
 * the library runs. A null proxy means HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, read when a client is made.
 * `disable_pypi_version_check`, `max_workers` and `silence_feature_preview_warnings` are accepted and kept, and have no
 * effect.
 *
 * @param text      UTF-8, a byte order mark allowed, at most 256 KiB.
 * @param len       Its length in bytes.
 * @param[out] err  May be NULL. Names the key that is wrong.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_apply_settings(const char *text,
                                             size_t len,
                                             cognite_error **err);

/**
 * All settings of the process, as a JSON object under the keys of cognite_global_apply_settings(). The default config
 * is shown as by cognite_config_json(); the proxy without its password.
 *
 * @param[out] out  A response whose body is the JSON. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_settings(cognite_response **out,
                                       cognite_error **err);

/**
 * Sets the config of clients that are made without one.
 *
 * @param config    Copied; NULL: none.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (the config is not complete).
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_default_config(const cognite_config *config,
                                                 cognite_error **err);

/**
 * The config of clients that are made without one, as cognite_global_set_default_config() or `default_client_config` set it.
 *
 * @param[out] config  A copy, to be freed with cognite_config_free(). Not NULL.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (there is none).
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the copy. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_get_default_config(cognite_config **config,
                                                 cognite_error **err);

/**
 * Switches the compression of request bodies off.
 * Read for each call. A config can have its own value.
 *
 * @param on  1 or 0; the default is 0.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_disable_gzip(int32_t on, cognite_error **err);

/**
 * See cognite_global_set_disable_gzip().
 *
 * @return 1 or 0.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_global_get_disable_gzip(void);

/**
 * The answers that are repeated where that is safe. A create is repeated after 429 only, whatever the list says.
 * Read for each call. A config can have its own list.
 *
 * @param statuses  HTTP status codes from 100 to 599; NULL with count 0: none. The default is 429, 502, 503, 504.
 * @param count     How many.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_status_forcelist(const int32_t *statuses,
                                                   size_t count,
                                                   cognite_error **err);

/**
 * See cognite_global_set_status_forcelist().
 *
 * @param[out] statuses  Filled with at most `capacity` codes, in the order they were given; may be NULL.
 * @param capacity       Room in `statuses`; 0 for NULL.
 * @return How many there are, which may be more than `capacity`.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API size_t cognite_global_get_status_forcelist(int32_t *statuses, size_t capacity);

/**
 * Repeats of a call, of all kinds together.
 * Read for each call. A config can have its own value.
 *
 * @param count  0 to 1000000; the default is 10.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_max_retries(uint32_t count, cognite_error **err);

/**
 * See cognite_global_set_max_retries().
 *
 * @return The number.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_global_get_max_retries(void);

/**
 * Of these, repeats after connections that failed or broke.
 * Read for each call. A config can have its own value.
 *
 * @param count  0 to 1000000; the default is 3.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_max_retries_connect(uint32_t count,
                                                      cognite_error **err);

/**
 * See cognite_global_set_max_retries_connect().
 *
 * @return The number.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_global_get_max_retries_connect(void);

/**
 * The longest pause between two attempts; the first is at most 0.5 s, the least 0.1 s.
 * Read for each call. A config can have its own value.
 *
 * @param max_retry_backoff_ms  Milliseconds; the default is 60000.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_max_retry_backoff_ms(uint64_t max_retry_backoff_ms,
                                                       cognite_error **err);

/**
 * See cognite_global_set_max_retry_backoff_ms().
 *
 * @return Milliseconds.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_global_get_max_retry_backoff_ms(void);

/**
 * Exchanges at a time, and connections kept, per client.
 * Concerns clients that are made afterwards. A config can have its own value.
 *
 * @param count  1 to 1000000; the default is 20.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_max_connection_pool_size(uint32_t count,
                                                           cognite_error **err);

/**
 * See cognite_global_set_max_connection_pool_size().
 *
 * @return The number.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_global_get_max_connection_pool_size(void);

/**
 * Accepts any certificate. For tests only: anyone on the way can then read and change what is sent.
 * Concerns clients that are made afterwards. A config can have its own value; to trust your own
 * authority use cognite_config_set_ca_pem().
 *
 * @param on  1 or 0; the default is 0.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_disable_ssl(int32_t on, cognite_error **err);

/**
 * See cognite_global_set_disable_ssl().
 *
 * @return 1 or 0.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_global_get_disable_ssl(void);

/**
 * The proxy of all requests, those for tokens included. Concerns clients that are made afterwards. A config can have its
 * own.
 *
 * @param proxy     `http://user:password@host:port` or https; `none`: none at all; NULL: what the environment variables
 *                  HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY (either case) say.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_proxy(const char *proxy,
                                        cognite_error **err);

/**
 * See cognite_global_set_proxy(). Without user name and password.
 *
 * @param[out] text  Filled with at most `size` bytes, a terminating NUL among them; may be NULL.
 * @param size       Room in `text`; 0 for NULL.
 * @return The length of the whole text without its NUL; 0: not set.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API size_t cognite_global_get_proxy(char *text, size_t size);

/**
 * Follows redirects, at most five in a row: 301, 302 and 303 of GET, 307 and 308 of every method.
 * The token and headers that may be secret are not sent to another origin, and https never leads to http. Read for each call. A config can
 * have its own value. Requests for tokens have theirs in the credentials.
 *
 * @param on  1 or 0; the default is 0.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_follow_redirects(int32_t on,
                                                   cognite_error **err);

/**
 * See cognite_global_set_follow_redirects().
 *
 * @return 1 or 0.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_global_get_follow_redirects(void);

/**
 * Bytes that are written to a local file at a time when file content is downloaded: more of them cost memory, fewer cost time.
 *
 * @param bytes  1 or more, of which 16 MiB at most are used; 0: the default, 256 KiB.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_file_download_chunk_size(uint64_t bytes,
                                                           cognite_error **err);

/**
 * See cognite_global_set_file_download_chunk_size().
 *
 * @return Bytes; 0: the default.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_global_get_file_download_chunk_size(void);

/**
 * Bytes that are read from a local file at a time when file content is uploaded: more of them cost memory, fewer cost time.
 *
 * @param bytes  1 or more, of which 16 MiB at most are used; 0: the default, 256 KiB.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_file_upload_chunk_size(uint64_t bytes,
                                                         cognite_error **err);

/**
 * See cognite_global_set_file_upload_chunk_size().
 *
 * @return Bytes; 0: the default.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_global_get_file_upload_chunk_size(void);

/**
 * Accepted for the sake of programs that set it: the library has no warnings about previews.
 *
 * @param on  1 or 0; the default is 0.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_silence_feature_preview_warnings(int32_t on,
                                                                   cognite_error **err);

/**
 * See cognite_global_set_silence_feature_preview_warnings().
 *
 * @return 1 or 0.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_global_get_silence_feature_preview_warnings(void);

/**
 * Accepted for the sake of programs that set it: the library makes no call that was not asked for.
 *
 * @param on  1 or 0; the default is 0.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_disable_pypi_version_check(int32_t on,
                                                             cognite_error **err);

/**
 * See cognite_global_set_disable_pypi_version_check().
 *
 * @return 1 or 0.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_global_get_disable_pypi_version_check(void);

/**
 * Deprecated in the reference and without effect, which a warning in the log says: concurrency is bounded by the pool
 * size and `concurrency_settings`.
 *
 * @param count  Any number; the default is 5.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_max_workers(int64_t count, cognite_error **err);

/**
 * See cognite_global_set_max_workers().
 *
 * @return The number.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int64_t cognite_global_get_max_workers(void);

/**
 * Threads that do the network I/O of all clients.
 * Refused (CONFIG) once the library runs: set it before the first call, or after cognite_shutdown().
 *
 * @param count  1 to 256; 0: the default, one per CPU and at most 2.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_io_threads(uint32_t count, cognite_error **err);

/**
 * See cognite_global_set_io_threads().
 *
 * @return The number.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_global_get_io_threads(void);

/**
 * Threads that run completion callbacks. With more than one, callbacks run at the same time and in no order.
 * Refused (CONFIG) once the library runs: set it before the first call, or after cognite_shutdown().
 *
 * @param count  1 to 256; 0: the default, 1.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_callback_threads(uint32_t count,
                                                   cognite_error **err);

/**
 * See cognite_global_set_callback_threads().
 *
 * @return The number.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_global_get_callback_threads(void);

/**
 * Stack of each thread of the library, callback threads included.
 * Refused (CONFIG) once the library runs: set it before the first call, or after cognite_shutdown().
 *
 * @param bytes  512 KiB to 1 GiB; 0: the default, 2 MiB.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_thread_stack_size(uint64_t bytes,
                                                    cognite_error **err);

/**
 * See cognite_global_set_thread_stack_size().
 *
 * @return Bytes.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_global_get_thread_stack_size(void);

/**
 * How the names of the threads begin, in debuggers and `top -H`; `-io` or `-cb` follows.
 * Refused (CONFIG) once the library runs: set it before the first call, or after cognite_shutdown().
 *
 * @param prefix    At most 12 visible ASCII characters; NULL or empty: the default, `cognite`.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_thread_name_prefix(const char *prefix,
                                                     cognite_error **err);

/**
 * See cognite_global_set_thread_name_prefix().
 *
 * @param[out] text  Filled with at most `size` bytes, a terminating NUL among them; may be NULL.
 * @param size       Room in `text`; 0 for NULL.
 * @return The length of the whole text without its NUL.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API size_t cognite_global_get_thread_name_prefix(char *text, size_t size);

/**
 * How many requests of a kind may be on their way at a time, for all clients of one origin and project together.
 * What comes later waits in line, and the wait counts into the call's time. May be changed at any time: a limit that
 * grows lets waiting calls in, one that shrinks takes effect as calls end. A config can have its own limits.
 *
 *     general        read 5, write 4, delete 2                    # everything that is not below
 *     raw            read 5, write 2, delete 2
 *     datapoints     read 5, write 5, delete 5
 *     data_modeling  read 1, write 1, delete 1, search 2, read_schema 2, write_schema 1
 *     files          read 4, write 2, delete 2, upload 5, download 5, open_files 15
 *     records        read 1, write 2                              # deletes have as many again as writes
 *
 * Requests whose URL the program gives itself (cognite_client_get() and its like) have no such limit; they are bounded
 * by cognite_global_set_max_connection_pool_size(), as all requests of a client are.
 *
 * @param category   One of the categories above.
 * @param operation  One of its operations.
 * @param limit      1 to 1000000.
 * @param[out] err   May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_global_set_concurrency(const char *category,
                                              const char *operation,
                                              uint32_t limit,
                                              cognite_error **err);

/**
 * See cognite_global_set_concurrency(). All limits are in cognite_global_settings(), under `concurrency_settings`.
 *
 * @param category   One of the categories.
 * @param operation  One of its operations.
 * @return The limit; 0: NULL was given, or there is no such category or operation.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_global_get_concurrency(const char *category, const char *operation);

/**
 * The client's own limit in the place of the process's. Its requests of that kind are then counted for this client
 * alone, beside those of other clients.
 *
 * @param config     The config. Not NULL.
 * @param category   As for cognite_global_set_concurrency().
 * @param operation  As there.
 * @param limit      1 to 1000000; 0: the process's.
 * @param[out] err   May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_config_set_concurrency(cognite_config *config,
                                              const char *category,
                                              const char *operation,
                                              uint32_t limit,
                                              cognite_error **err);

/**
 * Makes a client. No connection is made yet and no token asked for.
 *
 * @param config    Copied; may be changed or freed afterwards. NULL: the default config of the process.
 * @param[out] out  The client. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_new(const cognite_config *config,
                                  cognite_client **out,
                                  cognite_error **err);

/**
 * Makes a client for a project on one of CDF's clusters: cognite_config_default() and cognite_client_new() in one.
 *
 * @param project      The project. Not empty.
 * @param cdf_cluster  The cluster, such as `westeurope-1`.
 * @param credentials  Copied. Not NULL.
 * @param client_name  Names the program to CDF; NULL: the login name.
 * @param[out] out     The client. Not NULL.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_default(const char *project,
                                      const char *cdf_cluster,
                                      const cognite_credentials *credentials,
                                      const char *client_name,
                                      cognite_client **out,
                                      cognite_error **err);

/**
 * Makes a client that logs in with client credentials of a Microsoft Entra ID tenant, for the scope
 * `https://{cdf_cluster}.cognitedata.com/.default`.
 *
 * @param project        The project. Not empty.
 * @param cdf_cluster    The cluster, such as `westeurope-1`.
 * @param tenant_id      GUID or domain name of the tenant.
 * @param client_id      Not empty.
 * @param client_secret  Not empty.
 * @param client_name    Names the program to CDF; NULL: the login name.
 * @param[out] out       The client. Not NULL.
 * @param[out] err       May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_default_oauth_client_credentials(const char *project,
                                                               const char *cdf_cluster,
                                                               const char *tenant_id,
                                                               const char *client_id,
                                                               const char *client_secret,
                                                               const char *client_name,
                                                               cognite_client **out,
                                                               cognite_error **err);

/**
 * Makes a client that logs a person in at a Microsoft Entra ID tenant, in this machine's browser, at the first call that
 * needs a token: cognite_credentials_new_entra_interactive() and cognite_client_default() in one.
 *
 * @param project      The project. Not empty.
 * @param cdf_cluster  The cluster, such as `westeurope-1`.
 * @param tenant_id    GUID or domain name of the tenant.
 * @param client_id    Not empty.
 * @param client_name  Names the program to CDF; NULL: the login name.
 * @param prompt       select_account, login or consent; NULL: whatever the provider thinks right.
 * @param login_hint   The user's name, to be filled in; NULL: none.
 * @param[out] out     The client. Not NULL.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_default_oauth_interactive(const char *project,
                                                        const char *cdf_cluster,
                                                        const char *tenant_id,
                                                        const char *client_id,
                                                        const char *client_name,
                                                        const char *prompt,
                                                        const char *login_hint,
                                                        cognite_client **out,
                                                        cognite_error **err);

/**
 * Makes a client from a YAML or JSON config: cognite_config_load() and cognite_client_new() in one.
 *
 * @param text      As for cognite_config_load().
 * @param len       Its length in bytes.
 * @param[out] out  The client. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_load(const char *text,
                                   size_t len,
                                   cognite_client **out,
                                   cognite_error **err);

/**
 * The config a client was made from: a copy, which can be read, changed and used for another client.
 *
 * @param client    The client. Not NULL.
 * @param[out] out  The config. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_config(const cognite_client *client,
                                     cognite_config **out,
                                     cognite_error **err);

/**
 * The `Authorization` header the client would send now, for requests the program makes by itself. The body of the
 * response is `{"header":"Authorization","value":"Bearer …"}`: a secret.
 *
 * @param client    The client. Not NULL.
 * @param[out] out  The response. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, AUTH, TIMEOUT, BUSY, SHUTDOWN.
 *
 * **Blocks:** on the network when there is no token in hand. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_authorization(cognite_client *client,
                                            cognite_response **out,
                                            cognite_error **err);

/**
 * cognite_client_authorization() that tells its result later.
 *
 * @param client    The client. Not NULL.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_authorization_async(cognite_client *client,
                                                  const cognite_notify *notify,
                                                  cognite_error **err);

/**
 * Looks up where the login of a client goes, as its first request would otherwise: a wrong address is found when the
 * program starts. What is found is kept. No token is asked for, and no person; logins with a token, a callback or client
 * credentials have nothing to look up.
 *
 * @param client    The client. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, CONFIG (what is at `authority_url` or `oauth_discovery_url` is no identity
 *         provider, or another one), AUTH (it cannot be reached), TIMEOUT, BUSY, SHUTDOWN.
 *
 * **Blocks:** on the network, the first time. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_check_login(cognite_client *client,
                                          cognite_error **err);

/**
 * cognite_client_check_login() that tells its result later: a response whose body is `{}`, or the error.
 *
 * @param client    The client. Not NULL.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_check_login_async(cognite_client *client,
                                                const cognite_notify *notify,
                                                cognite_error **err);

/**
 * Frees a client. NULL does nothing. Accepted calls go on and are told.
 *
 * @param client  The client; not used afterwards, and not while a call on it is being made.
 *
 * **Blocks:** no. **Threads:** one, no other making a call. **Owns:** takes the client. **Since:** 0.1.0
 */
COGNITE_API void cognite_client_free(cognite_client *client);

/**
 * Makes a cancel token.
 *
 * @return The token; NULL only if the library cannot go on at all, which the call it is given to takes as no token.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_API cognite_cancel *cognite_cancel_new(void);

/**
 * Cancels every call the token was given to and those it will be given to: for good. A call that runs, or waits for
 * its turn, a token or a repeat, ends with CANCELLED, its request dropped; a write that may have been sent is in doubt
 * (cognite_error_in_doubt()). A call that has its result keeps it. Blocking calls return, and accepted ones are told,
 * soon after, not inside this call.
 *
 * @param cancel  The token; NULL does nothing.
 *
 * **Blocks:** no. **Threads:** any number, callbacks too; not from a signal handler. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API
void cognite_cancel_trigger(cognite_cancel *cancel);

/**
 * Whether the token was triggered.
 *
 * @param cancel  The token, or NULL.
 * @return 1 or 0; 0 for NULL.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API int32_t cognite_cancel_is_triggered(const cognite_cancel *cancel);

/**
 * Frees a token. NULL does nothing. Calls that were made with it go on, uncancelled.
 *
 * @param cancel  The token; not used afterwards.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the token. **Since:** 0.1.0
 */
COGNITE_API void cognite_cancel_free(cognite_cancel *cancel);

/**
 * Makes a queue. Calls are told to it that name it in their cognite_notify, without passing a callback thread.
 *
 * @param limit     How many completions may wait in it or be still to come; beyond it calls are refused with BUSY. 0:
 *                  65536.
 * @param[out] out  The queue. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, IO (no descriptor left).
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_queue_new(uint64_t limit,
                                 cognite_queue **out,
                                 cognite_error **err);

/**
 * What an event loop waits on (poll, epoll, kqueue, select): a file descriptor that is readable exactly while
 * cognite_queue_next() would not answer EMPTY, that is, while a completion is there, and from cognite_queue_close() on.
 * On Windows a HANDLE of a manual-reset event that is signalled exactly then, for WaitForMultipleObjects. Never read it,
 * write it, set it or close it.
 *
 * @param queue  The queue, or NULL.
 * @return The descriptor or HANDLE, the same at every call; -1 for NULL.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the queue; valid until it is freed. **Since:** 0.1.0
 */
COGNITE_API
intptr_t cognite_queue_os_handle(const cognite_queue *queue);

/**
 * Takes the oldest completion out. `COGNITE_OK` says that there was one; how its call went is in the completion.
 *
 * @param queue       The queue. Not NULL.
 * @param timeout_ms  How long to wait for one: 0 not at all, negative until one comes or the queue is closed.
 * @param[out] out    Filled on success, all zero otherwise. Its struct_size must be set. Not NULL.
 * @param[out] err    May be NULL: best so where EMPTY is usual.
 * @return `COGNITE_OK`; EMPTY: nothing came within the time; SHUTDOWN: the queue was closed and is empty;
 *         WOULD_DEADLOCK: waiting without end in a callback; INVALID_ARGUMENT, FORKED.
 *
 * **Blocks:** as long as said; ended by cognite_queue_close(), not by cognite_shutdown(). **Threads:** any number.
 * **Owns:** the caller response and error of the completion. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_queue_next(cognite_queue *queue,
                                  int64_t timeout_ms,
                                  cognite_completion *out,
                                  cognite_error **err);

/**
 * Ends the use of a queue: wakes every thread that waits in cognite_queue_next(), makes the handle readable for good,
 * and has new calls refused that name the queue. What is in it, or is still to come from accepted calls, can be fetched;
 * whenever it is empty cognite_queue_next() answers SHUTDOWN at once.
 *
 * @param queue  The queue; NULL does nothing.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API
void cognite_queue_close(cognite_queue *queue);

/**
 * Frees a queue and what was not fetched from it. NULL does nothing. Accepted calls go on; what they would have told is
 * freed as it comes. The handle is closed: take it out of the event loop first.
 *
 * @param queue  The queue; not used afterwards. No thread may wait in cognite_queue_next(): close it and wait for them.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the queue. **Since:** 0.1.0
 */
COGNITE_API void cognite_queue_free(cognite_queue *queue);

/**
 * Makes a request and waits for its result. Only an answer with a status 200 to 299 is a success.
 *
 * What is repeated, and how often: answers of the status_forcelist, answers marked `cdf-is-auto-retryable`, connections
 * that fail or break, and waits that take too long - each only where the request may be made twice (a create is
 * repeated after 429, or when it surely was not sent), within the global settings and the deadline. `Retry-After` is
 * obeyed.
 *
 * @param client    The client. Not NULL.
 * @param request   What to ask. Not NULL.
 * @param[out] out  The response. Not NULL.
 * @param[out] err  May be NULL. Exactly one of `*out` and `*err` is set.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, AUTH, ACCESS, API, NOT_FOUND, DUPLICATED, CONNECTION, TLS, TIMEOUT, CANCELLED,
 *         DECODE, BUSY, SHUTDOWN.
 *
 * **Blocks:** on the network, until the deadline or `cancel`. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_call(cognite_client *client,
                                   const cognite_request *request,
                                   cognite_response **out,
                                   cognite_error **err);

/**
 * cognite_client_call() that tells its result later. The request is encoded before this returns; nothing of the
 * caller's memory is needed afterwards.
 *
 * @param client    The client. Not NULL.
 * @param request   What to ask. Not NULL.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_call_async(cognite_client *client,
                                         const cognite_request *request,
                                         const cognite_notify *notify,
                                         cognite_error **err);

/**
 * Reads: a GET request. Only an answer with a status 200 to 299 is a success; for what is repeated see
 * cognite_client_call().
 *
 * @param client    The client. Not NULL.
 * @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
 * @param params    Query parameters as a JSON object, or NULL; see cognite_request.
 * @param headers   Headers as a JSON object of text values, or NULL.
 * @param[out] out  The response. Not NULL.
 * @param[out] err  May be NULL. Exactly one of `*out` and `*err` is set.
 * @return As cognite_client_call().
 *
 * **Blocks:** on the network, until the client's total timeout at most. **Threads:** any number. **Owns:** the caller the
 * result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_get(cognite_client *client,
                                  const char *url,
                                  const char *params,
                                  const char *headers,
                                  cognite_response **out,
                                  cognite_error **err);

/**
 * cognite_client_get() that tells its result later.
 *
 * @param client    The client. Not NULL.
 * @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
 * @param params    Query parameters as a JSON object, or NULL; see cognite_request.
 * @param headers   Headers as a JSON object of text values, or NULL.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return As cognite_client_call_async().
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_get_async(cognite_client *client,
                                        const char *url,
                                        const char *params,
                                        const char *headers,
                                        const cognite_notify *notify,
                                        cognite_error **err);

/**
 * A POST request with a JSON body. Only an answer with a status 200 to 299 is a success; for what is repeated see
 * cognite_client_call().
 *
 * @param client    The client. Not NULL.
 * @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
 * @param body      JSON in UTF-8; NULL only with `body_len` 0: no body.
 * @param body_len  Its length in bytes.
 * @param params    Query parameters as a JSON object, or NULL; see cognite_request.
 * @param headers   Headers as a JSON object of text values, or NULL.
 * @param[out] out  The response. Not NULL.
 * @param[out] err  May be NULL. Exactly one of `*out` and `*err` is set.
 * @return As cognite_client_call().
 *
 * **Blocks:** on the network, until the client's total timeout at most. **Threads:** any number. **Owns:** the caller the
 * result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_post(cognite_client *client,
                                   const char *url,
                                   const void *body,
                                   size_t body_len,
                                   const char *params,
                                   const char *headers,
                                   cognite_response **out,
                                   cognite_error **err);

/**
 * cognite_client_post() that tells its result later.
 *
 * @param client    The client. Not NULL.
 * @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
 * @param body      JSON in UTF-8; NULL only with `body_len` 0: no body.
 * @param body_len  Its length in bytes.
 * @param params    Query parameters as a JSON object, or NULL; see cognite_request.
 * @param headers   Headers as a JSON object of text values, or NULL.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return As cognite_client_call_async().
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_post_async(cognite_client *client,
                                         const char *url,
                                         const void *body,
                                         size_t body_len,
                                         const char *params,
                                         const char *headers,
                                         const cognite_notify *notify,
                                         cognite_error **err);

/**
 * A PUT request with a JSON body. Only an answer with a status 200 to 299 is a success; for what is repeated see
 * cognite_client_call().
 *
 * @param client    The client. Not NULL.
 * @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
 * @param body      JSON in UTF-8; NULL only with `body_len` 0: no body.
 * @param body_len  Its length in bytes.
 * @param params    Query parameters as a JSON object, or NULL; see cognite_request.
 * @param headers   Headers as a JSON object of text values, or NULL.
 * @param[out] out  The response. Not NULL.
 * @param[out] err  May be NULL. Exactly one of `*out` and `*err` is set.
 * @return As cognite_client_call().
 *
 * **Blocks:** on the network, until the client's total timeout at most. **Threads:** any number. **Owns:** the caller the
 * result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_put(cognite_client *client,
                                  const char *url,
                                  const void *body,
                                  size_t body_len,
                                  const char *params,
                                  const char *headers,
                                  cognite_response **out,
                                  cognite_error **err);

/**
 * cognite_client_put() that tells its result later.
 *
 * @param client    The client. Not NULL.
 * @param url       A path that begins with `/`, put behind the base URL, or a full http(s) URL. Not NULL.
 * @param body      JSON in UTF-8; NULL only with `body_len` 0: no body.
 * @param body_len  Its length in bytes.
 * @param params    Query parameters as a JSON object, or NULL; see cognite_request.
 * @param headers   Headers as a JSON object of text values, or NULL.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return As cognite_client_call_async().
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_put_async(cognite_client *client,
                                        const char *url,
                                        const void *body,
                                        size_t body_len,
                                        const char *params,
                                        const char *headers,
                                        const cognite_notify *notify,
                                        cognite_error **err);

/**
 * Carries out an operation of the API, with as many requests as it takes, and waits for its result.
 *
 * The arguments are one JSON object in the API's own names (`externalId`, `dbName`, `filter`, …). Parameters of the path
 * (`dbName`, `streamId`, …) are taken from it by name and escaped; the rest goes into the body or the query as the
 * operation has it, written as it was given: numbers keep every digit. What else depends on the operation's shape:
 *
 * - `list`: `limit` is how many are wanted in all: absent, 25 (10 for views, data models and containers); null or -1, all.
 *   `pageSize` is how many are asked for at a time; `cursor` where to begin; `partitions` (without sort, and of all but
 *   RAW rows without a limit) how many parts are read side by side, one after the other in the result. Result:
 *   `{"items":[…]}`, with `nextCursor` where a limit ended it and there is more.
 * - `items`: `items` holds any number of elements (one may be given without the brackets; when reading, also as an
 *   identifier: `{"externalId":"a"}`). Where they are identifiers, lists do as well: `ids`, `externalIds`, `instanceIds`,
 *   `keys`, `names`, `spaces`, `nodes`, `edges`. They are sent in as many requests as the API needs, in parallel within
 *   its budget, instances with nodes before edges. Result: `{"items":[…]}` in the order given.
 *   `….update` takes patches (`{"id":1,"update":{"name":{"set":"x"}}}`) and whole objects, of which `mode` makes patches:
 *   `"replaceIgnoreNull"` (default; what is given is set), `"patch"` (lists and maps are added to) or `"replace"` (what is
 *   not given is cleared). What is sent of whole objects is what the resource lets be changed.
 * - `one`: a single request. Result: the service's answer as it is. `limit` of a search: null or -1, as many as one gives.
 *   Operations of organizations (`iam.principals…`) are answered by another host, to which the token goes only when it is
 *   named: `authUrl`, such as `"https://auth.cognite.com"`.
 * - `binary`: the same with an answer that is no JSON.
 * - `composite`: made of several operations; takes the arguments of `base` and those in `also`:
 *   - `assets.upsert` (also events, time_series, sequences, relationships): updates whole objects, creates those that do
 *     not exist, in the order given. `mode` is `"patch"` (default) or `"replace"`.
 *   - `assets.create_hierarchy`: parents, named by `parentExternalId`, before their children. Cycles, duplicates and
 *     parents that are not among the items (unless `ignoreOrphans`) are told of before anything is sent.
 *   - `assets.retrieve_subtree`: the asset `id` or `externalId` and what is below it, down to `depth`.
 *   - `data_modeling.instances.query_all`: a query with all pages of each result set, `{"items":{"a":[…],…}}`. A page is as
 *     long as the set's `limit` in `with` says; what starts from a set is read through for each page of that. `limit` is how
 *     many are wanted of each set; `more` then names the sets of which there is more.
 *   - `data_modeling.instances.sync_all`: all changes since `cursors`, or at least `limit`, with `nextCursor` for the next time.
 *   - `sequences.data.retrieve` (all rows, or `limit`) and `sequences.data.delete_range` (`start`, `end`).
 *   - `transformations.run_and_wait`, `functions.call_and_wait`, `workflows.executions.run_and_wait`: looks every
 *     `pollMs` (1000) until the job has ended, well or not, and gives what the service says of it. When the wait is cut
 *     short the error's `extra` has the `job`, which goes on.
 *
 * An operation that writes items attempts all of them even if some fail, unless order forbids it. If not all succeeded, the
 * error places each item (see cognite_error_json()) and the status is PARTIAL where some were applied.
 *
 *     {"name":"raw.rows.insert", "arguments":{"dbName":"db","tableName":"t","ensureParent":true,"items":[{"key":"a","columns":{}}]}}
 *
 * Requests are repeated as cognite_client_call() does, where the operation allows it.
 *
 * @param client     The client. Not NULL.
 * @param operation  What to do. Not NULL.
 * @param[out] out   The response. Not NULL.
 * @param[out] err   May be NULL. Exactly one of `*out` and `*err` is set.
 * @return `COGNITE_OK`, PARTIAL, and as cognite_client_call(); INVALID_ARGUMENT also for a name that does not exist (the nearest
 *         are told), DECODE also for a list that would never end.
 *
 * **Blocks:** on the network, until the deadline or `cancel`. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_operate(cognite_client *client,
                                      const cognite_operation *operation,
                                      cognite_response **out,
                                      cognite_error **err);

/**
 * cognite_client_operate() that tells its result later. The arguments are copied before this returns; nothing of the
 * caller's memory is needed afterwards.
 *
 * @param client     The client. Not NULL.
 * @param operation  What to do. Not NULL.
 * @param notify     Whom to tell. Not NULL.
 * @param[out] err   May be NULL; set when the operation is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_operate_async(cognite_client *client,
                                            const cognite_operation *operation,
                                            const cognite_notify *notify,
                                            cognite_error **err);

/**
 * Every operation there is, so that bindings and tools can be generated:
 *
 *     {"operations":[
 *       {"name":"assets.list","method":"POST","path":"/assets/list","shape":"list","defaultLimit":25,"pageSize":1000,
 *        "pages":true,"partitions":true,"retry":"read","budget":"general.read"},
 *       {"name":"raw.rows.insert","method":"POST","path":"/raw/dbs/{dbName}/tables/{tableName}/rows","shape":"items",
 *        "pathParameters":["dbName","tableName"],"itemsPerRequest":5000,"query":["ensureParent"],"retry":"again",
 *        "budget":"raw.write"},…]}
 *
 * `shape` is list, items, one, binary, upload or composite (then with `base` and `also`, no path); `identifiers` name what addresses an element; `ignoreUnknownIds` says
 * where it goes, if it is taken; `query` names the members of a POST's arguments that go into the query; `retry` is read
 * (changes nothing), again (twice is the same as once) or once; `version` is the `cdf-version` sent, if not the config's,
 * where it has `versionWhen` only if one of these arguments is given, or has this value (`"debug.includePlan=true"`);
 * `answers` what is asked for if not JSON. A path that begins with `//` lies below the base URL, with `@` on the host of
 * organizations, else below the project. What does not apply is absent.
 *
 * @param[out] out  A response whose body is the JSON. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_operations_json(cognite_response **out,
                                       cognite_error **err);

/**
 * Begins to read a list page by page: memory stays bounded, whatever its length.
 *
 * The operation is one of shape `list`, with the arguments of cognite_client_operate(), but without a limit all is read.
 * Its `timeout_ms` is for each page. With `partitions` that many parts are read side by side, and pages come in the order
 * in which they arrive; without, in the list's order.
 *
 * @param client      The client. Not NULL; may be freed before the pages are.
 * @param operation   What to read. Not NULL.
 * @param prefetch    Pages that are fetched before they are asked for, of each part read at the time: 0 to 16, usually 1
 *                    or 2. 0: only when asked for.
 * @param[out] pages  The pages. Not NULL.
 * @param[out] err    May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT. Nothing is asked of the service yet.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the pages. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_pages_new(cognite_client *client,
                                 const cognite_operation *operation,
                                 uint32_t prefetch,
                                 cognite_pages **pages,
                                 cognite_error **err);

/**
 * Waits for the next page.
 *
 * Its body is the service's answer, `{"items":[…],"nextCursor":"…"}`; cognite_response_item() gives its elements and
 * cognite_response_next_cursor() the place to resume from, also after an error. An error ends the pages: it is told again
 * by each further call.
 *
 * @param pages      The pages. Not NULL.
 * @param[out] page  The page. Not NULL.
 * @param[out] err   May be NULL. Exactly one of `*page` and `*err` is set.
 * @return `COGNITE_OK`; EMPTY after the last page; else as cognite_client_operate().
 *
 * **Blocks:** on the network, for as long as a page may take. **Threads:** any number; each page goes to one of them.
 * **Owns:** the caller the page. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_pages_next(cognite_pages *pages,
                                  cognite_response **page,
                                  cognite_error **err);

/**
 * cognite_pages_next() that tells its result later.
 *
 * @param pages     The pages. Not NULL; may be freed before the result is told: then it may be SHUTDOWN.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_pages_next_async(cognite_pages *pages,
                                        const cognite_notify *notify,
                                        cognite_error **err);

/**
 * Ends the reading and frees the pages. NULL does nothing.
 *
 * @param pages  The pages; not used afterwards. Pages handed out before stay valid.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the pages. **Since:** 0.1.0
 */
COGNITE_API void cognite_pages_free(cognite_pages *pages);

/**
 * Makes a file with content, or gives one that exists other content, and waits until the storage has it.
 *
 * Content from memory is sent as a whole; the service takes up to 5 GiB so. Content from a path is sent in parts: below 50
 * MiB one, else up to 250 of 50 MiB or more, as many side by side as the limit `files.upload` allows, each read from disk
 * while it is sent (`file_upload_chunk_size` at a time), and again for a repeat. The file must stay as it is meanwhile;
 * one that changes is not completed. Storages get neither the token nor other headers of the API. What fails is
 * repeated as cognite_client_call() does.
 *
 * The result is the file as the service told it before the content came (`uploaded` is false), without its links:
 *
 *     {"id":42,"name":"pump.pdf","uploaded":false,"createdTime":1700000000000,"lastUpdatedTime":1700000000000}
 *
 * An error that comes after the file was made or found says so in its `extra`: `step` is `content` or `complete`, `file` is
 * the file. Its content is then missing or the old one, unless cognite_error_in_doubt(); to send it again use
 * COGNITE_UPLOAD_EXISTING with the id. An error without `extra.step` came before: nothing was made, unless in doubt.
 *
 * @param client     The client. Not NULL.
 * @param upload     What to upload. Not NULL.
 * @param[out] out   The response. Not NULL.
 * @param[out] err   May be NULL. Exactly one of `*out` and `*err` is set.
 * @return `COGNITE_OK`; IO for a local file that cannot be read; ACCESS also for a 403 about the right to write files; API
 *         also for what the storage answers; else as cognite_client_call().
 *
 * **Blocks:** on network and disk, until the time is over or `cancel`. **Threads:** any number. **Owns:** the caller the
 * result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_upload(cognite_client *client,
                                     const cognite_upload *upload,
                                     cognite_response **out,
                                     cognite_error **err);

/**
 * cognite_client_upload() that tells its result later. The content in memory is copied before this returns; a local file is
 * read later, and must stay until then.
 *
 * @param client     The client. Not NULL.
 * @param upload     What to upload. Not NULL.
 * @param notify     Whom to tell. Not NULL.
 * @param[out] err   May be NULL; set when the upload is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_upload_async(cognite_client *client,
                                           const cognite_upload *upload,
                                           const cognite_notify *notify,
                                           cognite_error **err);

/**
 * Gets the content of a file and waits until it is there.
 *
 * Into memory: the response's body is the content, of `max_response_bytes` at most. Into a local file: the response is
 * `{"length":1234}`; the content is written to a file beside the one that is named (`.NAME.NUMBER.part`), which takes its
 * place when it is whole and on the disk. So there is never a part of it under the name, and what was there stays until
 * then; when the download fails or is cancelled the other file is removed.
 *
 * A content that breaks off is continued where it broke off if the storage says which version it is (ETag), else it is
 * begun anew. A link that has ended meanwhile is asked for again. The `extra` of an error has `step`: `content` where the
 * storage or the way to it failed.
 *
 * @param client     The client. Not NULL.
 * @param download   What to download. Not NULL.
 * @param[out] out   The response. Not NULL.
 * @param[out] err   May be NULL. Exactly one of `*out` and `*err` is set.
 * @return `COGNITE_OK`; NOT_FOUND for an unknown file; IO for a local file that cannot be written; API also for what the
 *         storage answers; DECODE also for content too large for memory; else as cognite_client_call().
 *
 * **Blocks:** on network and disk, until the time is over or `cancel`. **Threads:** any number. **Owns:** the caller the
 * result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_download(cognite_client *client,
                                       const cognite_download *download,
                                       cognite_response **out,
                                       cognite_error **err);

/**
 * cognite_client_download() that tells its result later.
 *
 * @param client     The client. Not NULL.
 * @param download   What to download. Not NULL.
 * @param notify     Whom to tell. Not NULL.
 * @param[out] err   May be NULL; set when the download is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_download_async(cognite_client *client,
                                             const cognite_download *download,
                                             const cognite_notify *notify,
                                             cognite_error **err);

/**
 * Begins an upload in parts that the program has in memory one after another: content larger than memory that lies in no
 * file. For a local file cognite_client_upload() is enough.
 *
 * Nothing is asked of the service yet; the first part does. Storages want parts of at least 5 MiB, but for the last.
 *
 * @param client          The client. Not NULL; may be freed before the upload is.
 * @param upload          Whose content it is; without content and path. Its time is for all parts together. Not NULL.
 * @param parts           How many parts there will be: 1 to 250.
 * @param[out] multipart  The upload. Not NULL.
 * @param[out] err        May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the upload. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_multipart_new(cognite_client *client,
                                     const cognite_upload *upload,
                                     uint32_t parts,
                                     cognite_multipart **multipart,
                                     cognite_error **err);

/**
 * Sends a part and waits until the storage has it. Parts go in any order, several at a time from several threads. One that
 * failed may be sent again; one that is there may not.
 *
 * @param multipart  The upload. Not NULL.
 * @param number     Which part, counted from 0.
 * @param content    Its bytes; NULL only with `content_len` 0.
 * @param content_len How many.
 * @param[out] out   `{"part":0}`. May be NULL.
 * @param[out] err   May be NULL. An error has `extra` as that of cognite_client_upload(), but never is in doubt because of
 *                   a part.
 * @return `COGNITE_OK`; INVALID_ARGUMENT also for a part that is there already; else as cognite_client_upload().
 *
 * **Blocks:** on the network, until the time is over or `cancel`. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_multipart_part(cognite_multipart *multipart,
                                      uint32_t number,
                                      const void *content,
                                      size_t content_len,
                                      cognite_response **out,
                                      cognite_error **err);

/**
 * cognite_multipart_part() that tells its result later. The part is copied before this returns.
 *
 * @param multipart  The upload. Not NULL; may be freed before the result is told.
 * @param number     Which part, counted from 0.
 * @param content    Its bytes; NULL only with `content_len` 0.
 * @param content_len How many.
 * @param notify     Whom to tell. Not NULL.
 * @param[out] err   May be NULL; set when the part is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_multipart_part_async(cognite_multipart *multipart,
                                            uint32_t number,
                                            const void *content,
                                            size_t content_len,
                                            const cognite_notify *notify,
                                            cognite_error **err);

/**
 * Makes the parts, all of which were sent, the content of the file, and waits for it. Without it they are nothing; the
 * service forgets them after a while.
 *
 * @param multipart  The upload. Not NULL.
 * @param[out] out   The file, as from cognite_client_upload(). Not NULL.
 * @param[out] err   May be NULL. Exactly one of `*out` and `*err` is set.
 * @return `COGNITE_OK`; INVALID_ARGUMENT also while a part is missing; else as cognite_client_upload().
 *
 * **Blocks:** on the network, until the time is over or `cancel`. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_multipart_complete(cognite_multipart *multipart,
                                          cognite_response **out,
                                          cognite_error **err);

/**
 * cognite_multipart_complete() that tells its result later.
 *
 * @param multipart  The upload. Not NULL; may be freed before the result is told.
 * @param notify     Whom to tell. Not NULL.
 * @param[out] err   May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_multipart_complete_async(cognite_multipart *multipart,
                                                const cognite_notify *notify,
                                                cognite_error **err);

/**
 * Frees an upload. NULL does nothing. Parts under way go on and are told; one that was not completed is no content.
 *
 * @param multipart  The upload; not used afterwards.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the upload. **Since:** 0.1.0
 */
COGNITE_API void cognite_multipart_free(cognite_multipart *multipart);

/**
 * Makes an empty collection.
 *
 * @return The collection, never NULL.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_API cognite_points *cognite_points_new(void);

/**
 * Adds datapoints of one series; all of them or none. Series may be added to in any order and any number of times.
 *
 * @param points    The collection. Not NULL.
 * @param column    Copied. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_points_add(cognite_points *points,
                                  const cognite_column *column,
                                  cognite_error **err);

/**
 * Adds good numbers of one series named by external id: the usual case of cognite_points_add().
 *
 * @param points         The collection. Not NULL.
 * @param external_id    The series. Not NULL.
 * @param timestamps_ms  `count` times, in milliseconds since 1970. NULL only with `count` 0.
 * @param values         `count` numbers. NULL only with `count` 0.
 * @param count          How many.
 * @param[out] err       May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_points_add_f64(cognite_points *points,
                                      const char *external_id,
                                      const int64_t *timestamps_ms,
                                      const double *values,
                                      size_t count,
                                      cognite_error **err);

/**
 * How many datapoints were collected.
 *
 * @param points  The collection; NULL gives 0.
 * @return The number.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint64_t cognite_points_count(const cognite_points *points);

/**
 * Empties a collection. Inserts that run keep what they were given.
 *
 * @param points  The collection; NULL does nothing.
 *
 * **Blocks:** no. **Threads:** one at a time. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API void cognite_points_clear(cognite_points *points);

/**
 * Frees a collection. NULL does nothing. Inserts that run go on and are told.
 *
 * @param points  The collection; not used afterwards.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the collection. **Since:** 0.1.0
 */
COGNITE_API void cognite_points_free(cognite_points *points);

/**
 * Turns times of another clock into milliseconds, always rounded down (also before 1970): no datapoint moves to a later
 * millisecond, and those in order stay so.
 *
 * @param unit                One of COGNITE_TIME_*.
 * @param times               `count` times. NULL only with `count` 0.
 * @param count               How many.
 * @param[out] timestamps_ms  Room for `count`; may be `times` itself. NULL only with `count` 0.
 * @param[out] err            May be NULL.
 * @return `COGNITE_OK`; INVALID_ARGUMENT for a time outside 1900 to 2099, and `timestamps_ms` is written up to there.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_points_times(uint32_t unit,
                                    const int64_t *times,
                                    size_t count,
                                    int64_t *timestamps_ms,
                                    cognite_error **err);

/**
 * The OPC UA status code, as CDF keeps it, of an OPC DA quality. The vendor's byte and the limit bits are left out.
 *
 * @param quality  The quality as OPC DA gives it, such as 0xC0 for good.
 * @return The status code.
 *
 * **Blocks:** no. **Threads:** any. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API uint32_t cognite_points_status_of_opc_da(uint32_t quality);

/**
 * Writes what was collected, and waits. The collection keeps it.
 *
 * It goes out in requests of at most 100,000 datapoints and 10,000 series, compressed, several at a time; of one series
 * each request only after the one before it was taken, so that a series has no gaps. A point that is there already is
 * overwritten. The response is `{"series":2,"points":300,"requests":1}`.
 *
 * With `options.create_missing` series that do not exist are made, and their datapoints written then. It says what they are
 * like besides their names and whether they are numeric, string or state: `timeSeries` for those named by external id, as
 * `time_series.create` takes them; `node` for those named as instances, with its `sources` or, without, as a
 * CogniteTimeSeries of `cdf_cdm`. Those named by id cannot be made. That somebody else makes them at the same time does no
 * harm. The response then has also the number of series made, the error in its `extra`: `{"series":2,…,"created":1}`.
 *
 *     {"timeSeries": {"unit": "bar", "isStep": false, "dataSetId": 5},
 *      "node": {"sources": [{"source": {"type": "view", "space": "…", "externalId": "…", "version": "…"}, "properties": {…}}]}}
 *
 * When requests fail, the others are made all the same (but not after a deadline, a cancel or a login that failed). The
 * status is PARTIAL if datapoints were written, else that of the first failure. The error's JSON then has the series in
 * four lists, `succeeded`, `failed`, `unknown` (in doubt) and `skipped` (not attempted); a series of which only the
 * first datapoints were written has their number:
 *
 *     {"status":8,…,"succeeded":[{"externalId":"a"}],"failed":[{"externalId":"b","pointsApplied":100000}],
 *      "unknown":[{"id":3}],"skipped":[]}
 *
 * @param client    The client. Not NULL.
 * @param points    What to write. Not NULL.
 * @param options   NULL: the usual.
 * @param[out] out  The response; NULL: not wanted.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, PARTIAL, or as cognite_client_call().
 *
 * **Blocks:** on the network, until the total timeout at most. **Threads:** any number on one client; one at a time on one
 * collection. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_points_insert(cognite_client *client,
                                     const cognite_points *points,
                                     const cognite_insert *options,
                                     cognite_response **out,
                                     cognite_error **err);

/**
 * cognite_points_insert() that tells its result later. The collection may be changed or freed at once.
 *
 * @param client    The client. Not NULL.
 * @param points    What to write. Not NULL.
 * @param options   NULL: the usual.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number on one client; one at a time on one collection. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_points_insert_async(cognite_client *client,
                                           const cognite_points *points,
                                           const cognite_insert *options,
                                           const cognite_notify *notify,
                                           cognite_error **err);

/**
 * Writes columns straight from the caller's memory, and waits: cognite_points_insert() without a collection. However many
 * datapoints there are, no more than a few megabytes are needed beside them: while requests are on their way, the next is
 * encoded from the columns on the calling thread.
 *
 * @param client    The client. Not NULL.
 * @param columns   `count` pointers, none NULL. Those of one series are taken in their order. NULL only with `count` 0.
 * @param count     How many.
 * @param options   NULL: the usual.
 * @param[out] out  The response; NULL: not wanted.
 * @param[out] err  May be NULL.
 * @return As cognite_points_insert().
 *
 * **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_points_insert_columns(cognite_client *client,
                                             const cognite_column *const *columns,
                                             size_t count,
                                             const cognite_insert *options,
                                             cognite_response **out,
                                             cognite_error **err);

/**
 * cognite_points_insert_columns() that tells its result later. The columns are copied before this returns.
 *
 * @param client    The client. Not NULL.
 * @param columns   `count` pointers, none NULL. Those of one series are taken in their order. NULL only with `count` 0.
 * @param count     How many.
 * @param options   NULL: the usual.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_points_insert_columns_async(cognite_client *client,
                                                   const cognite_column *const *columns,
                                                   size_t count,
                                                   const cognite_insert *options,
                                                   const cognite_notify *notify,
                                                   cognite_error **err);

/**
 * Deletes ranges of datapoints, and waits. Any number of them: 10,000 go into one request. Each has a start and an end, in
 * the forms of cognite_columns_read(); what is at the end stays. The response is `{"ranges":2,"requests":1}`; a failure
 * lists the series as cognite_points_insert() does.
 *
 *     {"items": [{"externalId": "a", "start": "1d-ago", "end": "now"}, {"id": 5, "start": 0, "end": 1700000000000}]}
 *
 * @param client    The client. Not NULL.
 * @param ranges    JSON text. Not NULL.
 * @param len       Its length in bytes.
 * @param limits    NULL: the client's.
 * @param[out] out  The response; NULL: not wanted.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, PARTIAL, NOT_FOUND, or as cognite_client_call().
 *
 * **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_points_delete(cognite_client *client,
                                     const char *ranges,
                                     size_t len,
                                     const cognite_limits *limits,
                                     cognite_response **out,
                                     cognite_error **err);

/**
 * cognite_points_delete() that tells its result later.
 *
 * @param client    The client. Not NULL.
 * @param ranges    JSON text. Not NULL.
 * @param len       Its length in bytes.
 * @param limits    NULL: the client's.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_points_delete_async(cognite_client *client,
                                           const char *ranges,
                                           size_t len,
                                           const cognite_limits *limits,
                                           const cognite_notify *notify,
                                           cognite_error **err);

/**
 * The columns that an asynchronous read brought. May be asked for any number of times; the memory is shared.
 *
 * @param response  A response of cognite_columns_read_async() or its like. Not NULL.
 * @param[out] out  The columns. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the result, which outlives the response. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_of(const cognite_response *response,
                                  cognite_columns **out,
                                  cognite_error **err);

/**
 * What a read had got before it failed. Each series has its datapoints up to the first that is missing; `complete` in
 * cognite_columns_info() says whether all are there.
 *
 * @param error     The error of a read. Not NULL.
 * @param[out] out  The columns. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`; INVALID_ARGUMENT when the error holds none.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the result, which outlives the error. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_of_error(const cognite_error *error,
                                        cognite_columns **out,
                                        cognite_error **err);

/**
 * How many series there are.
 *
 * @param columns  The columns; NULL gives 0.
 * @return The number.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API size_t cognite_columns_series(const cognite_columns *columns);

/**
 * What is known of a series besides its datapoints. `type` is numeric, string or state; `found` is false for one that does
 * not exist (only when unknown ones were to be ignored); `complete` when all datapoints asked for are here.
 *
 *     {"id":1,"externalId":"a","unit":"…","unitExternalId":"…","timeZone":"…","instanceId":{"space":"…","externalId":"…"},
 *      "type":"numeric","isString":false,"isStep":false,"found":true,"complete":true,"aggregates":["average"]}
 *
 * @param columns  The columns; NULL gives `{}`.
 * @param series   Which one, from 0.
 * @return JSON text, never NULL.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
 */
COGNITE_API
const char *cognite_columns_info(const cognite_columns *columns,
                                 size_t series);

/**
 * Which item of the query a series answers, from 0. In pages, columns hold only some of them.
 *
 * @param columns  The columns; NULL gives 0.
 * @param series   Which one, from 0.
 * @return The number of the item.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API size_t cognite_columns_item(const cognite_columns *columns, size_t series);

/**
 * The number of datapoints of a series: the length of its columns.
 *
 * @param columns  The columns; NULL gives 0.
 * @param series   Which one, from 0.
 * @return The number.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API size_t cognite_columns_count(const cognite_columns *columns, size_t series);

/**
 * The times of a series' datapoints, or the starts of its buckets, in milliseconds since 1970, ascending.
 *
 * @param columns  The columns, or NULL.
 * @param series   Which one, from 0.
 * @return The column; NULL when it is empty.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
 */
COGNITE_API const int64_t *cognite_columns_timestamps(const cognite_columns *columns, size_t series);

/**
 * Numbers: the values of a numeric series, or one aggregate. An aggregate that does not exist for a bucket is NaN. The two
 * that are datapoints are three columns each: `maxDatapoint` (the value), `maxDatapoint.timestamp`, `maxDatapoint.status`.
 *
 * @param columns    The columns, or NULL.
 * @param series     Which one, from 0.
 * @param aggregate  Its name as in cognite_columns_info(), such as `average`; NULL: the values.
 * @return The column; NULL when there is none.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
 */
COGNITE_API
const double *cognite_columns_numbers(const cognite_columns *columns,
                                      size_t series,
                                      const char *aggregate);

/**
 * What single states did in each bucket: the aggregates `stateCount`, `stateTransitions` and `stateDuration` (ms). A bucket
 * has an entry for each state that occurs in it or lasts into it: those of bucket `n` are numbers `buckets[n]` to
 * `buckets[n + 1] - 1` of this column, and of cognite_columns_text(), which has their names.
 *
 * @param columns       The columns, or NULL.
 * @param series        Which one, from 0.
 * @param aggregate     Its name; NULL: the numbers of the states.
 * @param[out] buckets  As many as there are buckets and one more; NULL when no bucket has an entry. May be NULL.
 * @return A number for each entry; NULL when there are none, and for what was not asked for.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
 */
COGNITE_API
const int64_t *cognite_columns_state_aggregates(const cognite_columns *columns,
                                                size_t series,
                                                const char *aggregate,
                                                const int64_t **buckets);

/**
 * The texts of a string series, or the names of states: value `n` lies from `offsets[n]` to `offsets[n + 1]`. Of aggregates
 * of single states a name for each entry, see cognite_columns_state_aggregates(); empty for one no longer in the set.
 *
 * @param columns       The columns, or NULL.
 * @param series        Which one, from 0.
 * @param[out] offsets  As many offsets as texts and one more; NULL when there are none. May be NULL.
 * @return UTF-8 without NULs between; NULL when there are none.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
 */
COGNITE_API
const char *cognite_columns_text(const cognite_columns *columns,
                                 size_t series,
                                 const int64_t **offsets);

/**
 * The numbers of states.
 *
 * @param columns  The columns, or NULL.
 * @param series   Which one, from 0.
 * @return The column; NULL when there is none.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
 */
COGNITE_API const int64_t *cognite_columns_states(const cognite_columns *columns, size_t series);

/**
 * The status codes of raw datapoints, as OPC UA has them.
 *
 * @param columns  The columns, or NULL.
 * @param series   Which one, from 0.
 * @return The column; NULL when all are good, and when the query did not include them.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
 */
COGNITE_API const uint32_t *cognite_columns_status_codes(const cognite_columns *columns, size_t series);

/**
 * Which values are there: a bit for each, from the low end of the first byte on; 0 for a missing one (whose number is NaN).
 *
 * @param columns  The columns, or NULL.
 * @param series   Which one, from 0.
 * @return The bits; NULL when all are there.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the columns; valid until they are freed. **Since:** 0.1.0
 */
COGNITE_API
const uint8_t *cognite_columns_validity(const cognite_columns *columns,
                                        size_t series);

/**
 * Writes columns as JSON in the service's own form, for programs that want text: one item for each series that exists, all its
 * datapoints in it, however many requests they took. Of an asynchronous read: cognite_columns_of() first. (The operation
 * `time_series.data.retrieve` asks once: it gives a page of each series, and its `nextCursor`.)
 *
 *     {"items":[{"id":1,"externalId":"a","unit":"bar","type":"numeric","isString":false,"isStep":false,"datapoints":[
 *        {"timestamp":1700000000000,"value":2.5},{"timestamp":1700000001000,"status":{"code":2147483648}}]}]}
 *
 * States have `numericValue` and `stringValue` instead of `value`; buckets have their aggregates by name, without those that
 * do not exist, `maxDatapoint` and its like as `{"timestamp":…,"value":…}`, those of single states in `stateAggregates`, a list.
 * Numbers that are not finite are `"NaN"`, `"Infinity"` and `"-Infinity"`. Status codes have no `symbol`, and interpolated
 * states no `stringValue`.
 *
 * @param columns   The columns. Not NULL.
 * @param[out] out  A response whose body is the JSON; cognite_response_item() gives one series. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the result, which outlives the columns. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_to_json(const cognite_columns *columns,
                                       cognite_response **out,
                                       cognite_error **err);

/**
 * Frees columns. NULL does nothing.
 *
 * @param columns  The columns; not used afterwards, nor anything borrowed from them.
 *
 * **Blocks:** no. **Threads:** one, no other using them. **Owns:** takes the columns. **Since:** 0.1.0
 */
COGNITE_API void cognite_columns_free(cognite_columns *columns);

/**
 * Reads datapoints or aggregates of any number of series into columns, and waits. The query is in the service's own words,
 * but without its limits: what does not fit into one answer is asked for piece by piece, several requests at a time.
 *
 *     {"items": [{"externalId": "a"}, {"id": 5, "limit": 10}, {"instanceId": {"space": "s", "externalId": "x"}}],
 *      "start": "2w-ago", "end": "now", "limit": null, "includeStatus": true, "ignoreBadDataPoints": false,
 *      "treatUncertainAsBad": true, "includeOutsidePoints": false, "ignoreUnknownIds": false,
 *      "targetUnit": "temperature:deg_c", "targetUnitSystem": "SI",
 *      "aggregates": ["average", "max"], "granularity": "15m", "timeZone": "Europe/Oslo"}
 *
 * What an item does not say is taken from beside the items; one series may stand there without any. Times are milliseconds
 * since 1970, `now`, distances (`30s-ago`, `2w-ahead`: s, m, h, d, w) or RFC 3339. Without a start it begins in 1970,
 * without an end it ends now, without a limit (or with null) everything is read. `now` is the same for all series.
 *
 * Granularities are a number and s, m, h, d, w, mo, q or y. Days and longer ones are those of the calendar of `timeZone`, so
 * a day may have 23 or 25 hours. How many datapoints there are is one bucket: `"aggregates": ["count"], "granularity": "100000d"`.
 *
 * When a request fails, the query fails; what was read until then is had with cognite_columns_of_error().
 *
 * @param client    The client. Not NULL.
 * @param query     JSON text. Not NULL.
 * @param len       Its length in bytes.
 * @param limits    NULL: the client's.
 * @param[out] out  The columns, with the series in the order of the query. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, NOT_FOUND (the error lists all that is missing), or as cognite_client_call().
 *
 * **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_read(cognite_client *client,
                                    const char *query,
                                    size_t len,
                                    const cognite_limits *limits,
                                    cognite_columns **out,
                                    cognite_error **err);

/**
 * cognite_columns_read() that tells its result later. The response is `{"series":2,"points":300}`; its columns are had with
 * cognite_columns_of().
 *
 * @param client    The client. Not NULL.
 * @param query     JSON text. Not NULL.
 * @param len       Its length in bytes.
 * @param limits    NULL: the client's.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_read_async(cognite_client *client,
                                          const char *query,
                                          size_t len,
                                          const cognite_limits *limits,
                                          const cognite_notify *notify,
                                          cognite_error **err);

/**
 * Reads the newest datapoint of each series before a time, and waits. A series without one has an empty column.
 *
 *     {"items": [{"externalId": "a"}, {"id": 5, "before": "1d-ago"}], "before": "now", "includeStatus": true,
 *      "ignoreBadDataPoints": false, "treatUncertainAsBad": true, "targetUnit": "…", "ignoreUnknownIds": false}
 *
 * When a request fails, the query fails; what the others brought is had with cognite_columns_of_error().
 *
 * @param client    The client. Not NULL.
 * @param query     JSON text, as for cognite_columns_read(). Not NULL.
 * @param len       Its length in bytes.
 * @param limits    NULL: the client's.
 * @param[out] out  The columns, with the series in the order of the query. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, NOT_FOUND, or as cognite_client_call().
 *
 * **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_read_latest(cognite_client *client,
                                           const char *query,
                                           size_t len,
                                           const cognite_limits *limits,
                                           cognite_columns **out,
                                           cognite_error **err);

/**
 * cognite_columns_read_latest() that tells its result later; as cognite_columns_read_async().
 *
 * @param client    The client. Not NULL.
 * @param query     JSON text. Not NULL.
 * @param len       Its length in bytes.
 * @param limits    NULL: the client's.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_read_latest_async(cognite_client *client,
                                                 const char *query,
                                                 size_t len,
                                                 const cognite_limits *limits,
                                                 const cognite_notify *notify,
                                                 cognite_error **err);

/**
 * Evaluates expressions over time series into columns of numbers, one for each expression, and waits. Pages of 10,000
 * datapoints follow one another until all are there; several expressions are evaluated at a time. A datapoint that cannot
 * be computed, such as one divided by zero, is missing.
 *
 *     {"items": [{"expression": "TS{externalId='a', aggregate='average', granularity='1h'} * 2", "limit": 500}],
 *      "start": "2w-ago", "end": "now", "timeZone": "Europe/Oslo"}
 *
 * What an item does not say is taken from beside the items, as for cognite_columns_read().
 *
 * @param client    The client. Not NULL.
 * @param query     JSON text. Not NULL.
 * @param len       Its length in bytes.
 * @param limits    NULL: the client's.
 * @param[out] out  The columns, in the order of the query. Not NULL.
 * @param[out] err  May be NULL.
 * @return As cognite_columns_read().
 *
 * **Blocks:** on the network, until the total timeout at most. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_read_synthetic(cognite_client *client,
                                              const char *query,
                                              size_t len,
                                              const cognite_limits *limits,
                                              cognite_columns **out,
                                              cognite_error **err);

/**
 * cognite_columns_read_synthetic() that tells its result later; as cognite_columns_read_async().
 *
 * @param client    The client. Not NULL.
 * @param query     JSON text. Not NULL.
 * @param len       Its length in bytes.
 * @param limits    NULL: the client's.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_read_synthetic_async(cognite_client *client,
                                                    const char *query,
                                                    size_t len,
                                                    const cognite_limits *limits,
                                                    const cognite_notify *notify,
                                                    cognite_error **err);

/**
 * Begins to read datapoints or aggregates page by page: memory stays bounded, however many there are.
 *
 * The query is that of cognite_columns_read(), without `includeOutsidePoints`. A page is what one request brings: up to
 * 100,000 datapoints or 10,000 buckets. Few series come one after the other; many begin together, several to a page. The
 * datapoints of one series come in the order of time, page after page, each once; cognite_columns_item() says which
 * item of the query a series of a page is. A series without datapoints is on no page. Where a range can be cut, its pages are read
 * side by side, as many at a time as are read ahead and the budget has room for.
 *
 * @param client      The client. Not NULL; may be freed before the pages are.
 * @param query       JSON text. Not NULL.
 * @param len         Its length in bytes.
 * @param prefetch    Pages that are read before they are asked for: 0 to 16. 0: only when asked for.
 * @param limits      NULL: the client's. The time is for each page.
 * @param[out] pages  The pages. Not NULL.
 * @param[out] err    May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT. Nothing is asked of the service yet.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the pages. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_pages_new(cognite_client *client,
                                         const char *query,
                                         size_t len,
                                         uint32_t prefetch,
                                         const cognite_limits *limits,
                                         cognite_columns_pages **pages,
                                         cognite_error **err);

/**
 * Waits for the next page. An error ends the pages: it is told again by each further call. (`complete` is false in every
 * page; the end is told by EMPTY.)
 *
 * @param pages         The pages. Not NULL.
 * @param[out] columns  The page. Not NULL.
 * @param[out] err      May be NULL. Exactly one of `*columns` and `*err` is set.
 * @return `COGNITE_OK`; EMPTY after the last page; NOT_FOUND, DECODE also for answers that repeat themselves or are not in
 *         order; else as cognite_client_call().
 *
 * **Blocks:** on the network, for as long as a page may take. **Threads:** any number; each page goes to one of them.
 * **Owns:** the caller the page. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_pages_next(cognite_columns_pages *pages,
                                          cognite_columns **columns,
                                          cognite_error **err);

/**
 * cognite_columns_pages_next() that tells its result later. The response is as for cognite_columns_read_async(); its
 * columns are had with cognite_columns_of().
 *
 * @param pages     The pages. Not NULL; may be freed before the result is told: then it may be SHUTDOWN.
 * @param notify    Whom to tell. Not NULL.
 * @param[out] err  May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_pages_next_async(cognite_columns_pages *pages,
                                                const cognite_notify *notify,
                                                cognite_error **err);

/**
 * Ends the reading and frees the pages. NULL does nothing.
 *
 * @param pages  The pages; not used afterwards. Columns handed out before stay valid.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the pages. **Since:** 0.1.0
 */
COGNITE_API void cognite_columns_pages_free(cognite_columns_pages *pages);

/**
 * Hands one series to Arrow as its C Data Interface has it: a record batch, which is a struct array, with a column each of
 *
 * - `timestamp`: timestamp[ms, UTC], never missing;
 * - `value`: float64 or large_utf8, with nulls where the value is missing; of states `numericValue` (int64) and
 *   `stringValue` (large_utf8);
 * - `status`: uint32, the codes as OPC UA has them, when the query included them (0: good) or one is not good;
 * - of aggregates instead of the two above each under its name: float64 with nulls where the bucket has none, except
 *   `maxDatapoint.timestamp` and its like (timestamp[ms, UTC]) and `maxDatapoint.status` (uint32);
 * - of aggregates of single states `stateAggregates`: large_list of struct of `numericValue` (int64), `stringValue`
 *   (large_utf8, empty for a state that is no longer in the set), and those that were asked for (int64).
 *
 * The schema's metadata has the series as cognite_columns_info() tells it, under the key `cognite`.
 *
 * Times, values, texts and missing marks are not copied. What is handed out shares them with `columns`, which may be freed
 * before or after; the last of both frees the memory. It may be called any number of times for one series.
 *
 * The two structs are the ones of the interface, so Arrow's own header may be included before or after this one. They are
 * moved to the caller, who calls their `release` once each (or hands them to an importer, such as pyarrow's
 * `RecordBatch._import_from_c`, which does). A child may be moved out, as the interface has it.
 *
 * @param columns      The columns. Not NULL.
 * @param series       Which one, from 0.
 * @param[out] schema  Overwritten; its `release` is NULL on failure. Not NULL.
 * @param[out] array   Overwritten; its `release` is NULL on failure. Not NULL.
 * @param[out] err     May be NULL.
 * @return `COGNITE_OK`; INVALID_ARGUMENT, also for a number past the last series.
 *
 * **Blocks:** no. **Threads:** any number; `release` may be called from any one thread. **Owns:** the caller both structs.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_columns_export_arrow(const cognite_columns *columns,
                                            size_t series,
                                            struct ArrowSchema *schema,
                                            struct ArrowArray *array,
                                            cognite_error **err);

/**
 * Begins to read what changes in the time series of a subscription. (To make, change and list subscriptions and their
 * members: cognite_client_operate() with `time_series.subscriptions.create` and its like.)
 *
 *     {"externalId": "s", "partitions": [0, {"index": 1, "cursor": "…"}], "limit": 100, "pollTimeoutSeconds": 5,
 *      "initializeCursors": "2d-ago", "includeStatus": false, "ignoreBadDataPoints": true, "treatUncertainAsBad": true}
 *
 * The partitions are those that this reader takes, 0 alone where nothing is said: of several machines each takes others, and
 * together they get everything. One that is given with the cursor kept of it goes on there; the others begin where
 * `initializeCursors` says, or with the oldest change that is kept.
 *
 * @param client             The client. Not NULL; may be freed before the reader is.
 * @param query              JSON text. Not NULL.
 * @param len                Its length in bytes.
 * @param limits             NULL: the client's. The time is for each step.
 * @param[out] subscription  The reader. Not NULL.
 * @param[out] err           May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT. Nothing is asked of the service yet.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the reader. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_subscription_new(cognite_client *client,
                                        const char *query,
                                        size_t len,
                                        const cognite_limits *limits,
                                        cognite_subscription **subscription,
                                        cognite_error **err);

/**
 * Waits for the next step: what changed since the step before, or nothing when nothing did for `pollTimeoutSeconds`. The
 * new and overwritten datapoints are in the columns, had with cognite_columns_of(): a series for each change, in the
 * order of changes, so one may be there several times, and its times need not ascend. The body tells the rest:
 *
 *     {"partitions":[{"index":0,"cursor":"…"}],"hasNext":false,"series":2,"points":300,
 *      "deletes":[{"series":1,"inclusiveBegin":0,"exclusiveEnd":1700000000000}],"added":[{"id":1,…}],"removed":[]}
 *
 * `hasNext`: there is more to be had at once. `deletes` name the series by its number in the columns; without an
 * `exclusiveEnd` all that follows was deleted.
 *
 * Keep the `partitions` where they survive, once what the step brought is safe, and give them to cognite_subscription_new()
 * the next time: then no change is lost, and those after the last kept step come once more. A step that failed is asked for
 * again by the next call.
 *
 * @param subscription  The reader. Not NULL.
 * @param[out] step     The step. Not NULL.
 * @param[out] err      May be NULL. Exactly one of `*step` and `*err` is set.
 * @return `COGNITE_OK`; DECODE also for an answer that does not go on; else as cognite_client_call().
 *
 * **Blocks:** on the network, for as long as a step may take. **Threads:** any number; each step goes to one of them.
 * **Owns:** the caller the step. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_subscription_next(cognite_subscription *subscription,
                                         cognite_response **step,
                                         cognite_error **err);

/**
 * cognite_subscription_next() that tells its result later.
 *
 * @param subscription  The reader. Not NULL; may be freed before the result is told.
 * @param notify        Whom to tell. Not NULL.
 * @param[out] err      May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_subscription_next_async(cognite_subscription *subscription,
                                               const cognite_notify *notify,
                                               cognite_error **err);

/**
 * Frees a reader. NULL does nothing. Steps that were asked for are told all the same.
 *
 * @param subscription  The reader; not used afterwards.
 *
 * **Blocks:** no. **Threads:** one, no other using it. **Owns:** takes the reader. **Since:** 0.1.0
 */
COGNITE_API void cognite_subscription_free(cognite_subscription *subscription);

/**
 * What the library holds in this process at this moment, of all clients and queues:
 * `{"accepted_calls":3,"queued_completions":0,"body_bytes":4096,"threads":3}`.
 *
 * `accepted_calls`: made and not finished. `queued_completions`: waiting in queues. `body_bytes`: bodies of requests under
 * way, of answers being read, and of responses that were not freed. `threads`: of the library.
 *
 * @param[out] out  A response whose body is the JSON. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_process_usage(cognite_response **out,
                                     cognite_error **err);

/**
 * What a client has done since it was made, as a JSON object:
 *
 *     {"project":"p",
 *      "requests":{"2xx":5,"4xx":0,…,"auth":0,"connection":0,"tls":0,"timeout":0,"decode":0,"cancelled":0,"other":0},
 *      "attempts":6, "retries":{"429":1,…,"connection":0,"idle_timeout":0,"token_refused":0},
 *      "sent_bytes":120, "received_bytes":3100,         bodies as they were on the wire
 *      "token_refreshes":1, "token_failures":0,
 *      "accepted":0, "in_flight":0,                     now
 *      "pool_waits":0, "pool_waiting":0, "pool_wait_seconds":0.0,
 *      "throttled":{"general.read":{"refused":3,"accepted":900,"per_second":49.5}},
 *      "concurrency":{"raw.write":{"limit":2,"held":2,"waiting":7}},
 *      "request_seconds":{"count":5,"sum_seconds":0.3,"buckets":[{"le":0.001,"count":0},…,{"le":null,"count":5}]},
 *      "attempt_seconds":{…}}
 *
 * `throttled` has the kinds of requests that were refused with 429, with the pace kept now (null: none), `concurrency` those
 * that have a limit (cognite_global_set_concurrency()); both are shared by all clients of the project.
 * `requests` counts calls that ended, by the class of the answer or by what went wrong; `request_seconds` is the time of
 * calls with repeats and pauses, `attempt_seconds` that of single requests. The numbers are not taken at one instant.
 *
 * @param client    The client. Not NULL.
 * @param[out] out  A response whose body is the JSON. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_metrics(const cognite_client *client,
                                      cognite_response **out,
                                      cognite_error **err);

/**
 * The numbers of cognite_client_metrics() as a page for Prometheus (text format 0.0.4), each with the label `project`:
 * `cognite_requests_total{outcome}`, `cognite_attempts_total`, `cognite_retries_total{reason}`,
 * `cognite_sent_bytes_total`, `cognite_received_bytes_total`, `cognite_token_refreshes_total`,
 * `cognite_token_failures_total`, `cognite_accepted_calls`, `cognite_in_flight_requests`, `cognite_pool_waits_total`,
 * `cognite_pool_waiting`, `cognite_pool_wait_seconds_total`, `cognite_throttle_refused_total{kind}`,
 * `cognite_throttle_requests_per_second{kind}`, `cognite_concurrency_limit{kind}`, `cognite_concurrency_held{kind}`,
 * `cognite_concurrency_waiting{kind}`, and the histograms `cognite_request_duration_seconds` and
 * `cognite_attempt_duration_seconds`. The library opens no port: serve the text, or write it to a file.
 *
 * @param client    The client. Not NULL.
 * @param[out] out  A response whose body is the text. Not NULL.
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** the caller the result. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_metrics_prometheus(const cognite_client *client,
                                                 cognite_response **out,
                                                 cognite_error **err);

/**
 * Looks at everything between this program and its project, step by step, and says what is wrong and what to do:
 *
 *     {"ok":false,
 *      "checks":[{"name":"dns","ok":true,"detail":"api.example.com is 192.0.2.1","advice":"","elapsed_ms":3},…],
 *      "text":"ok       config  …\nFAILED   tcp  …\n           -> what to do\n"}
 *
 * The checks, in this order: `config`, `proxy`, `dns`, `tcp`, `tls` (issuer and end of the certificate), `token`,
 * `inspect` (`GET /api/v1/token/inspect`), `project` (`GET /api/v1/projects/{project}`), `clock` (against the server's
 * `Date`). `ok` of a check is null when it was left out, as it does not apply or an earlier one failed. `text` is for a
 * person. No secret is in either. A check that fails is a result, not an error.
 *
 * @param client      The client. Not NULL.
 * @param timeout_ms  For all of it; what is not done by then is said to have failed. 0: 30000.
 * @param[out] out    A response whose body is the JSON. Not NULL.
 * @param[out] err    May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** on the network, `timeout_ms` at most. **Threads:** any number. **Owns:** the caller the result.
 * **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_diagnose(cognite_client *client,
                                       uint64_t timeout_ms,
                                       cognite_response **out,
                                       cognite_error **err);

/**
 * cognite_client_diagnose() that tells its result later.
 *
 * @param client      The client. Not NULL.
 * @param timeout_ms  For all of it. 0: 30000.
 * @param notify      Whom to tell. Not NULL.
 * @param[out] err    May be NULL; set when the call is not accepted.
 * @return `COGNITE_OK`: accepted, told exactly once. Else, never told: INVALID_ARGUMENT, BUSY, SHUTDOWN.
 *
 * **Blocks:** no. **Threads:** any number. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_client_diagnose_async(cognite_client *client,
                                             uint64_t timeout_ms,
                                             const cognite_notify *notify,
                                             cognite_error **err);

/**
 * Sets who is given the library's log records, for the whole process. Each is a JSON object:
 *
 *     {"time_ms":1700000000000,"level":"debug","event":"request","message":"GET https://… 200 (1 attempts, 12 ms)",
 *      "method":"GET","url":"https://…","status":200,"attempts":1,"elapsed_us":12345,"request_id":"…",
 *      "sent_bytes":0,"received_bytes":310}
 *
 * Every record has the first four members. Events: `request` (a call that ended; failed ones have `error`, `cause`,
 * `in_doubt`), `retry` (`attempt`, `wait_ms`, `reason`, `url`), `token` (`ok`, `expires_in_s` or `error`), `warning`
 * (`setting`), `panic` (`place`). Clients with `debug` add `headers`, `payload`, `response_headers` and
 * `response_payload` to `request`, the payloads cut to 1000 characters. Secrets are masked in all of it: tokens,
 * passwords, secret headers and fields, signatures in URLs.
 *
 * Records wait in an inbox of 1024; when it is full the oldest is dropped, and the next one that is delivered has
 * `dropped`, the number. Records made before the first call of the process wait for it. cognite_shutdown() delivers what
 * waits before it returns; after that none comes until the library is used again.
 *
 * @param callback   Given the records; NULL: nobody, and what waits is dropped.
 * @param user_data  Handed to `callback` and `destroy`; the library does not look into it.
 * @param destroy    Called exactly once with `user_data` when it is no longer needed: also when this function fails, and
 *                   never while `callback` runs. May be NULL. Runs on the thread that replaces the callback, or if a
 *                   record is just being given to it on the callback thread after that.
 * @param level      The least important level wanted, COGNITE_LOG_ERROR to COGNITE_LOG_DEBUG; 0: COGNITE_LOG_INFO.
 * @param[out] err   May be NULL.
 * @return `COGNITE_OK`, INVALID_ARGUMENT (the callback that was there stays).
 *
 * **Blocks:** no. **Threads:** any number, also a callback. **Owns:** the library `user_data`. **Since:** 0.1.0
 */
COGNITE_CHECKED cognite_status cognite_log_set_callback(cognite_log_callback callback,
                                        void *user_data,
                                        cognite_destroy destroy,
                                        int32_t level,
                                        cognite_error **err);

/**
 * Ends all activity of the library in this process: refuses new calls, tells every call under way (SHUTDOWN), waits for
 * the callback that runs, and ends all threads. Afterwards no callback runs and no thread of the library exists. Handles
 * stay valid and must still be freed; the next call starts the library afresh.
 *
 * A program need not call this before it exits: at exit no new callback begins, and one that runs is waited for at most
 * one second. A plug-in host should call it before it unloads the plug-in.
 *
 * @param[out] err  May be NULL.
 * @return `COGNITE_OK`, also when nothing was running; WOULD_DEADLOCK from a callback; FORKED in a forked child.
 *
 * **Blocks:** until callbacks have returned; a host name look-up under way is waited for up to 30 s. **Threads:** any
 * number, not from a callback. **Owns:** nothing. **Since:** 0.1.0
 */
COGNITE_API cognite_status cognite_shutdown(cognite_error **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* COGNITE_COGNITE_H */
