/*
 * Private to driver_odbc.c and odbc_tables.c: unixODBC's texts and diagnoses.
 *
 * The functions of libodbc are called without their prefix: odbc.Fetch is SQLFetch. What is said to a
 * driver goes through the functions for wide characters, which mean the same
 * in every driver: UTF-16 there, UTF-8 here.
 */
#ifndef CAMPAIGND_SOURCE_ODBC_H
#define CAMPAIGND_SOURCE_ODBC_H

#include <sql.h>
#include <sqlext.h>
#include <sqlucode.h>

#include "base/buffer.h"
#include "source/driver.h"

/* What is used of libodbc, which is opened by the first source that needs it. */
#define ODBC_FUNCTIONS(X)                                                                          \
    X(AllocHandle)                                                                                 \
    X(FreeHandle)                                                                                  \
    X(SetEnvAttr)                                                                                  \
    X(SetConnectAttrW)                                                                             \
    X(DriverConnectW)                                                                              \
    X(Disconnect)                                                                                  \
    X(GetInfoW)                                                                                    \
    X(EndTran)                                                                                     \
    X(SetStmtAttrW)                                                                                \
    X(PrepareW)                                                                                    \
    X(Execute)                                                                                     \
    X(ExecDirectW)                                                                                 \
    X(NumResultCols)                                                                               \
    X(DescribeColW)                                                                                \
    X(ColAttributeW)                                                                               \
    X(BindCol)                                                                                     \
    X(BindParameter)                                                                               \
    X(Fetch)                                                                                       \
    X(GetData)                                                                                     \
    X(GetDiagRecW)                                                                                 \
    X(TablesW)                                                                                     \
    X(ColumnsW)                                                                                    \
    X(PrimaryKeysW)                                                                                \
    X(ForeignKeysW)

struct odbc_library {
#define ODBC_MEMBER(name) __typeof__(SQL##name) *name;
    ODBC_FUNCTIONS(ODBC_MEMBER)
#undef ODBC_MEMBER
};
extern struct odbc_library odbc;

/* Open libodbc unless it is open. 0, or -1. */
int odbc_load(struct error *error);

struct odbc_state {
    SQLHENV environment;
    SQLHDBC connection;
    SQLHSTMT statement; /* of the present query */
    struct buffer sql;  /* its text, as it was sent */
    char *password;     /* so that it can be taken out of messages */
    bool is_connected;
    bool is_mariadb;  /* the server, as opposed to MySQL */
    bool is_utf8;     /* the driver hands out SQL_C_CHAR as UTF-8 */
    bool is_executed; /* the present query */
    struct odbc_column *columns;
    unsigned column_count;
    bool is_piecewise; /* values are read one by one, not in blocks of rows */
    SQLULEN rows;      /* in the present block */
    SQLULEN row;       /* the present one, from 0 */
    struct odbc_parameter *parameters;
    size_t parameter_count;
};

/* UTF-8 as zero-terminated UTF-16, to free(); *units: how many without the zero. What is no UTF-8
 * becomes U+FFFD. */
SQLWCHAR *odbc_wide(const char *text, size_t size, size_t *units);

/* Append UTF-16 as UTF-8; a lone surrogate becomes U+FFFD. */
void odbc_narrow(struct buffer *target, const SQLWCHAR *wide, size_t units);

/* Append a text of which some bytes may be no UTF-8: each such byte becomes U+FFFD. */
void odbc_mend_utf8(struct buffer *target, const char *text, size_t size);

/* The first diagnosis of a handle, without the driver's own marks and without the password. */
struct odbc_diagnosis {
    char state[6]; /* SQLSTATE */
    SQLINTEGER native;
    char text[900];
};
void odbc_diagnose(const struct source *source, SQLSMALLINT kind, SQLHANDLE handle,
                   struct odbc_diagnosis *out);

/* Run a statement of our own that delivers nothing. 0, or -1. */
int odbc_run(const struct source *source, const char *sql, struct error *error);

/* That reading failed, by what the handle says: too slow, the connection is lost, or what it is.
 * Returns -1. */
int odbc_fail(const struct source *source, SQLSMALLINT kind, SQLHANDLE handle, struct error *error);

/* All rows of a statement that was run, as [[text or null, …], …]; a new reference, or NULL. */
json_t *odbc_rows(const struct source *source, SQLHSTMT statement, struct error *error);

/* Run a SELECT of our own with texts for its question marks; its rows as above. */
json_t *odbc_select(const struct source *source, const char *sql, const char *const *values,
                    size_t count, struct error *error);

/* A type of ODBC as a type of ours. `size` is its column size, `native` its name ("" if unknown). */
enum source_type odbc_type(const struct source *source, SQLSMALLINT type, SQLULEN size,
                           const char *native);

/* As source_tables. */
json_t *odbc_tables(struct source *source, struct error *error);

#endif
