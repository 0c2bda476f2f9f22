#include "host/syncer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/memory.h"

enum phase { PHASE_IDLE, PHASE_STARTED, PHASE_CLOSING };

struct syncer {
    struct call call; /* first */
    struct calls *calls;
    struct tasklog *log;
    void (*done)(void *context);
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    enum phase phase;
    struct round round;
};

static void sync_round(struct syncer *syncer)
{
    struct round *round = &syncer->round;
    for (uint32_t i = 0; i < round->filing_count; i++)
        round->filings[i].result = filing_sync(round->filings[i].filing, &round->filings[i].error);
    round->log_result = round->sync_log ? tasklog_sync(syncer->log, &round->log_error) : 0;
    if (round->granted)
        tasklog_grant(syncer->log, round->grant_low, round->grant_high);
    round->wants = tasklog_wants(syncer->log, &round->want_low, &round->want_high);
}

static void on_round(struct call *call)
{
    struct syncer *syncer = (struct syncer *)call;
    syncer->done(syncer->context);
}

static void *thread_main(void *context)
{
    struct syncer *syncer = context;
    pthread_mutex_lock(&syncer->mutex);
    while (syncer->phase != PHASE_CLOSING) {
        if (syncer->phase == PHASE_IDLE) {
            pthread_cond_wait(&syncer->changed, &syncer->mutex);
            continue;
        }
        pthread_mutex_unlock(&syncer->mutex);
        sync_round(syncer);
        pthread_mutex_lock(&syncer->mutex);
        if (syncer->phase == PHASE_STARTED)
            syncer->phase = PHASE_IDLE;
        calls_post(syncer->calls, &syncer->call);
    }
    pthread_mutex_unlock(&syncer->mutex);
    return NULL;
}

static void set_phase(struct syncer *syncer, enum phase phase)
{
    pthread_mutex_lock(&syncer->mutex);
    syncer->phase = phase;
    pthread_cond_signal(&syncer->changed);
    pthread_mutex_unlock(&syncer->mutex);
}

struct syncer *syncer_open(struct tasklog *log, struct calls *calls, void (*done)(void *context),
                           void *context)
{
    struct syncer *syncer = memory_new(sizeof *syncer);
    sigset_t all, before;
    syncer->call.run = on_round;
    syncer->calls = calls;
    syncer->log = log;
    syncer->done = done;
    syncer->context = context;
    pthread_mutex_init(&syncer->mutex, NULL);
    pthread_cond_init(&syncer->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    if (pthread_create(&syncer->thread, NULL, thread_main, syncer) != 0)
        memory_exhausted(0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return syncer;
}

void syncer_close(struct syncer *syncer)
{
    if (!syncer)
        return;
    set_phase(syncer, PHASE_CLOSING);
    pthread_join(syncer->thread, NULL);
    pthread_cond_destroy(&syncer->changed);
    pthread_mutex_destroy(&syncer->mutex);
    free(syncer->round.filings);
    free(syncer);
}

struct round *syncer_round(struct syncer *syncer)
{
    return &syncer->round;
}

void round_add(struct round *round, struct filing *filing)
{
    if (round->filing_count == round->filing_room) {
        round->filing_room += 8;
        round->filings = memory_resize(round->filings, round->filing_room * sizeof *round->filings);
    }
    round->filings[round->filing_count++] = (struct round_filing){.filing = filing};
}

void syncer_start(struct syncer *syncer)
{
    set_phase(syncer, PHASE_STARTED);
}
