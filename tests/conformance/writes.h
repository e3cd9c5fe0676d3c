/* create, update, upsert, delete: the vectors' words as operations of the library. */
#ifndef CONFORMANCE_WRITES_H
#define CONFORMANCE_WRITES_H

#include <cognite/cognite.h>

#include "json.h"
#include "text.h"

int is_write(const char *op);
void write_items(text *t, cognite_client *client, const char *op, const doc *d, int call);

#endif
