/*
 * Puts mails into a Maildir, for rehearsals and for sites whose own software fetches them there.
 * Each is written and synced in tmp/, then begins, then is renamed into new/ under a name made of
 * the idempotency key: a repetition replaces it and cannot make a second one. Files are written and
 * synced many at a time on the host's pool threads.
 *
 * All functions on the loop thread.
 */
#ifndef EMAIL_MAILDIR_H
#define EMAIL_MAILDIR_H

#include <campaignd/action.h>

#include <glib.h>

struct maildir;

/* `path` must outlive it; the folders are made when the first mail comes. */
struct maildir *maildir_new(const struct campaignd_host *host, const char *path);
void maildir_free(struct maildir *maildir); /* when no mail is left */

/* Takes `message` over; ends with the task's done(). */
void maildir_send(struct maildir *maildir, campaignd_task task, GByteArray *message);

/* Give the task up if nothing was done for it yet. */
void maildir_cancel(struct maildir *maildir, campaignd_task task);

#endif
