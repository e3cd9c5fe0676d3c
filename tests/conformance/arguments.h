/* Arguments of an operation being put together from those of a call: members of one object. */
#ifndef CONFORMANCE_ARGUMENTS_H
#define CONFORMANCE_ARGUMENTS_H

#include "json.h"

typedef struct arguments {
  text t;
} arguments;

void begin(arguments *a, const char *name);
void constant(arguments *a, const char *name, const char *json);
/* A member of the call under the API's name, if it is given. */
int hand_on(arguments *a, const doc *d, int call, const char *theirs, const char *ours);

/* The same; a single text or object is the list of it. */
void hand_on_list(arguments *a, const doc *d, int call, const char *theirs, const char *ours);

/* A filter of instances, and the spaces they have to be in. */
void instance_filter(arguments *a, const doc *d, int call);
void instance_type(arguments *a, const doc *d, int call);
/* An object with a member of that name, which is added where it is missing. */
void add_with(text *t, const doc *d, int object, const char *name, const char *json);

void search_arguments(arguments *a, const doc *d, int call, const char *resource);
void aggregate_arguments(arguments *a, const doc *d, int call, const char *resource);

#endif
