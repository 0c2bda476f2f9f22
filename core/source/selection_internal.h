/* Private to core/source: what a selection is made of; selection.c keeps the verdicts, judge.c has
 * the rules that look at one row. */
#ifndef CAMPAIGND_SOURCE_SELECTION_INTERNAL_H
#define CAMPAIGND_SOURCE_SELECTION_INTERNAL_H

#include <sqlite3.h>

#include "source/objections.h"
#include "source/selection.h"

#define SELECTION_SETS_MAX 32
#define SELECTION_STEPS_MAX 1000

/* Why a step is skipped. */
enum skip { SKIP_NOT, SKIP_CONDITION, SKIP_SUPPRESSED, SKIP_NO_CONSENT };
#define SKIPS (SKIP_NO_CONSENT + 1)

struct step {
    const char *name;
    const char *channel;
    int64_t number;
    bool has_condition;
    int consent; /* the column that must say yes; -1: none need */
    int64_t skipped[SKIPS];
};

struct selection {
    struct fetched *fetched;
    const json_t *definition;
    struct objections *objections;
    uint8_t *reasons; /* of each ordinal */
    int64_t counts[REASONS];
    int64_t *placed; /* of each block of PLACE_BLOCK ordinals: how many recipients before it */
    struct step *steps;
    size_t step_count;
    int addresses;                        /* how many columns hold such */
    const char *sets[SELECTION_SETS_MAX]; /* the schema of its keys; NULL: there is no such set */
    sqlite3_stmt *add_detail, *get_detail, *add_skip;
};

/* Read the steps out of the definition. 0, or -1 if the campaign may not be sent like that. */
int judge_steps(struct selection *selection, struct error *error);

const json_t *selection_campaign(const struct selection *selection);

#endif
