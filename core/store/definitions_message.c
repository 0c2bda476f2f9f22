/* What the definitions say about failures, in English and German; and who collects it. */
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/definitions_internal.h"

struct wording {
    const char *english, *german;
};

static const struct wording wordings[MESSAGE_COUNT] = {
    [MESSAGE_NONE] = {"", ""},
    [MESSAGE_NO_VERSION] =
        {"{1} holds our tables but no user_version; if it was restored from a dump, set it: "
         "sqlite3 {1} 'PRAGMA user_version = 1'",
         "{1} enthält unsere Tabellen, aber keine user_version; wurde es aus einem Dump "
         "wiederhergestellt, setzen Sie sie: sqlite3 {1} 'PRAGMA user_version = 1'"},
    [MESSAGE_NEWER] =
        {"{1} has user_version {2}, made by a newer campaignd; this one knows {3} at most: install "
         "the newer campaignd, or restore the file from before",
         "{1} hat user_version {2} und stammt von einem neueren campaignd; dieser kennt höchstens "
         "{3}: installieren Sie den neueren, oder stellen Sie die frühere Datei wieder her"},
    [MESSAGE_ALTERED] =
        {"{1} »{2}« is not as campaignd made it; nothing is read from definitions.db until it is: "
         "put columns of your own into a table whose name begins with site_",
         "{1} »{2}« ist nicht so, wie campaignd sie angelegt hat; bis dahin wird aus "
         "definitions.db nichts gelesen: eigene Spalten gehören in eine Tabelle, deren Name mit "
         "site_ beginnt"},
    [MESSAGE_MISSING] =
        {"»{1}« is missing; nothing is read from definitions.db until it is back as docs/schema.md "
         "has it",
         "»{1}« fehlt; aus definitions.db wird nichts gelesen, bis es wieder so da ist wie in "
         "docs/schema.md"},
    [MESSAGE_NOT_RUN] = {"the {1} »{2}« is not ours and campaignd does not run it: drop it",
                         "{1} »{2}« stammt nicht von campaignd und wird nicht ausgeführt: löschen "
                         "Sie ihn"},
    [MESSAGE_FOREIGN] =
        {"the {1} »{2}« is not ours; campaignd ignores it: let its name begin with site_",
         "{1} »{2}« stammt nicht von campaignd und wird nicht beachtet: lassen Sie den Namen mit "
         "site_ beginnen"},
    [MESSAGE_MORE] = {"there are more problems than these: mend these first",
                      "es gibt weitere Probleme: beheben Sie zuerst diese"},
    [MESSAGE_SQL] = {"{1}: {2}", "{1}: {2}"},
    [MESSAGE_BUSY] = {"{1} is locked by another program: try again when it has finished",
                      "{1} ist von einem anderen Programm gesperrt: versuchen Sie es später"},
    [MESSAGE_TOO_BIG] = {"a value of a row is larger than any may be: delete the row",
                         "ein Wert einer Zeile ist größer, als einer sein darf: löschen Sie die "
                         "Zeile"},
    [MESSAGE_TOO_SLOW] = {"{1}: gave up after 20 seconds; try again, and look for indexes of your "
                          "own or millions of rows",
                          "{1}: nach 20 Sekunden abgebrochen; versuchen Sie es noch einmal, und "
                          "suchen Sie nach eigenen Indizes oder Millionen von Zeilen"},
    [MESSAGE_DAMAGED] = {"{1} is damaged ({2}): restore it, or rescue it with sqlite3's .recover",
                         "{1} ist beschädigt ({2}): stellen Sie es wieder her, oder retten Sie es "
                         "mit .recover von sqlite3"},
    [MESSAGE_NULL] = {"{1} must be given", "{1} muss angegeben sein"},
    [MESSAGE_TYPE] = {"{1} has a wrong type: {2} is expected",
                      "{1} hat einen falschen Typ: erwartet wird {2}"},
    [MESSAGE_UTF8] = {"{1} is not valid UTF-8 text", "{1} ist kein gültiger UTF-8-Text"},
    [MESSAGE_CONTROL] = {"{1} must be one line without control characters",
                         "{1} muss eine Zeile ohne Steuerzeichen sein"},
    [MESSAGE_EMPTY] = {"{1} must not be empty", "{1} darf nicht leer sein"},
    [MESSAGE_LONG] = {"{1} is too long: {2} at most", "{1} ist zu lang: höchstens {2}"},
    [MESSAGE_CHOICE] = {"{1} is »{2}« but must be one of: {3}",
                        "{1} ist »{2}«, muss aber eines sein von: {3}"},
    [MESSAGE_RANGE] = {"{1} must be between {2} and {3}", "{1} muss zwischen {2} und {3} liegen"},
    [MESSAGE_JSON] = {"{1} is not a JSON object: {2}", "{1} ist kein JSON-Objekt: {2}"},
    [MESSAGE_JSON_VALUE] = {"{1}: the value of »{2}« must be a text, number, true, false or null",
                            "{1}: der Wert von »{2}« muss Text, Zahl, true, false oder null sein"},
    [MESSAGE_DANGLING] = {"{1} refers to a {2} that is not there: correct it, or delete the row",
                          "{1} verweist auf {2}, das es nicht gibt: berichtigen Sie es, oder "
                          "löschen Sie die Zeile"},
    [MESSAGE_TOO_MANY] = {"more than {2} rows of {1}: delete some",
                          "mehr als {2} Zeilen von {1}: löschen Sie welche"},
    [MESSAGE_STATE] = {"state is none of pending, accepted, refused: the request is not looked at",
                       "state ist nicht pending, accepted oder refused: die Anforderung wird nicht "
                       "beachtet"},
    [MESSAGE_STEP_AFTER] = {"step »{1}« waits for a step that does not stand before it: correct "
                            "after_step",
                            "Schritt »{1}« wartet auf einen, der nicht vor ihm steht: berichtigen "
                            "Sie after_step"},
    [MESSAGE_NO_CAMPAIGN] = {"there is no campaign with the id {1}",
                             "es gibt keine Kampagne mit der Nummer {1}"},
    [MESSAGE_NO_SOURCE] = {"campaign »{1}« has no data yet: choose a query or a distributor",
                           "Kampagne »{1}« hat noch keine Datenquelle: wählen Sie eine Abfrage "
                           "oder einen Verteiler"},
    [MESSAGE_NO_STEPS] = {"campaign »{1}« has no steps yet: choose an action",
                          "Kampagne »{1}« hat noch keine Schritte: wählen Sie eine Aktion"},
    [MESSAGE_BOTH_SOURCES] = {"campaign »{1}« has a query and a distributor: remove one",
                              "Kampagne »{1}« hat eine Abfrage und einen Verteiler: entfernen Sie "
                              "eines"},
    [MESSAGE_NOT_A_DISTRIBUTOR] =
        {"report »{1}« is no distributor: give it a query and the category »Verteiler für "
         "Kampagne«",
         "Bericht »{1}« ist kein Verteiler: geben Sie ihm eine Abfrage und die Kategorie "
         "»Verteiler für Kampagne«"},
    [MESSAGE_NO_GROUPS] = {"query »{1}« has no group: give it one, with its SQL",
                           "Abfrage »{1}« hat keine Gruppe: geben Sie ihr eine mit ihrem SQL"},
    [MESSAGE_WHICH_GROUP] = {"query »{1}« has several groups: choose one in campaign »{2}«",
                             "Abfrage »{1}« hat mehrere Gruppen: wählen Sie eine in Kampagne "
                             "»{2}«"},
    [MESSAGE_NO_GROUP] = {"query »{1}« has no group »{2}«: choose another in campaign »{3}«",
                          "Abfrage »{1}« hat keine Gruppe »{2}«: wählen Sie eine andere in "
                          "Kampagne »{3}«"},
    [MESSAGE_NO_REPORT] = {"step »{1}«: there is no report »{2}«: make it, or name another in its "
                           "parameter »{3}«",
                           "Schritt »{1}«: es gibt keinen Bericht »{2}«: legen Sie ihn an, oder "
                           "nennen Sie in seinem Parameter »{3}« einen anderen"},
    [MESSAGE_TOO_LARGE] = {"the texts and files needed are larger than {1} together: use smaller "
                           "images",
                           "die benötigten Texte und Dateien sind zusammen größer als {1}: nehmen "
                           "Sie kleinere Bilder"},
    [MESSAGE_CANNOT_START] = {"campaign »{1}« cannot be started: {2}",
                              "Kampagne »{1}« kann nicht gestartet werden: {2}"},
    [MESSAGE_REQUEST_RUBBISH] = {"the request cannot be read: {1}",
                                 "die Anforderung ist nicht lesbar: {1}"},
    [MESSAGE_REQUEST_NO_CAMPAIGN] =
        {"there is no such campaign: insert a new request with the id of one that is there",
         "diese Kampagne gibt es nicht: fordern Sie mit der id einer vorhandenen neu an"},
    [MESSAGE_NOT_FOUND] = {"there is no {1} with the id {2}", "es gibt kein {1} mit der id {2}"},
};

/* Texts of a site's own in a message: shown this far. */
#define SHOWN_BYTES 320

/* Put in what may be hostile: one line, valid UTF-8, not endless. */
static void put_harmless(struct buffer *target, const char *text)
{
    char shown[SHOWN_BYTES + 1];
    text_copy(shown, sizeof shown, text);
    size_t length = strlen(shown);
    bool valid = text_is_utf8(shown, length);
    for (char *c = shown; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
        else if (!valid && (unsigned char)*c >= 0x80)
            *c = '?';
    buffer_append(target, shown, length);
    if (text[length])
        buffer_text(target, "…");
}

static void word(struct buffer *target, const char *pattern, const char *const texts[3])
{
    for (const char *c = pattern; *c; c++) {
        bool is_place = c[0] == '{' && c[1] >= '1' && c[1] <= '3' && c[2] == '}';
        if (!is_place) {
            buffer_char(target, *c);
            continue;
        }
        const char *text = texts[c[1] - '1'];
        put_harmless(target, text ? text : "");
        c += 2;
    }
}

int trouble_set(struct trouble *why, enum error_code code, enum message message, const char *table,
                int64_t row, const char *first, const char *second, const char *third)
{
    const char *const texts[3] = {first, second, third};
    BUFFER_CLEAN struct buffer english = {0};
    BUFFER_CLEAN struct buffer german = {0};
    word(&english, wordings[message].english, texts);
    word(&german, wordings[message].german, texts);
    why->message = message;
    why->table = table;
    why->row = row;
    error_set(&why->error, code, "%s", buffer_string(&english));
    text_copy(why->error.german, sizeof why->error.german, buffer_string(&german));
    return -1;
}

int trouble_sql(struct trouble *why, struct definitions *d, const char *table)
{
    int result = sqlite3_errcode(d->db);
    const char *what = sqlite3_errmsg(d->db);
    switch (result) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return trouble_set(why, ERROR_BUSY, MESSAGE_BUSY, table, 0, d->path, NULL, NULL);
    case SQLITE_INTERRUPT:
        return trouble_set(why, ERROR_BUSY, MESSAGE_TOO_SLOW, table, 0, d->path, NULL, NULL);
    case SQLITE_TOOBIG:
        return trouble_set(why, ERROR_INPUT, MESSAGE_TOO_BIG, table, 0, NULL, NULL, NULL);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return trouble_set(why, ERROR_SYSTEM, MESSAGE_DAMAGED, table, 0, d->path, what, NULL);
    case SQLITE_CONSTRAINT:
        return trouble_set(why, ERROR_INPUT, MESSAGE_SQL, table, 0, d->path, what, NULL);
    default:
        return trouble_set(why, ERROR_SYSTEM, MESSAGE_SQL, table, 0, d->path, what, NULL);
    }
}

int trouble_tell(const struct trouble *why, struct error *error)
{
    if (error)
        *error = why->error;
    return -1;
}

static void add(struct findings *findings, bool error, const struct trouble *why)
{
    if (findings->count >= FINDINGS_MOST)
        return;
    findings->items =
        memory_resize(findings->items, (findings->count + 1) * sizeof *findings->items);
    findings->items[findings->count++] = (struct finding){
        .table = why->table ? why->table : "",
        .row = why->row,
        .error = error,
        .english = memory_text(why->error.message),
        .german = memory_text(why->error.german),
    };
}

void findings_add(struct findings *findings, bool error, enum message message, const char *table,
                  int64_t row, const char *first, const char *second, const char *third)
{
    if (findings->count == FINDINGS_MOST - 1) {
        message = MESSAGE_MORE;
        table = "problem";
        row = 0;
        error = true;
    }
    struct trouble why = {0};
    trouble_set(&why, ERROR_INPUT, message, table, row, first, second, third);
    add(findings, error, &why);
}

void findings_add_trouble(struct findings *findings, const struct trouble *why)
{
    if (findings->count == FINDINGS_MOST - 1)
        findings_add(findings, true, MESSAGE_MORE, NULL, 0, NULL, NULL, NULL);
    else
        add(findings, true, why);
}

bool findings_has(const struct findings *findings, const char *table, int64_t row)
{
    for (size_t i = 0; i < findings->count; i++)
        if (findings->items[i].row == row && text_equal(findings->items[i].table, table))
            return true;
    return false;
}

void findings_free(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        free(findings->items[i].english);
        free(findings->items[i].german);
    }
    free(findings->items);
    *findings = (struct findings){0};
}
