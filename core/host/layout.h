/* The page layout (letter.so): opened when the worker makes its first letter; an engine a thread.
 */
#ifndef CAMPAIGND_HOST_LAYOUT_H
#define CAMPAIGND_HOST_LAYOUT_H

#include "base/buffer.h"
#include "base/error.h"
#include "report/letter.h"

struct layout;

/* `fd`: letter.so's copy; it stays open until layout_close. Nothing is loaded yet. */
struct layout *layout_open(int fd);
void layout_close(struct layout *layout); /* NULL is fine; no rendering may be under way */

/* [any thread] As letter_api's render. */
int layout_render(struct layout *layout, const struct letter_request *request, struct buffer *pdf,
                  struct error *error);

#endif
