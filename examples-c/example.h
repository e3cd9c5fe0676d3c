/* example.h - what the examples share: a client made from environment variables, and one way to print an error.
 *
 *   COGNITE_BASE_URL   for example https://westeurope-1.cognitedata.com
 *   COGNITE_PROJECT    the name of the CDF project
 *   COGNITE_TOKEN      a bearer token, or instead of it all of:
 *   COGNITE_TOKEN_URL, COGNITE_CLIENT_ID, COGNITE_CLIENT_SECRET, COGNITE_SCOPES (several: separated by spaces) */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <cognite/cognite.h>
#include <stddef.h>

/* A client that calls itself `name`. Prints what is wrong and returns NULL when it cannot be made. */
cognite_client *example_client(const char *name);

/* Writes "/api/v1/projects/<COGNITE_PROJECT><path>" into `url`. Ends the program when that does not fit. */
void example_url(char *url, size_t size, const char *path);

/* Carries out an operation with printf-like arguments (a JSON object) and returns its result, to be freed. Prints what is
 * wrong and returns NULL when it fails. */
cognite_response *example_operate(cognite_client *client, const char *name, const char *arguments, ...);

/* Prints `what` and the beginning of the answer, which is freed; 0 when there is none. */
int example_step(const char *what, cognite_response *answer);

/* Prints "<what>: <message>" and the request id to stderr, frees `error`, and returns 1 (an exit status). */
int example_fail(const char *what, cognite_error *error);

#endif
