#include "maildir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH_MAX 64
#define NAME_MAX_LENGTH 100

enum mail_end { MAIL_DONE, MAIL_FAILED, MAIL_DISCARDED, MAIL_DOUBTFUL };

struct mail {
    struct maildir *maildir;
    campaignd_task task;
    uint32_t attempt;
    GByteArray *message;
    char name[NAME_MAX_LENGTH];
    int file; /* while it is written */
    int ok;   /* begin()'s answer */
    enum mail_end end;
    char why[400];
};

struct maildir {
    const struct campaignd_host *host;
    const char *path;
    GQueue to_write;   /* of struct mail */
    GQueue to_release; /* of struct mail; begun, or not to be */
    GQueue writing;    /* what a pool thread has in hand; empty: none has */
    GQueue releasing;
};

static void write_next(struct maildir *maildir);
static void release_next(struct maildir *maildir);

static void finish(struct mail *mail)
{
    static const int32_t statuses[] = {[MAIL_DONE] = CAMPAIGND_DELIVERED,
                                       [MAIL_FAILED] = CAMPAIGND_DEFERRED,
                                       [MAIL_DISCARDED] = CAMPAIGND_DEFERRED,
                                       [MAIL_DOUBTFUL] = CAMPAIGND_UNKNOWN};
    int delivered = mail->end == MAIL_DONE;
    struct campaignd_outcome outcome = {.size = sizeof(outcome),
                                        .status = statuses[mail->end],
                                        .remote_id = delivered ? mail->name : NULL,
                                        .text = mail->why};
    mail->maildir->host->done(mail->task, &outcome);
    if (mail->message)
        g_byte_array_unref(mail->message);
    g_free(mail);
}

static void take_batch(GQueue *from, GQueue *batch)
{
    while (from->length && batch->length < BATCH_MAX)
        g_queue_push_tail(batch, g_queue_pop_head(from));
}

/* ---- on a pool thread: write ---- */

static void fail(struct mail *mail, enum mail_end end, const char *what, const char *where)
{
    mail->end = end;
    snprintf(mail->why, sizeof(mail->why), "cannot %s %.200s: %s", what, where, strerror(errno));
}

static char *place(const struct mail *mail, const char *folder)
{
    return g_build_filename(mail->maildir->path, folder, mail->name, NULL);
}

static int make_folders(const char *path)
{
    static const char *const folders[] = {"tmp", "new", "cur"};
    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *folder = g_build_filename(path, folders[i], NULL);
        if (g_mkdir_with_parents(folder, 0700) < 0)
            return -1;
    }
    return 0;
}

static int write_all(int file, const guint8 *data, size_t length)
{
    while (length) {
        ssize_t written = write(file, data, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        data += written;
        length -= (size_t)written;
    }
    return 0;
}

/* Mails in a Maildir have Unix lines. */
static void remove_carriage_returns(GByteArray *message)
{
    guint8 *to = message->data;
    for (guint i = 0; i < message->len; i++) {
        if (message->data[i] != '\r' || i + 1 == message->len || message->data[i + 1] != '\n')
            *to++ = message->data[i];
    }
    g_byte_array_set_size(message, (guint)(to - message->data));
}

static void write_mail(struct mail *mail)
{
    g_autofree char *path = place(mail, "tmp");
    remove_carriage_returns(mail->message);
    mail->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (mail->file < 0 && errno == ENOENT && make_folders(mail->maildir->path) == 0)
        mail->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (mail->file < 0) {
        fail(mail, MAIL_FAILED, "make", path);
        return;
    }
    if (write_all(mail->file, mail->message->data, mail->message->len) < 0) {
        fail(mail, MAIL_FAILED, "write", path);
        unlink(path);
    } else {
        sync_file_range(mail->file, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
}

static void sync_mail(struct mail *mail)
{
    if (mail->file < 0)
        return;
    if (mail->end == MAIL_DONE && fsync(mail->file) < 0) {
        g_autofree char *path = place(mail, "tmp");
        fail(mail, MAIL_FAILED, "sync", path);
        unlink(path);
    }
    close(mail->file);
    g_byte_array_unref(mail->message);
    mail->message = NULL;
}

/* All are written before the first is synced, so that the disk takes them together. */
static void write_batch(void *context)
{
    struct maildir *maildir = context;
    for (GList *link = maildir->writing.head; link; link = link->next)
        write_mail(link->data);
    for (GList *link = maildir->writing.head; link; link = link->next)
        sync_mail(link->data);
}

/* ---- on a pool thread: release ---- */

/* A mail reader has moved the first one on to cur/: NAME, or NAME:2,FLAGS. */
static int is_read_already(const struct mail *mail)
{
    g_autofree char *path = g_build_filename(mail->maildir->path, "cur", NULL);
    DIR *folder = opendir(path);
    size_t length = strlen(mail->name);
    int found = 0;
    while (folder && !found) {
        const struct dirent *entry = readdir(folder);
        if (!entry)
            break;
        found = !strncmp(entry->d_name, mail->name, length) &&
                (!entry->d_name[length] || entry->d_name[length] == ':');
    }
    if (folder)
        closedir(folder);
    return found;
}

static void release_mail(struct mail *mail)
{
    g_autofree char *from = place(mail, "tmp");
    g_autofree char *to = place(mail, "new");
    if (!mail->ok || (mail->attempt > 1 && is_read_already(mail))) {
        unlink(from);
        mail->end = mail->ok ? MAIL_DONE : MAIL_DISCARDED;
        snprintf(mail->why, sizeof(mail->why), "%s",
                 mail->ok ? "it was there already" : "taken back before it was delivered");
    } else if (rename(from, to) < 0) {
        fail(mail, MAIL_FAILED, "make", to);
    } else {
        snprintf(mail->why, sizeof(mail->why), "in the Maildir");
    }
}

static void release_batch(void *context)
{
    struct maildir *maildir = context;
    for (GList *link = maildir->releasing.head; link; link = link->next)
        release_mail(link->data);
    g_autofree char *path = g_build_filename(maildir->path, "new", NULL);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || fsync(folder) < 0) {
        for (GList *link = maildir->releasing.head; link; link = link->next) {
            struct mail *mail = link->data;
            if (mail->end == MAIL_DONE)
                fail(mail, MAIL_DOUBTFUL, "sync", path);
        }
    }
    if (folder >= 0)
        close(folder);
}

/* ---- on the loop ---- */

static void on_released(void *context)
{
    struct maildir *maildir = context;
    GQueue finished = maildir->releasing;
    g_queue_init(&maildir->releasing);
    for (struct mail *mail; (mail = g_queue_pop_head(&finished));)
        finish(mail);
    release_next(maildir);
}

static void release_next(struct maildir *maildir)
{
    if (maildir->releasing.length || !maildir->to_release.length)
        return;
    take_batch(&maildir->to_release, &maildir->releasing);
    maildir->host->thread(release_batch, on_released, maildir);
}

static void on_begun(void *context, int32_t ok)
{
    struct mail *mail = context;
    mail->ok = ok;
    g_queue_push_tail(&mail->maildir->to_release, mail);
    release_next(mail->maildir);
}

static void on_written(void *context)
{
    struct maildir *maildir = context;
    GQueue written = maildir->writing;
    g_queue_init(&maildir->writing);
    for (struct mail *mail; (mail = g_queue_pop_head(&written));) {
        if (mail->end == MAIL_DONE)
            maildir->host->begin(mail->task, on_begun, mail);
        else
            finish(mail);
    }
    write_next(maildir);
}

static void write_next(struct maildir *maildir)
{
    if (maildir->writing.length || !maildir->to_write.length)
        return;
    take_batch(&maildir->to_write, &maildir->writing);
    maildir->host->thread(write_batch, on_written, maildir);
}

struct maildir *maildir_new(const struct campaignd_host *host, const char *path)
{
    struct maildir *maildir = g_new0(struct maildir, 1);
    maildir->host = host;
    maildir->path = path;
    return maildir;
}

void maildir_free(struct maildir *maildir)
{
    g_free(maildir);
}

void maildir_send(struct maildir *maildir, campaignd_task task, GByteArray *message)
{
    struct mail *mail = g_new0(struct mail, 1);
    mail->maildir = maildir;
    mail->task = task;
    mail->attempt = maildir->host->attempt(task);
    mail->message = message;
    mail->file = -1;
    snprintf(mail->name, sizeof(mail->name), "%.64s.campaignd",
             maildir->host->idempotency_key(task));
    g_queue_push_tail(&maildir->to_write, mail);
    write_next(maildir);
}

void maildir_cancel(struct maildir *maildir, campaignd_task task)
{
    for (GList *link = maildir->to_write.head; link; link = link->next) {
        struct mail *mail = link->data;
        if (mail->task != task)
            continue;
        g_queue_delete_link(&maildir->to_write, link);
        mail->end = MAIL_DISCARDED;
        snprintf(mail->why, sizeof(mail->why), "taken back before it was delivered");
        finish(mail);
        return;
    }
}
