/* The operations of the vectors that are about datapoints. */
#ifndef CONFORMANCE_DATAPOINTS_H
#define CONFORMANCE_DATAPOINTS_H

#include <cognite/cognite.h>

#include "json.h"
#include "text.h"

/* Adds a RESULT to `t`; false: the operation is another's. */
int datapoints_call(text *t, cognite_client *client, const char *op, const doc *d, int call);

#endif
