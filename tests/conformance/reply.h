/* What the library gave, in the words of the vectors. */
#ifndef CONFORMANCE_REPLY_H
#define CONFORMANCE_REPLY_H

#include <cognite/cognite.h>

#include "json.h"
#include "text.h"

void add_response(text *t, const cognite_response *response);
void add_error(text *t, const cognite_error *error); /* {"kind": ...} */

/* As they were sent, by their bare identifiers, as those of a retrieve; items, or those that are missing, in Python's words. */
typedef enum manner { WHOLE, BARE, READ, SNAKE_ITEMS, SNAKE_MISSING } manner;
void add_item_error(text *t, const cognite_error *error, manner how); /* how its items are told */
void add_instances(text *t, const doc *d, int items); /* nodes first, then edges, as the reference tells them */
void add_config(text *t, const cognite_config *config, const doc *given, int given_value);

#endif
