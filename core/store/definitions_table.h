/*
 * How a table of definitions.db is described: its columns and what each may hold, and the tables
 * nested in it. For definitions_table.c, which holds the descriptions, and for definitions_row.c
 * and definitions_write.c, which read and write by them.
 */
#ifndef CAMPAIGND_STORE_DEFINITIONS_TABLE_H
#define CAMPAIGND_STORE_DEFINITIONS_TABLE_H

#include "store/definitions_internal.h"

enum kind {
    KIND_ID,
    KIND_PARENT,     /* the row that this one is nested in */
    KIND_POSITION,   /* the place among its siblings; in no document */
    KIND_NUMBER,     /* the same, as "number" */
    KIND_AFTER,      /* the position of an earlier sibling, or NULL */
    KIND_COUNT,      /* a number from 1 */
    KIND_BOOLEAN,    /* 0 or 1 */
    KIND_LINE,       /* one line, not empty */
    KIND_WORD,       /* what can stand behind the colon of a placeholder */
    KIND_TEXT,       /* any text; a document may give it as an array of its lines */
    KIND_PLAIN,      /* any text; a document may give a whole number, true or false */
    KIND_CHOICE,     /* one of the words in `choices` */
    KIND_PARAMETERS, /* a JSON object of plain values */
    KIND_OBJECT,     /* any JSON object */
    KIND_CONTENT,    /* bytes */
    KIND_REFERENCE,  /* a row of the table `choices`; its name in documents */
    KIND_CREATED     /* written by the database alone */
};

struct column {
    const char *name;
    const char *key; /* in documents; NULL: not there */
    enum kind kind;
    bool nullable;
    bool filled;        /* a text that must not be empty (of a line that is so anyway) */
    int most;           /* characters; bytes for KIND_CONTENT; the greatest for KIND_COUNT */
    const char *preset; /* what a document need not give; NULL: must be given unless nullable */
    const char *choices;
};

enum nesting {
    NESTED_LIST,  /* an array of objects */
    NESTED_MAP,   /* an object by the value of `map_key` */
    NESTED_NAMES, /* an array of the names that `map_key` refers to */
    NESTED_PICKS, /* an object of arrays: the values of "key" by the choices of "pick" */
};

struct child {
    const char *key;
    enum nesting nesting;
    const struct table *table;
    const char *map_key;
};

/* Two columns of which a row has just one, or may have one. */
struct alternative {
    const char *first, *second; /* as columns and in documents */
    bool needed;
};

struct table {
    const char *name;
    const char *kind; /* the word for it as a document of its own; NULL: it is nested in another */
    const struct alternative *alternative; /* or NULL */
    const char *order;                     /* of siblings */
    const struct column *columns;
    const struct child *children; /* ended by key == NULL */
};

#define POSITION_MOST 1000000
#define CHILDREN_MOST 1000
#define PICKS_MOST 10000
#define SQL_MOST 1000000
#define BUDGET 64000000
#define LONG_TEXT 10000 /* longer ones are not listed */

/* Checks that rows and documents share. */

/* What is wrong with a text in this column; MESSAGE_NONE: nothing. */
enum message column_text_fault(const struct column *column, const char *text, size_t size);

/* Say what column_text_fault found. `name`: the column's, or the place in a document. Returns -1.
 */
int column_tell_fault(struct trouble *why, enum message fault, const struct column *column,
                      const char *name, const char *text, const char *table, int64_t row);

/* Are these parameters an object of plain values: 0, or -1. */
int parameters_check(const json_t *parameters, const char *name, const char *table, int64_t row,
                     struct trouble *why);

/* How many rows may be nested in one. */
size_t child_most(const struct child *child);

/* The column that names the row which one of this table is nested in. */
const char *table_parent_column(const struct table *table);

#endif
