/* list, retrieve, search, aggregate: the vectors' words as operations of the library. */
#ifndef CONFORMANCE_OPERATIONS_H
#define CONFORMANCE_OPERATIONS_H

#include <cognite/cognite.h>

#include "json.h"
#include "text.h"

int is_read(const char *op);
void read_items(text *t, cognite_client *client, const char *op, const doc *d, int call);

#endif
