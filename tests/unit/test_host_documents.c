/* Documents, templates and previews, through a real worker. */
#include "host_harness.h"

#include "report/archive.h"

static void start_paper(struct core *core, unsigned recipients, const char *body)
{
    char parameters[512];
    snprintf(parameters, sizeof parameters, "{\"body\": \"%s\"}", body);
    make_rows(core, recipients, parameters, NULL);
    start_job(core, "paper", NULL);
}

static void to_entry(struct archive_entry *entry, const struct wire_document *document)
{
    *entry = (struct archive_entry){
        .number = document->number, .offset = document->offset, .length = document->length};
    memcpy(entry->segment, document->segment, sizeof entry->segment);
    memcpy(entry->hash, document->hash, sizeof entry->hash);
    memcpy(entry->salt, document->salt, sizeof entry->salt);
    memcpy(entry->chain, document->chain, sizeof entry->chain);
    memcpy(entry->name, document->name, sizeof entry->name);
    memcpy(entry->mime_type, document->mime_type, sizeof entry->mime_type);
}

static void expect_document(struct core *core, const char *wanted)
{
    struct buffer bytes = {0};
    struct archive_entry entry;
    struct error error;
    to_entry(&entry, &core->document);
    if (archive_read(path_in(core, "archive-12"), &entry, &bytes, &error) != 0)
        fail_msg("%s", error.message);
    assert_string_equal(buffer_string(&bytes), wanted);
    buffer_free(&bytes);
}

static void documents_are_filed_and_named_in_the_outcome(void **state)
{
    struct core *core = *state;
    struct error error;
    start_paper(core, 500, "{{> gruss}}, {{email}}, {{campaign}} {{run}}, {{today}}");
    send_claim(core, 1, 1, 500);
    await_answers(core, 500);
    assert_int_equal(core->outcomes, 500);
    assert_int_equal(core->documents, 500);
    assert_string_equal(core->document.name, "Blatt.txt");
    assert_string_equal(core->document.mime_type, "text/plain");
    expect_document(core, "Hallo Müller & 500, m500@example.org, Kampagne 12, 2026-11-25");
    send_number(core, FRAME_CLOSE_JOB, 1, 4);
    stop_worker(core);
    assert_int_equal(archive_is_sealed(path_in(core, "archive-12"), core->document.segment, &error),
                     1);
}

static void missing_column_rejects_with_the_reason(void **state)
{
    struct core *core = *state;
    start_paper(core, 1, "{{nmae}}");
    send_claim(core, 1, 1, 1);
    await_answers(core, 1);
    assert_int_equal(core->last.status, OUTCOME_REJECTED);
    assert_non_null(strstr(core->last.text, "nmae"));
    assert_int_equal(core->documents, 0);
    stop_worker(core);
}

static void earlier_documents_reach_the_next_step(void **state)
{
    struct core *core = *state;
    struct buffer out = {0};
    start_paper(core, 3, "{{name}}");
    send_claim(core, 1, 1, 2);
    await_answers(core, 2);
    size_t mark = frame_begin(&out, FRAME_CLAIM);
    put_u32(&out, 1);
    put_u64(&out, 2);
    put_u32(&out, 1);
    put_u64(&out, 3);
    put_u64(&out, 3);
    put_u32(&out, 1);
    put_u32(&out, 1);
    put_u64(&out, 3);
    put_text(&out, "letter");
    document_put(&out, &core->document);
    frame_end(&out, mark);
    core->documents = 0;
    send_frames(core, &out);
    await_answers(core, 3);
    assert_int_equal(core->documents, 2);
    expect_document(core, "Müller & 3");
    stop_worker(core);
}

static void job_opened_again_goes_on_in_another_segment(void **state)
{
    struct core *core = *state;
    start_paper(core, 2, "{{name}}");
    send_claim(core, 1, 1, 1);
    await_answers(core, 1);
    struct wire_document first = core->document;
    send_number(core, FRAME_CLOSE_JOB, 1, 4);
    usleep(200000); /* else both jobs share the segment, which is right, too */
    send_json(core, FRAME_OPEN_JOB, 1, job_json(core));
    expect_frame(core, FRAME_JOB_READY);
    send_claim(core, 2, 2, 2);
    await_answers(core, 2);
    expect_document(core, "Müller & 2");
    assert_string_not_equal(core->document.segment, first.segment);
    core->document = first;
    expect_document(core, "Müller & 1");
    stop_worker(core);
}

static void full_disk_rejects_nobody_and_fails_the_job(void **state)
{
    struct core *core = *state;
    make_rows(core, 100, "{\"body\": \"x\"}", NULL);
    json_t *json = configuration(core, "paper"), *job = job_json(core);
    json_object_set_new(json, "log_level", json_integer(2));             /* the error is expected */
    json_object_set_new(job, "archive", json_string("/proc/none/such")); /* nothing can be made */
    start_worker(core, "paper");
    send_json(core, FRAME_CONFIGURE, -1, json);
    expect_frame(core, FRAME_HELLO);
    expect_frame(core, FRAME_READY);
    send_json(core, FRAME_OPEN_JOB, 1, job);
    expect_frame(core, FRAME_JOB_READY);
    send_claim(core, 1, 1, 100);
    expect_frame(core, FRAME_JOB_FAILED);
    if (!strstr(core->message, "/proc/none"))
        fail_msg("»%s« names no folder", core->message);
    await_answers(core, 100);
    assert_int_equal(core->returned, 100);
    assert_all_answered(core, 100);
    send_claim(core, 2, 1, 100);
    await_answers(core, 200);
    assert_int_equal(core->returned, 200);
    stop_worker(core);
}

static void letter_of_a_report_is_filed_as_pdf(void **state)
{
    struct core *core = *state;
    make_rows(core, 30, "{\"report\": \"Letter\"}", NULL);
    start_job(core, "print", NULL);
    send_claim(core, 1, 1, 30);
    await_answers(core, 30);
    assert_string_equal(core->last.text, "");
    assert_int_equal(core->documents, 30);
    assert_string_equal(core->document.name, "Info schreiben.pdf");
    assert_string_equal(core->document.mime_type, "application/pdf");
    stop_worker(core);
}

static void report_that_is_no_letter_is_not_printed(void **state)
{
    struct core *core = *state;
    make_rows(core, 1, "{\"report\": \"Brief\"}", NULL);
    start_job(core, "print", NULL);
    send_claim(core, 1, 1, 1);
    await_answers(core, 1);
    assert_int_equal(core->last.status, OUTCOME_REJECTED);
    assert_non_null(strstr(core->last.text, "»Brief« is no letter"));
    stop_worker(core);
}

static void send_preview(struct core *core, uint64_t ordinal)
{
    struct buffer out = {0};
    json_t *json = job_json(core);
    char *text = json_dumps(json, 0);
    size_t mark = frame_begin(&out, FRAME_PREVIEW);
    put_u32(&out, 99);
    put_text(&out, text);
    put_u64(&out, ordinal);
    put_u32(&out, 1);
    put_text(&out, "Infoschreiben.pdf");
    put_text(&out, "application/pdf");
    put_text(&out, "letter");
    put_bytes(&out, "%PDF", 4);
    frame_end(&out, mark);
    free(text);
    json_decref(json);
    send_frames(core, &out);
    expect_frame(core, FRAME_PREVIEWED);
}

static void expect_part(struct frame_reader *reader, const char *name, const char *content)
{
    char *part_name = get_text(reader), *mime_type = get_text(reader), *bytes = get_text(reader);
    assert_string_equal(part_name, name);
    assert_string_equal(bytes, content);
    assert_false(reader->bad);
    free(part_name);
    free(mime_type);
    free(bytes);
}

static void preview_shows_what_would_be_made_and_files_nothing(void **state)
{
    struct core *core = *state;
    start_paper(core, 5, "Für {{name}}");
    send_preview(core, 2);
    struct frame_reader reader = {.data = (unsigned char *)core->previewed.data,
                                  .size = core->previewed.size};
    assert_int_equal(get_u32(&reader), 99);
    assert_int_equal(get_u8(&reader), 1);
    free(get_text(&reader));
    assert_int_equal(get_u32(&reader), 2);
    expect_part(&reader, "Infoschreiben.pdf", "%PDF");
    expect_part(&reader, "Blatt.txt", "Für Müller & 2");
    assert_int_not_equal(access(path_in(core, "archive-12"), F_OK), 0);
    stop_worker(core);
}

static void preview_of_nobody_says_so(void **state)
{
    struct core *core = *state;
    start_paper(core, 5, "x");
    send_preview(core, 6);
    struct frame_reader reader = {.data = (unsigned char *)core->previewed.data,
                                  .size = core->previewed.size};
    get_u32(&reader);
    assert_int_equal(get_u8(&reader), 0);
    char *why = get_text(&reader);
    assert_string_equal(why, "there is no such recipient");
    free(why);
    stop_worker(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(documents_are_filed_and_named_in_the_outcome),
        WORKER_TEST(missing_column_rejects_with_the_reason),
        WORKER_TEST(earlier_documents_reach_the_next_step),
        WORKER_TEST(job_opened_again_goes_on_in_another_segment),
        WORKER_TEST(full_disk_rejects_nobody_and_fails_the_job),
        WORKER_TEST(letter_of_a_report_is_filed_as_pdf),
        WORKER_TEST(report_that_is_no_letter_is_not_printed),
        WORKER_TEST(preview_shows_what_would_be_made_and_files_nothing),
        WORKER_TEST(preview_of_nobody_says_so),
    };
    setenv("TZ", "Europe/Berlin", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
