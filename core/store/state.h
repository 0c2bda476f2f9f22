/*
 * state.db: the installation's secret, the index of runs, the suppression list
 * (store/suppression.h), what came back of tasks (store/confirmation.h), and the worker instances whose logs may still matter. Written by the store thread alone; functions here are called on it, inside a
 * transaction, unless they say otherwise.
 *
 * A run's number and uuid are given here, in state `preparing`, before anything else of it exists;
 * its start request's uuid makes that happen once however often it is tried.
 */
#ifndef CAMPAIGND_STORE_STATE_H
#define CAMPAIGND_STORE_STATE_H

#include <stdint.h>

#include "base/error.h"
#include "store/store.h"
#include "wire/tasklog.h"

enum run_state { RUN_PREPARING = 1, RUN_RUNNING, RUN_PAUSED, RUN_CANCELLED, RUN_DONE, RUN_FAILED };
#define RUN_STATES 7
const char *run_state_name(enum run_state state); /* "preparing", … */

#define STATE_SECRET 32

struct state {
    struct store_database database;     /* first: the store's view */
    unsigned char secret[STATE_SECRET]; /* key of the idempotency keys, made once */
    sqlite3_stmt *statements[8];
};

/* The index row of a run. Texts are cut to fit. */
struct run_row {
    int64_t number;
    char uuid[65]; /* of the start request, and the run's name for ever */
    int64_t campaign_id;
    char campaign[256];
    char requested_by[64];
    int64_t request; /* start_request.id, or 0 if the API asked */
    enum run_state state;
    char reason[512]; /* why paused or failed; "" */
    int64_t created_us, started_us, ended_us;
    int64_t recipients;
    char left_out[512]; /* JSON object reason → count */
    char purpose[16]; /* "advertising", "information", "mandatory"; "": of a run before version 2 */
    char purpose_reason[256]; /* why it may pass over objections; "" */
    char consent_reason[256]; /* why it may reach people who gave no consent of their own; "" */
};

/* A worker instance that claims may name, until its log is read to the end. */
struct instance_row {
    struct tasklog_identity identity;
    char id[33]; /* identity.instance in hex */
    char action[64];
    uint32_t low, high; /* its log's segments, as granted */
    bool durable_begin;
};

/* Open, migrate, read or make the secret. Before the store thread starts. 0 or -1. */
int state_open(struct state *state, const char *path, struct error *error);
void state_close(struct state *state);

/* A new index row with the next number; fills row->number and created_us. If there is a run with
 * this uuid already, `row` becomes that one and *existed is 1. */
int state_new_run(struct state *state, struct run_row *row, int *existed, struct error *error);
int state_put_run(struct state *state, const struct run_row *row, struct error *error);

/* All runs, newest first (read before the thread starts). The caller frees *rows. */
int state_runs(struct state *state, struct run_row **rows, size_t *count, struct error *error);

int state_put_instance(struct state *state, const struct instance_row *row, struct error *error);
int state_drop_instance(struct state *state, const char *id, struct error *error);
int state_instances(struct state *state, struct instance_row **rows, size_t *count,
                    struct error *error);

#endif
