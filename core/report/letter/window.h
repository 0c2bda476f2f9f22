/* The address field of a window envelope: what stands in it must be seen through the window. */
#ifndef CAMPAIGND_REPORT_LETTER_WINDOW_H
#define CAMPAIGND_REPORT_LETTER_WINDOW_H

#include "report/letter/flow.h"

#define WINDOW_WIDTH MM(75) /* of the text: 5 mm stay free on either side */

/* Lay out the address. It is set smaller, down to 9 pt, until its lines fit; one that does not even
 * then is continued on the next line, with a warning. More than six lines, or none, is an error. */
int window_address(struct job *job, struct flow *flow, struct block *address);

/* Lay out the return line, smaller, down to 6 pt, until it fits; if it does not, that is an error.
 */
int window_return_line(struct job *job, struct flow *flow, struct block *line);

#endif
