/* What runner.c, dispatch.c, recovery.c, withdraw.c and recheck.c share. Nobody else includes this. */
#ifndef CAMPAIGND_RUN_INTERNAL_H
#define CAMPAIGND_RUN_INTERNAL_H

#include "run/journal.h"
#include "run/runner.h"

struct run {
    struct run *next; /* newest first */
    struct run_row row;
    struct journal *journal; /* NULL: not open */
    struct journal_step steps[JOURNAL_STEPS];
    size_t step_count;
    json_t *definition; /* while preparing; and of an open run what jobs are told */
    size_t pending;     /* store works under way that use the journal */
    bool closing;       /* nothing new may use the journal */
    bool preparing;     /* by this process */
    /* Its index row is past `preparing`. Before that nothing may be claimed: a core that is started
     * again prepares the run anew, with all tasks waiting. */
    bool indexed;
    int64_t next_due_us; /* of a deferred task; 0: ask */
    /* Up to which revision of the suppression list its recipients were looked at, and up to which
     * they must be before anything of it is dealt out: what was in the list when it was opened. */
    int64_t matched, must_match;
    int64_t match_again_us;   /* it failed: not before */
    char *match_trouble;      /* why it failed; NULL */
    struct recheck *rechecks; /* one a step; NULL: no step asks its source again */
    double rate_per_s;        /* ended tasks, smoothed */
    uint64_t rate_ended;      /* at the last tick */
    int64_t rate_at_us;
};

enum job_state { JOB_OPENING = 1, JOB_OPEN, JOB_FAILED };

struct job {
    uint32_t number;
    int64_t run;
    int step;
    enum job_state state;
    bool claiming; /* a claim is on its way through the store */
};

enum worker_state {
    WORKER_STARTING = 1,
    WORKER_STANDBY, /* accepted; its generation has not taken over yet */
    WORKER_READY,
    WORKER_RETIRED,
    WORKER_GONE
};

/* A frame of outcomes, until all its runs have committed it: acknowledged in order. */
struct unacknowledged {
    struct unacknowledged *next;
    uint64_t sequence;
    size_t works;
};

struct runner_worker {
    struct runner *runner;
    struct runner_worker *next;
    struct instance_row row;
    void *context;
    enum worker_state state;
    void (*accepted)(void *context, void *worker);
    struct job *jobs;
    size_t job_count;
    uint32_t next_job;
    uint64_t outstanding;
    int64_t turn;    /* the run that was served last */
    uint64_t window; /* tasks to have outstanding: about half a second's work */
    uint64_t ended_since;
    int64_t since_us;
    size_t pending; /* store works that point here */
    struct unacknowledged *first, **last;
};

struct runner {
    struct runner_options is;
    char *state_dir;
    struct run *runs;
    struct preparing *starting; /* asked for, and not in `runs` until the store has them */
    struct runner_worker *workers;
    struct runner_action *actions;
    size_t action_count;
    size_t recoveries; /* and salvages: what must end before the store may */
    bool salvaging, salvage_again;
    int64_t suppression; /* the list's revision, as far as we were told */
    bool matching;       /* a run is being looked at: one at a time */
    bool unopened;       /* a run's journal could not be opened: what logs say of it is kept */
    uv_timer_t tick;
    uv_idle_t soon; /* a dispatch is due */
    bool quiet;
    bool over;           /* the store is about to end: what is not settled is the next start's */
    int64_t retry_at_us; /* a claim failed: not before */
};

/* runner.c */
struct run *run_find(struct runner *runner, int64_t number);
size_t run_step_index(const struct run *run, int number); /* step_count: none */
const struct runner_action *runner_find_action(const struct runner *runner, const char *name);
void run_save(struct run *run, struct runner *runner); /* the index row, by the store */
void run_pause(struct runner *runner, struct run *run, const char *reason);
void run_opened(struct runner *runner, struct run *run, struct journal *journal,
                json_t *definition);
void run_check_end(struct runner *runner, struct run *run);
void run_release(struct runner *runner,
                 struct run *run); /* a pending work is over; closes what is to be closed */
void runner_note(struct runner *runner);

/* dispatch.c */
void dispatch_soon(struct runner *runner);
void dispatch_revoke(struct runner *runner, struct run *run);
void dispatch_send_revokes(struct runner *runner, const uint64_t *claims, size_t count);
void dispatch_close_jobs(struct runner *runner, const struct run *run, bool only_failed);
void worker_free_if_gone(struct runner_worker *worker);

/* withdraw.c */
void withdraw_look(
    struct runner *runner); /* is there a run whose recipients are to be looked at? */

/* recheck.c: `step` is an index of run->steps */
void recheck_open(struct run *run); /* which steps of its definition ask again? */
void recheck_close(struct run *run);
bool recheck_wanted(const struct run *run, size_t step);
/* Up to `limit` tasks that may be claimed now, in `ranges`, which the caller frees, and until when (monotonic) they may be begun.
 * How many ranges. recheck_given: they are claimed. */
size_t recheck_take(struct run *run, size_t step, uint64_t limit, struct journal_range **ranges,
                    int64_t *until_us);
void recheck_given(struct run *run, size_t step, uint64_t claim, int64_t until_us);
void recheck_expire(struct runner *runner,
                    struct run *run); /* ask back what was not begun in time */
void recheck_ask(struct runner *runner, struct run *run, size_t step); /* unless it is under way */
json_t *recheck_reason_json(const struct run *run); /* why such a step waits; new, or NULL */

/* recovery.c */
void recovery_begin(struct runner *runner, const struct instance_row *row);

#endif
