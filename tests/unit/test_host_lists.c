/* What hangs on a recipient, details and members, through a real worker: by the ABI and in templates. */
#include "host_harness.h"

#include "report/archive.h"

#define GROUPS                                                                                     \
    "CREATE TABLE detail_0(ordinal INTEGER, seq INTEGER, d0, d1, PRIMARY KEY(ordinal, seq)) "      \
    "WITHOUT ROWID;"                                                                               \
    "CREATE TABLE detail_1(ordinal INTEGER, seq INTEGER, d0, PRIMARY KEY(ordinal, seq)) "          \
    "WITHOUT ROWID;"                                                                               \
    "INSERT INTO detail_group VALUES(0, 'lines', 1000), (1, 'bookings', 1000);"                    \
    "INSERT INTO detail_field VALUES(0, 0, 'label', 'text', '', '', ''), "                         \
    "(0, 1, 'price', 'decimal', 'money EUR', '', ''), (1, 0, 'day', 'date', '', '', '');"

static const char data[] =
    GROUPS "INSERT INTO detail_0 VALUES(1, 1, 'Milch & Brot', '12.50'), (1, 2, 'Käse', '0.1'), "
           "(1, 3, 'Gratis', NULL), (2, 1, 'Wurst', '3');"
           "INSERT INTO detail_1 VALUES(1, 1, '2026-11-24');"
           "INSERT INTO member SELECT 2, 0, key, c0, c1, c2, c3 FROM recipient WHERE ordinal = 2;"
           "INSERT INTO member VALUES(2, 1, 'X', 'Max', 'max@example.org', '', NULL);"
           "UPDATE field SET format = 'number 2' WHERE name = 'amount';";

static void expect_preview(struct core *core, uint64_t ordinal, const char *wanted)
{
    struct buffer out = {0};
    json_t *json = job_json(core);
    FREE_CLEAN char *text = json_dumps(json, 0);
    json_decref(json);
    size_t mark = frame_begin(&out, FRAME_PREVIEW);
    put_u32(&out, 99);
    put_text(&out, text);
    put_u64(&out, ordinal);
    put_u32(&out, 0);
    frame_end(&out, mark);
    send_frames(core, &out);
    expect_frame(core, FRAME_PREVIEWED);
    struct frame_reader reader = {.data = (unsigned char *)core->previewed.data,
                                  .size = core->previewed.size};
    get_u32(&reader);
    int ok = get_u8(&reader);
    FREE_CLEAN char *why = get_text(&reader);
    if (!ok)
        fail_msg("%s", why);
    assert_int_equal(get_u32(&reader), 1);
    free(get_text(&reader));
    free(get_text(&reader));
    FREE_CLEAN char *bytes = get_text(&reader);
    assert_string_equal(bytes, wanted);
}

/* ---- the ABI ---- */

static const char found_of_1[] = "lines 3: label price; Milch & Brot 12.50; Käse 0.1; Gratis NULL\n"
                                 "bookings 1: day; 2026-11-24\n"
                                 "members: Müller & 1\n"
                                 "strange: Käse Milch & Brot none none none none Milch & Brot none "
                                 "none -1 0 0 none 0 0\n";
static const char found_of_2[] = "lines 1: label price; Wurst 3\n"
                                 "bookings 0: day\n"
                                 "members: Müller & 2 Max\n"
                                 "strange: none Wurst none none none none Wurst none none -1 0 0 "
                                 "none 0 0\n";

static void plugin_walks_details_and_members(void **state)
{
    struct core *core = *state;
    struct archive_entry entry;
    struct buffer bytes = {0};
    struct error error;
    make_rows(core, 2, "{}", data);
    start_job(core, "details", NULL);
    expect_preview(core, 1, found_of_1);
    expect_preview(core, 2, found_of_2);
    send_claim(core, 1, 2, 2);
    await_answers(core, 1);
    entry = (struct archive_entry){.number = core->document.number,
                                   .offset = core->document.offset,
                                   .length = core->document.length};
    memcpy(entry.segment, core->document.segment, sizeof entry.segment);
    memcpy(entry.hash, core->document.hash, sizeof entry.hash);
    memcpy(entry.salt, core->document.salt, sizeof entry.salt);
    memcpy(entry.chain, core->document.chain, sizeof entry.chain);
    memcpy(entry.name, core->document.name, sizeof entry.name);
    memcpy(entry.mime_type, core->document.mime_type, sizeof entry.mime_type);
    assert_int_equal(archive_read(path_in(core, "archive-12"), &entry, &bytes, &error), 0);
    assert_string_equal(buffer_string(&bytes), found_of_2);
    buffer_free(&bytes);
    stop_worker(core);
}

static void group_of_no_details_has_none(void **state)
{
    struct core *core = *state;
    make_rows(core, 1, "{}", NULL);
    start_job(core, "details", NULL);
    expect_preview(core, 1,
                   "members: Müller & 1\nstrange: none none none none none none none none "
                   "none -1 0 0 none 0 0\n");
    stop_worker(core);
}

#define MANY_LINES                                                                                 \
    GROUPS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "     \
           "INSERT INTO detail_0 SELECT 1, i, printf('%0200d', i), '0.1' FROM n"

static void hundred_thousand_lines_are_a_stream_to_a_plugin(void **state)
{
    struct core *core = *state;
    long long cells = 0;
    unsigned kilobytes = 0;
    make_rows(core, 1, "{\"count\": true}", MANY_LINES);
    start_job(core, "details", NULL);
    send_claim(core, 1, 1, 1);
    await_answers(core, 1);
    assert_int_equal(sscanf(core->last.text, "%lld cells, %u KB", &cells, &kilobytes), 2);
    assert_int_equal(cells, 100000);
    assert_in_range(kilobytes, 0, 4096); /* SQLite's page cache; the lines are 20 MB */
    stop_worker(core);
}

/* ---- templates ---- */

static void start_paper(struct core *core, const char *body, const char *more_sql)
{
    FREE_CLEAN char *parameters = memory_format("{\"body\": \"%s\"}", body);
    make_rows(core, 2, parameters, more_sql);
    start_job(core, "paper", NULL);
}

static void templates_go_over_lists(void **state)
{
    struct core *core = *state;
    start_paper(core,
                "{{name}} {{amount}} {{amount | plain}}: {{#lines}}{{index}} {{label}} {{price}} "
                "({{name}}){{^last}}, {{/last}}{{/lines}}{{^bookings}}nothing{{/bookings}}; "
                "{{lines.count}} {{lines.sum.price}} {{lines.max.price | number 1}}; "
                "{{#members}}{{name}} {{email}} {{lines.count}}{{^last}} + {{/last}}{{/members}}",
                data);
    expect_preview(core, 1,
                   "Müller & 1 100,00 100: 1 Milch & Brot 12,50 € (Müller & 1), 2 Käse 0,10 € "
                   "(Müller & 1), 3 Gratis  (Müller & 1); 3 12,60 € 12,5; "
                   "Müller & 1 m1@example.org 3");
    expect_preview(core, 2,
                   "Müller & 2 200,00 200: 1 Wurst 3,00 € (Müller & 2)nothing; 1 3,00 € 3,0; "
                   "Müller & 2 m2@example.org 1 + Max max@example.org 1");
    stop_worker(core);
}

static void expect_rejection(struct core *core, uint64_t claim, const char *wanted)
{
    core->outcomes = 0;
    send_claim(core, claim, 1, 1);
    await_answers(core, 1);
    assert_int_equal(core->last.status, OUTCOME_REJECTED);
    assert_string_equal(core->last.text, wanted);
}

static void totals_that_cannot_be_had_reject_with_the_reason(void **state)
{
    struct core *core = *state;
    start_paper(core, "{{lines.sum.label}}", data);
    expect_rejection(core, 1,
                     "line 1, column 1: »lines.sum.label«: row 1 of »lines« has no number in the "
                     "column »label«; let the query deliver numbers with a point, such as 1234.50");
    stop_worker(core);
}

static void hundred_thousand_lines_are_summed_exactly(void **state)
{
    struct core *core = *state;
    start_paper(core,
                "{{lines.count}} {{lines.sum.price | plain}} {{lines.sum.price}} "
                "{{#lines}}{{#last}}{{price}}{{/last}}{{/lines}}",
                MANY_LINES);
    expect_preview(core, 1, "100000 10000.0 10.000,00 € 0,10 €");
    stop_worker(core);
}

static void formats_have_no_effect_on_runs_of_the_daemon_before(void **state)
{
    struct core *core = *state;
    start_paper(core, "{{amount}}",
                "UPDATE field SET format = 'number 2' WHERE name = 'amount';"
                "ALTER TABLE field DROP COLUMN type; DROP TABLE member; DROP TABLE detail_group;"
                "DROP TABLE detail_field; UPDATE meta SET value = '1' WHERE key = 'format'");
    expect_preview(core, 1, "100");
    stop_worker(core);
}

static void format_that_is_none_refuses_the_job(void **state)
{
    struct core *core = *state;
    make_rows(core, 1, "{\"body\": \"x\"}",
              "UPDATE field SET format = 'TT.MM.JJJJ' WHERE name = 'amount'");
    json_t *json = configuration(core, "paper");
    start_worker(core, "paper");
    send_json(core, FRAME_CONFIGURE, -1, json);
    expect_frame(core, FRAME_HELLO);
    expect_frame(core, FRAME_READY);
    send_json(core, FRAME_OPEN_JOB, 1, job_json(core));
    expect_frame(core, FRAME_JOB_FAILED);
    assert_non_null(strstr(core->message, "the format of the field »amount«: there is no format "
                                          "»TT.MM.JJJJ«"));
    stop_worker(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(plugin_walks_details_and_members),
        WORKER_TEST(group_of_no_details_has_none),
        WORKER_TEST(hundred_thousand_lines_are_a_stream_to_a_plugin),
        WORKER_TEST(templates_go_over_lists),
        WORKER_TEST(totals_that_cannot_be_had_reject_with_the_reason),
        WORKER_TEST(hundred_thousand_lines_are_summed_exactly),
        WORKER_TEST(formats_have_no_effect_on_runs_of_the_daemon_before),
        WORKER_TEST(format_that_is_none_refuses_the_job),
    };
    setenv("TZ", "Europe/Berlin", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
