/* A worker's log: what was written is read back, and whatever was done to it is noticed. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "wire/tasklog.h"

#define SEGMENT 4096
#define HEADER 80
#define RECORD 56

struct fixture {
    char folder[64];
    char *prefix;
    struct tasklog_identity identity;
    struct tasklog *log;
};

static struct tasklog_identity new_identity(unsigned char first)
{
    struct tasklog_identity identity = {.generation = 3};
    memset(identity.instance, first, sizeof identity.instance);
    assert_int_equal(tasklog_identify(&identity, NULL), 0);
    return identity;
}

static int set_up(void **state)
{
    struct fixture *is = memory_new(sizeof *is);
    struct error error;
    strcpy(is->folder, "/tmp/test_tasklog.XXXXXX");
    assert_non_null(mkdtemp(is->folder));
    is->prefix = memory_format("%s/abc", is->folder);
    is->identity = new_identity(7);
    is->log = tasklog_open(is->prefix, &is->identity, SEGMENT, &error);
    assert_non_null(is->log);
    *state = is;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *is = *state;
    struct error error = {0};
    tasklog_close(is->log);
    tasklog_remove(is->prefix, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(rmdir(is->folder), 0); /* all its files are gone */
    free(is->prefix);
    free(is);
    return 0;
}

static void close_log(struct fixture *is)
{
    tasklog_close(is->log);
    is->log = NULL;
}

static char *segment(const struct fixture *is, unsigned number)
{
    return memory_format("%s.%06u", is->prefix, number);
}

static struct tasklog_task task(uint64_t ordinal)
{
    return (struct tasklog_task){
        .claim = UINT64_C(5) << 32 | 9, .ordinal = ordinal, .run = 5, .step = 2, .attempt = 1};
}

static void begin(struct fixture *is, uint64_t ordinal)
{
    struct tasklog_task one = task(ordinal);
    struct error error;
    assert_int_equal(tasklog_begin(is->log, &one, &error), 0);
}

static uint64_t begin_and_end(struct fixture *is, uint64_t ordinal, const char *outcome)
{
    struct tasklog_task one = task(ordinal);
    struct error error;
    uint64_t sequence;
    assert_int_equal(tasklog_begin(is->log, &one, &error), 0);
    assert_int_equal(tasklog_end(is->log, &one, outcome, strlen(outcome) + 1, &sequence, &error),
                     0);
    return sequence;
}

/* What was read, as a line: "b1 b2 e1:outcome " */
struct found {
    char text[8192];
    size_t records;
};

static void note(void *context, enum tasklog_record type, const struct tasklog_task *one,
                 const void *outcome, size_t size)
{
    struct found *found = context;
    size_t used = strlen(found->text);
    found->records++;
    assert_int_equal(one->claim, UINT64_C(5) << 32 | 9);
    assert_int_equal(one->step, 2);
    snprintf(found->text + used, sizeof found->text - used, "%c%llu%s%.*s ",
             type == TASKLOG_BEGIN ? 'b' : 'e', (unsigned long long)one->ordinal, size ? ":" : "",
             (int)size, size ? (const char *)outcome : "");
}

static int read_log(struct fixture *is, uint32_t low, uint32_t high, struct found *found,
                    struct error *error)
{
    *found = (struct found){0};
    return tasklog_read(is->prefix, &is->identity, low, high, note, found, error);
}

static void assert_doubt(struct fixture *is, uint32_t low, uint32_t high, const char *records,
                         const char *reason)
{
    struct found found;
    struct error error;
    assert_int_equal(read_log(is, low, high, &found, &error), -1);
    assert_string_equal(found.text, records);
    assert_non_null(strstr(error.message, reason));
}

/* ---- whole logs ---- */

static void what_was_written_is_read_in_its_order(void **state)
{
    struct fixture *is = *state;
    struct found found;
    struct error error;
    begin(is, 1);
    begin(is, 2);
    assert_int_equal(begin_and_end(is, 3, "good"), 1);
    assert_int_equal(tasklog_sync(is->log, &error), 0);
    assert_int_equal(begin_and_end(is, 4, ""), 2);
    close_log(is);
    assert_int_equal(read_log(is, 1, 1, &found, &error), 0);
    assert_string_equal(found.text, "b1 b2 b3 e3:good b4 e4: ");
}

static void an_empty_log_is_whole(void **state)
{
    struct found found;
    struct error error;
    close_log(*state);
    assert_int_equal(read_log(*state, 1, 1, &found, &error), 0);
    assert_int_equal(found.records, 0);
}

static void what_a_killed_process_wrote_is_there_without_a_sync(void **state)
{
    struct fixture *is = *state;
    struct found found;
    struct error error;
    pid_t child = fork();
    if (child == 0) {
        begin(is, 1);
        begin_and_end(is, 2, "good");
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(read_log(is, 1, 1, &found, &error), 0);
    assert_string_equal(found.text, "b1 b2 e2:good ");
}

/* ---- the lock ---- */

static void the_lock_is_held_until_the_log_is_closed(void **state)
{
    struct fixture *is = *state;
    struct error error;
    int fd;
    assert_int_equal(tasklog_try_lock(is->prefix, &fd), TASKLOG_HELD);
    assert_null(tasklog_open(is->prefix, &is->identity, SEGMENT, &error));
    close_log(is);
    assert_int_equal(tasklog_try_lock(is->prefix, &fd), TASKLOG_FREE);
    file_close(&fd);
    FREE_CLEAN char *path = memory_format("%s.lock", is->prefix);
    unlink(path);
    assert_int_equal(tasklog_try_lock(is->prefix, &fd), TASKLOG_NO_LOCK_FILE);
}

/* ---- segments ---- */

/* Fill the present segment; how many begins that took. */
static unsigned fill(struct fixture *is, uint64_t first)
{
    struct error error;
    for (unsigned count = 0;; count++) {
        struct tasklog_task one = task(first + count);
        if (tasklog_begin(is->log, &one, &error) == 0)
            continue;
        assert_int_equal(error.code, ERROR_BUSY);
        return count;
    }
}

static void a_segment_is_written_when_it_is_granted(void **state)
{
    struct fixture *is = *state;
    struct found found;
    struct error error;
    uint32_t low, high;
    assert_false(tasklog_wants(is->log, &low, &high));
    unsigned count = fill(is, 1);
    assert_int_equal(count, (SEGMENT - HEADER) / RECORD);
    assert_true(tasklog_wants(is->log, &low, &high));
    assert_int_equal(low, 1);
    assert_int_equal(high, 2);
    assert_false(tasklog_wants(is->log, &low, &high)); /* said once */
    assert_int_equal(fill(is, 1000), 0);               /* it is there, but not granted */
    tasklog_grant(is->log, 1, 2);
    assert_int_equal(fill(is, 1000), count);
    close_log(is);
    assert_int_equal(read_log(is, 1, 2, &found, &error), 0);
    assert_int_equal(found.records, 2 * count);
}

/* Segment after segment of tasks that begin and end; the lowest goes when all in it is committed. */
static void segments_go_when_all_in_them_is_acknowledged(void **state)
{
    struct fixture *is = *state;
    uint32_t low, high;
    uint64_t sequence = 0, last = 0;
    while (!tasklog_wants(is->log, &low, &high))
        sequence = begin_and_end(is, ++last, "good");
    tasklog_grant(is->log, low, high);
    struct tasklog_task open = task(++last);
    struct error error;
    assert_int_equal(tasklog_begin(is->log, &open, &error), 0); /* in segment 1, and does not end */
    while (!tasklog_wants(is->log, &low, &high))
        sequence = begin_and_end(is, ++last, "good");
    assert_int_equal(low, 1);
    assert_int_equal(high, 3);
    tasklog_grant(is->log, low, high);
    tasklog_acknowledge(is->log, sequence);
    assert_false(tasklog_wants(is->log, &low, &high)); /* one of its tasks is under way */
    assert_int_equal(tasklog_end(is->log, &open, "late", 5, &sequence, &error), 0);
    assert_false(tasklog_wants(is->log, &low, &high)); /* and its end is not committed */
    tasklog_acknowledge(is->log, sequence - 1);
    assert_false(tasklog_wants(is->log, &low, &high));
    tasklog_acknowledge(is->log, sequence);
    assert_true(tasklog_wants(is->log, &low, &high));
    assert_int_equal(low, 2);
    FREE_CLEAN char *first = segment(is, 1);
    assert_int_equal(access(first, F_OK), 0); /* until the core has committed the new bounds */
    tasklog_grant(is->log, low, high);
    assert_int_equal(access(first, F_OK), -1);
    close_log(is);
    struct found found;
    assert_int_equal(read_log(is, 2, 3, &found, &error), 0);
}

static void a_missing_segment_is_noticed(void **state)
{
    struct fixture *is = *state;
    uint32_t low, high;
    unsigned count = fill(is, 1);
    assert_true(tasklog_wants(is->log, &low, &high));
    tasklog_grant(is->log, low, high);
    begin(is, 500);
    close_log(is);
    FREE_CLEAN char *first = segment(is, 1);
    unlink(first);
    assert_doubt(is, 1, 2, "b500 ", "is missing"); /* what the other says is true all the same */
    assert_true(count > 1);
}

/* ---- what was done to it ---- */

static void write_at(struct fixture *is, off_t offset, const void *data, size_t size)
{
    FREE_CLEAN char *path = segment(is, 1);
    FD_CLEAN int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, size, offset), size);
}

static void a_cut_log_is_noticed(void **state)
{
    struct fixture *is = *state;
    FREE_CLEAN char *path = segment(is, 1);
    begin(is, 1);
    begin(is, 2);
    close_log(is);
    assert_int_equal(truncate(path, SEGMENT - 8), 0);
    assert_doubt(is, 1, 1, "b1 b2 ", "was cut");
    assert_int_equal(truncate(path, HEADER + RECORD + 8), 0);
    assert_doubt(is, 1, 1, "b1 ", "was cut");
    assert_int_equal(truncate(path, 10), 0);
    assert_doubt(is, 1, 1, "", "was cut");
    assert_int_equal(truncate(path, 0), 0);
    assert_doubt(is, 1, 1, "", "was cut");
}

static void a_changed_record_is_noticed(void **state)
{
    struct fixture *is = *state;
    for (uint64_t i = 1; i <= 5; i++)
        begin(is, i);
    close_log(is);
    write_at(is, HEADER + 2 * RECORD + 20, "x", 1);
    assert_doubt(is, 1, 1, "b1 b2 ", "is damaged");
}

static void a_record_that_was_emptied_is_noticed(void **state)
{
    struct fixture *is = *state;
    static const char nothing[RECORD];
    for (uint64_t i = 1; i <= 5; i++)
        begin(is, i);
    close_log(is);
    write_at(is, HEADER + 2 * RECORD, nothing, sizeof nothing);
    assert_doubt(is, 1, 1, "b1 b2 ", "is damaged");
}

static void a_torn_record_after_a_loss_of_power_is_the_end(void **state)
{
    struct fixture *is = *state;
    struct found found;
    struct error error;
    struct tasklog_identity before = is->identity;
    close_log(is);
    tasklog_remove(is->prefix, &error);
    before.boot[0] ^= 0xff; /* another boot of the machine wrote it */
    is->identity = before;
    is->log = tasklog_open(is->prefix, &before, SEGMENT, &error);
    assert_non_null(is->log);
    for (uint64_t i = 1; i <= 5; i++)
        begin(is, i);
    close_log(is);
    write_at(is, HEADER + 2 * RECORD + 20, "x", 1);
    assert_int_equal(read_log(is, 1, 1, &found, &error), 0);
    assert_string_equal(found.text, "b1 b2 ");
}

static void another_logs_segment_is_noticed(void **state)
{
    struct fixture *is = *state;
    struct error error;
    FREE_CLEAN char *other_prefix = memory_format("%s/abd", is->folder);
    FREE_CLEAN char *mine = segment(is, 1), *theirs = memory_format("%s.000001", other_prefix);
    struct tasklog_identity other = new_identity(8);
    struct tasklog *log = tasklog_open(other_prefix, &other, SEGMENT, &error);
    struct tasklog_task one = task(77);
    assert_int_equal(tasklog_begin(log, &one, &error), 0);
    tasklog_close(log);
    begin(is, 1);
    close_log(is);
    assert_int_equal(rename(theirs, mine), 0);
    assert_doubt(is, 1, 1, "",
                 "not what this instance wrote"); /* and none of its records is taken */
    tasklog_remove(other_prefix, &error);
}

static void another_logs_record_is_none_of_ours(void **state)
{
    struct fixture *is = *state;
    struct error error;
    FREE_CLEAN char *other_prefix = memory_format("%s/abd", is->folder);
    FREE_CLEAN char *theirs = memory_format("%s.000001", other_prefix);
    struct tasklog_identity other = new_identity(8);
    struct tasklog *log = tasklog_open(other_prefix, &other, SEGMENT, &error);
    struct tasklog_task one = task(77);
    char record[RECORD];
    assert_int_equal(tasklog_begin(log, &one, &error), 0);
    tasklog_close(log);
    FD_CLEAN int fd = open(theirs, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, record, sizeof record, HEADER), sizeof record);
    begin(is, 1);
    close_log(is);
    write_at(is, HEADER + RECORD, record, sizeof record);
    assert_doubt(is, 1, 1, "b1 ", "is damaged");
    tasklog_remove(other_prefix, &error);
}

static void an_older_log_of_the_same_name_is_noticed(void **state)
{
    struct fixture *is = *state;
    begin(is, 1);
    close_log(is);
    is->identity.pid++;
    assert_doubt(is, 1, 1, "b1 ", "another worker");
    is->identity.pid--;
    is->identity.pid_start++;
    assert_doubt(is, 1, 1, "b1 ", "another worker");
}

static void an_outcome_that_is_too_large_still_has_its_number(void **state)
{
    struct fixture *is = *state;
    struct tasklog_task one = task(1);
    struct error error;
    uint64_t sequence = 0;
    char large[SEGMENT] = {0};
    assert_int_equal(tasklog_begin(is->log, &one, &error), 0);
    assert_int_equal(tasklog_end(is->log, &one, large, sizeof large, &sequence, &error), -1);
    assert_int_equal(sequence, 1);
    assert_int_equal(begin_and_end(is, 2, "good"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_was_written_is_read_in_its_order),
        TEST(an_empty_log_is_whole),
        TEST(what_a_killed_process_wrote_is_there_without_a_sync),
        TEST(the_lock_is_held_until_the_log_is_closed),
        TEST(a_segment_is_written_when_it_is_granted),
        TEST(segments_go_when_all_in_them_is_acknowledged),
        TEST(a_missing_segment_is_noticed),
        TEST(a_cut_log_is_noticed),
        TEST(a_changed_record_is_noticed),
        TEST(a_record_that_was_emptied_is_noticed),
        TEST(a_torn_record_after_a_loss_of_power_is_the_end),
        TEST(another_logs_segment_is_noticed),
        TEST(another_logs_record_is_none_of_ours),
        TEST(an_older_log_of_the_same_name_is_noticed),
        TEST(an_outcome_that_is_too_large_still_has_its_number),
    };
    return cmocka_run_group_tests_name("tasklog", tests, NULL, NULL);
}
