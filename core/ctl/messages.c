/* {1}, {2} … stand for what is put in; {1:row|rows} for the first word if that is "1", else for the
 * second. "{…}" without a digit stays as it is. */
#include "ctl/messages.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"

static const char *const english[MESSAGE_COUNT] = {
    [MESSAGE_USAGE] = "Usage: {1}",
    [MESSAGE_ABOUT] = "campaignctl talks to campaignd: campaigns, their queries and reports, runs "
                      "and the archive.",
    [MESSAGE_COMMANDS] = "Commands:",
    [MESSAGE_OPTIONS] = "Options:",
    [MESSAGE_GLOBAL_OPTIONS] = "Options of every command:",
    [MESSAGE_HELP_MORE] =
        "“campaignctl COMMAND --help” says more about one of them; campaignctl(1) tells all.",
    [MESSAGE_HELP_CAMPAIGN_LIST] = "all campaigns",
    [MESSAGE_HELP_CAMPAIGN_SHOW] = "one campaign with its steps",
    [MESSAGE_HELP_CAMPAIGN_NEW] = "make a campaign",
    [MESSAGE_HELP_CAMPAIGN_EDIT] = "change a campaign",
    [MESSAGE_HELP_CAMPAIGN_CHECK] = "could it be started? Says what is wrong",
    [MESSAGE_HELP_CAMPAIGN_START] = "run a campaign",
    [MESSAGE_HELP_CAMPAIGN_DELETE] = "delete a campaign; its runs stay",
    [MESSAGE_HELP_QUERY_LIST] = "all queries",
    [MESSAGE_HELP_QUERY_SHOW] = "one query with its groups",
    [MESSAGE_HELP_QUERY_NEW] = "make a query",
    [MESSAGE_HELP_QUERY_EDIT] = "change a query",
    [MESSAGE_HELP_QUERY_RUN] = "the first rows that a query delivers",
    [MESSAGE_HELP_QUERY_DELETE] = "delete a query",
    [MESSAGE_HELP_REPORT_LIST] = "all reports",
    [MESSAGE_HELP_REPORT_SHOW] = "one report",
    [MESSAGE_HELP_REPORT_NEW] = "make a report",
    [MESSAGE_HELP_REPORT_EDIT] = "change a report",
    [MESSAGE_HELP_REPORT_DELETE] = "delete a report",
    [MESSAGE_HELP_RUN_LIST] = "all runs, the newest first",
    [MESSAGE_HELP_RUN_SHOW] = "one run with its counts",
    [MESSAGE_HELP_RUN_WATCH] = "follow a run until it ends",
    [MESSAGE_HELP_RUN_TASKS] = "what became of which recipient, and why",
    [MESSAGE_HELP_RUN_PAUSE] = "begin nothing more for now",
    [MESSAGE_HELP_RUN_RESUME] = "go on with a paused run",
    [MESSAGE_HELP_RUN_CANCEL] = "end a run for good",
    [MESSAGE_HELP_RUN_CONFIRM] = "note that recipients have answered",
    [MESSAGE_HELP_PREVIEW] = "what one recipient would get",
    [MESSAGE_HELP_ARCHIVE_LIST] = "documents in the archive",
    [MESSAGE_HELP_ARCHIVE_GET] = "fetch a document",
    [MESSAGE_HELP_ARCHIVE_VERIFY] = "is the archive whole and unchanged?",
    [MESSAGE_HELP_PLUGIN_LIST] = "the configured actions and their plugins",
    [MESSAGE_HELP_STATUS] = "the daemon and its workers",
    [MESSAGE_HELP_PROBLEMS] = "what is wrong in the definitions",
    [MESSAGE_HELP_RELOAD] = "take over a changed configuration",
    [MESSAGE_OPTION_SOCKET] =
        "the daemon's socket (else $CAMPAIGND_SOCKET, else /run/campaignd/campaignd.sock)",
    [MESSAGE_OPTION_JSON] = "JSON for programs instead of tables for people",
    [MESSAGE_OPTION_LANG] = "language of the output: de or en",
    [MESSAGE_OPTION_HELP] = "this help",
    [MESSAGE_OPTION_VERSION] = "the version",
    [MESSAGE_OPTION_SET] =
        "set a value (dots go deeper: steps.0.action); @FILE reads it from a file; repeatable",
    [MESSAGE_OPTION_FILE] = "take the document from this JSON file; - is standard input",
    [MESSAGE_OPTION_WATCH] = "follow the run until it ends",
    [MESSAGE_OPTION_FORCE] = "start although another run of it is under way",
    [MESSAGE_OPTION_YES] = "do not ask",
    [MESSAGE_OPTION_STEP] = "only this step",
    [MESSAGE_OPTION_OUTPUT] = "write to this file or folder; - is standard output",
    [MESSAGE_OPTION_RUN] = "only of this run",
    [MESSAGE_OPTION_RECIPIENT] = "only of the recipient with this key",
    [MESSAGE_OPTION_LIMIT] = "at most so many",
    [MESSAGE_OPTION_OUTCOME] = "only this one: rejected, unknown, skipped, deferred or delivered",
    [MESSAGE_BAD_VERB] = "after “{1}” comes one of: {2}.",
    [MESSAGE_BAD_COMMAND] = "“{1}” is no command. “campaignctl --help” lists them.",
    [MESSAGE_BAD_OPTION] =
        "the option “{1}” is not known here. “campaignctl{2} --help” lists them.",
    [MESSAGE_OPTION_NEEDS_VALUE] = "the option “{1}” needs a value.",
    [MESSAGE_BAD_ARGUMENTS] = "wrong number of arguments. Usage: {1}",
    [MESSAGE_BAD_NUMBER] = "“{1}” must be a whole number above 0.",
    [MESSAGE_BAD_LANGUAGE] = "--lang is “de” or “en”, not “{1}”.",
    [MESSAGE_BAD_OUTCOME] =
        "--outcome is rejected, unknown, skipped, deferred or delivered, not “{1}”.",
    [MESSAGE_BAD_DOCUMENT_NAME] = "“{1}” names no document; give RUN/DOCUMENT as “campaignctl "
                                  "archive list” shows them, such as 3/17.",
    [MESSAGE_UNREACHABLE] =
        "no campaignd answers at {1}: {2}. Is it running (systemctl status campaignd)? Option "
        "--socket or $CAMPAIGND_SOCKET names another socket.",
    [MESSAGE_NO_PERMISSION] = "you may not use the socket {1}. Join the group that owns it (ls -l "
                              "shows it), or call campaignctl with sudo.",
    [MESSAGE_CONNECTION_LOST] =
        "campaignd at {1} gave no whole answer: {2}. Its log says why; then try again.",
    [MESSAGE_TOO_LARGE] =
        "the answer is larger than 256 MB. Ask for less (--limit, --run, --step).",
    [MESSAGE_BAD_ANSWER] = "campaignd at {1} answers what this campaignctl does not understand "
                           "(HTTP {2}). Are both of one version?",
    [MESSAGE_HINT_LIST] = "“campaignctl {1} list” shows what is there.",
    [MESSAGE_HINT_CHECK] = "“campaignctl campaign check” shows all that is wrong.",
    [MESSAGE_HINT_LOG] = "The daemon's log says more (journalctl -u campaignd).",
    [MESSAGE_HINT_BUSY] = "Try again in a moment.",
    [MESSAGE_CANNOT_WRITE] = "cannot write {1}: {2}.",
    [MESSAGE_EXISTS] = "the file {1} is already there. Choose another with -o.",
    [MESSAGE_TABLE_TO_FILE] =
        "a table is for the terminal. With -o choose --format csv or --format jsonl.",
    [MESSAGE_BAD_SET] = "--set {1}: give it as KEY=VALUE.",
    [MESSAGE_BAD_SET_PATH] =
        "--set {1}: there is no place for “{2}” in the document; a list grows by one at its end.",
    [MESSAGE_BAD_JSON] = "{1}, line {2}, column {3}: {4}.",
    [MESSAGE_NOT_OBJECT] = "{1}: a JSON object is needed: {…}.",
    [MESSAGE_NO_EDITOR] = "neither --set nor --file is given, and there is no terminal to edit on. "
                          "Give one of them, or set $EDITOR.",
    [MESSAGE_EDITOR_FAILED] = "the editor “{1}” failed (status {2}).",
    [MESSAGE_EDIT_AGAIN] = "Edit again? [Y/n] ",
    [MESSAGE_TEXT_KEPT] = "Your text is kept in {1} (--file takes it).",
    [MESSAGE_UNCHANGED] = "Nothing changed.",
    [MESSAGE_SURE_DELETE] = "Delete {1} “{2}”? [y/N] ",
    [MESSAGE_NOT_DELETED] = "Not deleted.",
    [MESSAGE_MADE] = "Made: {1} “{2}” (number {3}).",
    [MESSAGE_CHANGED] = "Changed: {1} “{2}”.",
    [MESSAGE_DELETED] = "Deleted: {1} “{2}”.",
    [MESSAGE_KIND_CAMPAIGN] = "campaign",
    [MESSAGE_KIND_QUERY] = "query",
    [MESSAGE_KIND_REPORT] = "report",
    [MESSAGE_NOTHING] = "(nothing)",
    [MESSAGE_CHECK_OK] = "Ready to start: {1} {1:recipient|recipients}.",
    [MESSAGE_CHECK_OK_UNCOUNTED] = "Ready to start.",
    [MESSAGE_CHECK_BAD] = "Not ready to start.",
    [MESSAGE_STARTED] = "Run {1} has started. “campaignctl run watch {1}” follows it.",
    [MESSAGE_RUN_CHANGED] = "Run {1}: {2}.",
    [MESSAGE_RUN_CONFIRMED] = "Run {1}: confirmed for {2}.",
    [MESSAGE_RUN_UNKNOWN] = "Not a recipient of run {1}: {2}",
    [MESSAGE_RUN_PAUSING] = "will pause",
    [MESSAGE_RUN_RESUMING] = "goes on",
    [MESSAGE_RUN_CANCELLING] = "will be cancelled",
    [MESSAGE_WATCH_LABEL] = "Run {1}",
    [MESSAGE_WATCH_LEFT] = "{1} left",
    [MESSAGE_WATCH_LEAVE] = "The run goes on. “campaignctl run watch {1}” follows it again.",
    [MESSAGE_WATCH_PAUSED] =
        "Run {1} is paused and does not go on by itself{2}. “campaignctl run resume {1}” goes on.",
    [MESSAGE_SUMMARY] = "Run {1}, “{2}”: {3}{4}.",
    [MESSAGE_SUMMARY_TOOK] = " after {1}",
    [MESSAGE_SUMMARY_FAILED] = "{1} rejected, {2} unknown. {3}",
    [MESSAGE_LEFT_OUT] = "Left out: {1}.",
    [MESSAGE_TASKS_WHICH] = "“campaignctl run tasks {1} --outcome {2}” says which, and why.",
    [MESSAGE_TASKS_CUT] = "The first {1}; there may be more (--limit).",
    [MESSAGE_PREVIEW_PART] = "--- {1}: {2} ({3}, {4} bytes)",
    [MESSAGE_PREVIEW_BINARY] = "(not text: -o DIRECTORY saves it)",
    [MESSAGE_PREVIEW_EMPTY] = "Nothing would be made for this recipient.",
    [MESSAGE_PREVIEW_SEVERAL] =
        "the preview has {1} parts; name a folder with -o, or one of them with --step.",
    [MESSAGE_SAVED] = "Saved: {1} ({2} bytes).",
    [MESSAGE_VERIFY_OK] = "The archive is whole and unchanged: {1} {1:document|documents}.",
    [MESSAGE_VERIFY_BAD] = "The archive is NOT whole (documents: {2}, faults: {1}).",
    [MESSAGE_VERIFY_UNCOMMITTED] = "Uncommitted entries: {1} (from interrupted work; no fault).",
    [MESSAGE_ROWS_COUNT] = "{1} {1:row|rows} in all.",
    [MESSAGE_ROWS_TRUNCATED] = "There are more rows; --limit shows more.",
    [MESSAGE_NO_PROBLEMS] = "No problems.",
    [MESSAGE_RELOADED] = "Reloaded: generation {1}.",
    [MESSAGE_RELOADED_CHANGED] = "Changed: {1}.",
    [MESSAGE_BYTES] = "({1} bytes)",
    [MESSAGE_YES] = "yes",
    [MESSAGE_NO] = "no",
    [MESSAGE_ACTIONS] = "Actions",
    [MESSAGE_HELP_CAMPAIGN_RECIPIENTS] =
        "who would get it: a count, the first, who is left out; starts nothing",
    [MESSAGE_HELP_CAMPAIGN_INDIVIDUAL] =
        "give it its own copy of the query, to be changed for it alone",
    [MESSAGE_HELP_CAMPAIGN_COMPARE] = "its own query beside the saved one",
    [MESSAGE_HELP_CAMPAIGN_EXPORT] = "its recipients as a list: CSV, JSON lines, a table",
    [MESSAGE_HELP_QUERY_GROUPS] = "its groups, and how many rows each delivers",
    [MESSAGE_HELP_QUERY_SQL] = "the SQL that is run, and the values bound to it",
    [MESSAGE_HELP_QUERY_FIELDS] = "its columns, with guesses at what they mean",
    [MESSAGE_HELP_QUERY_EXPORT] = "its rows as a list: CSV, JSON lines, a table",
    [MESSAGE_HELP_CATEGORY_LIST] = "all categories of reports",
    [MESSAGE_HELP_CATEGORY_SHOW] = "one category",
    [MESSAGE_HELP_CATEGORY_NEW] = "make a category",
    [MESSAGE_HELP_CATEGORY_EDIT] = "change a category",
    [MESSAGE_HELP_CATEGORY_DELETE] = "delete a category",
    [MESSAGE_HELP_PATTERN_LIST] = "all address patterns",
    [MESSAGE_HELP_PATTERN_SHOW] = "one address pattern",
    [MESSAGE_HELP_PATTERN_NEW] = "make an address pattern",
    [MESSAGE_HELP_PATTERN_EDIT] = "change an address pattern",
    [MESSAGE_HELP_PATTERN_DELETE] = "delete an address pattern",
    [MESSAGE_HELP_SOURCE_LIST] = "all sources",
    [MESSAGE_HELP_SOURCE_TABLES] = "what there is to read: tables, or one table's columns and keys",
    [MESSAGE_HELP_SOURCE_TEST] = "can it be reached?",
    [MESSAGE_HELP_SOURCE_IMPORT] = "make a table of the source “imports” from a CSV file",
    [MESSAGE_HELP_SOURCE_DROP] = "delete an imported table",
    [MESSAGE_HELP_SUPPRESS_LIST] = "the suppression list",
    [MESSAGE_HELP_SUPPRESS_ADD] = "suppress an address or a person, also in runs under way",
    [MESSAGE_HELP_SUPPRESS_REMOVE] = "take an entry off the suppression list",
    [MESSAGE_HELP_SUPPRESS_IMPORT] = "take entries from a CSV file",
    [MESSAGE_HELP_SUPPRESS_EXPORT] = "the suppression list as CSV",
    [MESSAGE_HELP_SUPPRESS_FEED] = "take entries from a query's rows",
    [MESSAGE_HELP_PERSON_EXPORT] = "all that is held on one person, as JSON",
    [MESSAGE_HELP_EXPORT] = "all definitions as one JSON file",
    [MESSAGE_HELP_IMPORT] = "take definitions from such a file",
    [MESSAGE_OPTION_QUERY] = "its recipients come from this query",
    [MESSAGE_OPTION_DISTRIBUTOR] = "its recipients come from this distributor",
    [MESSAGE_OPTION_EVENT] = "the query's parameter “event”: a record of the site's",
    [MESSAGE_OPTION_GROUP] = "this group of the query",
    [MESSAGE_OPTION_PARAMETER] = "a value for one of the query's parameters; repeatable",
    [MESSAGE_OPTION_FILTER] = "only those for whom this holds: “city = 'Graz' AND amount > 100”",
    [MESSAGE_OPTION_TAKE_OUT] = "without the one with this key; repeatable",
    [MESSAGE_OPTION_TAKE_IN] =
        "with the one with this key although the filter leaves it out; repeatable",
    [MESSAGE_OPTION_SAMPLE] = "so many of them, at random",
    [MESSAGE_OPTION_FRESH] = "ask the source again, not what it said some minutes ago",
    [MESSAGE_OPTION_LEFT_OUT] = "show who is left out, and why",
    [MESSAGE_OPTION_SAVE] = "keep it",
    [MESSAGE_OPTION_FORMAT] = "csv (the default), jsonl (JSON lines) or table",
    [MESSAGE_OPTION_FORMULA_GUARD] =
        "put an apostrophe before texts that a spreadsheet would take for a formula",
    [MESSAGE_OPTION_BOM] = "begin with a byte order mark, as some spreadsheets want it",
    [MESSAGE_OPTION_SEPARATOR] = "between the cells of CSV: , ; | or \\t",
    [MESSAGE_OPTION_ENCODING] = "of the file; else it is found out: UTF-8, WINDOWS-1252 …",
    [MESSAGE_OPTION_TABLE] = "the table's name; else the file's",
    [MESSAGE_OPTION_PERSON] = "VALUE is a recipient's key, not an address",
    [MESSAGE_OPTION_CHANNEL] = "email, sms, letter or any (the default)",
    [MESSAGE_OPTION_SCOPE] = "campaign, advertising or all (the default)",
    [MESSAGE_OPTION_CAMPAIGN] = "for --scope campaign: which",
    [MESSAGE_OPTION_REASON] =
        "objection (the default), complaint, bounce, blocked, deceased or other",
    [MESSAGE_OPTION_NOTE] = "a note to it",
    [MESSAGE_OPTION_VALUE] = "only entries for this address or key",
    [MESSAGE_OPTION_DRY_RUN] = "only say what would change",
    [MESSAGE_BAD_PARAMETER] = "--parameter {1}: give it as NAME=VALUE.",
    [MESSAGE_NO_PARAMETERS] = "the query “{1}” has no parameters, so “{2}” has no place in it. Add "
                              "it to its “parameters”, or leave it out.",
    [MESSAGE_WRONG_PARAMETER] = "the query “{1}” has no parameter “{2}”. It has: {3}.",
    [MESSAGE_WRONG_PARAMETER_NEAR] = "the query “{1}” has no parameter “{2}”. Is “{3}” meant?",
    [MESSAGE_NO_DISTRIBUTOR] =
        "the report “{1}” brings no query; give it one, or choose another distributor.",
    [MESSAGE_NOT_DISTRIBUTOR] = "the report “{1}” is no distributor; give it the category “{2}” "
                                "(campaignctl report edit), or choose another.",
    [MESSAGE_NOT_IN_QUERY] = "Not in the query: {1}. A key is written as the query delivers it.",
    [MESSAGE_WHICH_GROUP] =
        "the query “{1}” delivers several groups: {2}. Choose one with --group.",
    [MESSAGE_NO_SUCH_GROUP] = "the query “{1}” has no group “{3}”. It has: {2}.",
    [MESSAGE_ORIGIN_MISSING] =
        "--group, --parameter and --from-event need --query or --distributor.",
    [MESSAGE_ORIGIN_TWICE] = "give either --query or --distributor, and not --file.",
    [MESSAGE_FIELDS_SAVED] = "{1} {1:field|fields} saved. “campaignctl query edit” changes them.",
    [MESSAGE_FIELDS_GUESSED] = "What stands in parentheses is guessed; --save keeps it.",
    [MESSAGE_RECIPIENTS] = "{1} {1:recipient|recipients}.",
    [MESSAGE_INDIVIDUAL] = "The campaign “{1}” has its own copy of the query now. “campaignctl "
                           "campaign edit” changes it.",
    [MESSAGE_COMPARE_SAME] = "The query of the campaign “{1}” is the saved one.",
    [MESSAGE_NO_SUCH_TABLE] =
        "the source “{1}” has no table “{2}”. “campaignctl source tables {1}” lists them.",
    [MESSAGE_NO_SUCH_TABLE_NEAR] = "the source “{1}” has no table “{2}”. Is “{3}” meant?",
    [MESSAGE_SOURCE_OK] = "The source “{1}” answers, after {2} ms.",
    [MESSAGE_IMPORTED] = "{1} {1:row|rows} in the table “{2}” of the source “imports”. Encoding "
                         "{3}, separator “{4}”.",
    [MESSAGE_TAB] = "tab",
    [MESSAGE_KIND_TABLE] = "table",
    [MESSAGE_KIND_CATEGORY] = "category",
    [MESSAGE_KIND_PATTERN] = "address pattern",
    [MESSAGE_SUPPRESSED] =
        "Suppressed: “{1}” (entry {2}). What has not begun in runs under way is taken back.",
    [MESSAGE_UNSUPPRESSED] = "Entry {1} is off the suppression list.",
    [MESSAGE_SUPPRESSIONS_TAKEN] = "Entries added: {1}, changed: {2}.",
    [MESSAGE_LINES_REFUSED] = "lines not taken: {1}. Correct them, and give them once more.",
    [MESSAGE_BAD_FORMAT] = "--format is csv, jsonl or table, not “{1}”.",
    [MESSAGE_NOT_UTF8] = "{1} is not UTF-8; save it so.",
    [MESSAGE_DEFINITIONS_TAKEN] =
        "{1} {1:definition|definitions} taken, {2} {2:was|were} the same.",
    [MESSAGE_DEFINITIONS_TRIED] = "{1} {1:definition|definitions} would change, {2} {2:is|are} the "
                                  "same. Nothing was changed.",
};

static const char *const german[MESSAGE_COUNT] = {
    [MESSAGE_USAGE] = "Aufruf: {1}",
    [MESSAGE_ABOUT] = "campaignctl spricht mit campaignd: Kampagnen, ihre Abfragen und Berichte, "
                      "Ausführungen und das Archiv.",
    [MESSAGE_COMMANDS] = "Befehle:",
    [MESSAGE_OPTIONS] = "Optionen:",
    [MESSAGE_GLOBAL_OPTIONS] = "Optionen jedes Befehls:",
    [MESSAGE_HELP_MORE] =
        "„campaignctl BEFEHL --help“ sagt mehr über einen davon, campaignctl(1) alles.",
    [MESSAGE_HELP_CAMPAIGN_LIST] = "alle Kampagnen",
    [MESSAGE_HELP_CAMPAIGN_SHOW] = "eine Kampagne mit ihren Schritten",
    [MESSAGE_HELP_CAMPAIGN_NEW] = "eine Kampagne anlegen",
    [MESSAGE_HELP_CAMPAIGN_EDIT] = "eine Kampagne ändern",
    [MESSAGE_HELP_CAMPAIGN_CHECK] = "könnte sie starten? Sagt, was fehlt",
    [MESSAGE_HELP_CAMPAIGN_START] = "eine Kampagne ausführen",
    [MESSAGE_HELP_CAMPAIGN_DELETE] = "eine Kampagne löschen; ihre Ausführungen bleiben",
    [MESSAGE_HELP_QUERY_LIST] = "alle Abfragen",
    [MESSAGE_HELP_QUERY_SHOW] = "eine Abfrage mit ihren Gruppen",
    [MESSAGE_HELP_QUERY_NEW] = "eine Abfrage anlegen",
    [MESSAGE_HELP_QUERY_EDIT] = "eine Abfrage ändern",
    [MESSAGE_HELP_QUERY_RUN] = "die ersten Zeilen, die eine Abfrage liefert",
    [MESSAGE_HELP_QUERY_DELETE] = "eine Abfrage löschen",
    [MESSAGE_HELP_REPORT_LIST] = "alle Berichte",
    [MESSAGE_HELP_REPORT_SHOW] = "einen Bericht",
    [MESSAGE_HELP_REPORT_NEW] = "einen Bericht anlegen",
    [MESSAGE_HELP_REPORT_EDIT] = "einen Bericht ändern",
    [MESSAGE_HELP_REPORT_DELETE] = "einen Bericht löschen",
    [MESSAGE_HELP_RUN_LIST] = "alle Ausführungen, die neueste zuerst",
    [MESSAGE_HELP_RUN_SHOW] = "eine Ausführung mit ihren Zahlen",
    [MESSAGE_HELP_RUN_WATCH] = "einer Ausführung zusehen, bis sie endet",
    [MESSAGE_HELP_RUN_TASKS] = "was aus welchem Empfänger wurde, und warum",
    [MESSAGE_HELP_RUN_PAUSE] = "vorerst nichts mehr beginnen",
    [MESSAGE_HELP_RUN_RESUME] = "eine angehaltene Ausführung fortsetzen",
    [MESSAGE_HELP_RUN_CANCEL] = "eine Ausführung endgültig abbrechen",
    [MESSAGE_HELP_RUN_CONFIRM] = "festhalten, dass Empfänger geantwortet haben",
    [MESSAGE_HELP_PREVIEW] = "was ein Empfänger bekäme",
    [MESSAGE_HELP_ARCHIVE_LIST] = "Dokumente im Archiv",
    [MESSAGE_HELP_ARCHIVE_GET] = "ein Dokument holen",
    [MESSAGE_HELP_ARCHIVE_VERIFY] = "ist das Archiv vollständig und unverändert?",
    [MESSAGE_HELP_PLUGIN_LIST] = "die eingerichteten Aktionen und ihre Plugins",
    [MESSAGE_HELP_STATUS] = "der Dienst und seine Arbeitsprozesse",
    [MESSAGE_HELP_PROBLEMS] = "was an den Definitionen nicht stimmt",
    [MESSAGE_HELP_RELOAD] = "eine geänderte Konfiguration übernehmen",
    [MESSAGE_OPTION_SOCKET] =
        "der Socket des Dienstes (sonst $CAMPAIGND_SOCKET, sonst /run/campaignd/campaignd.sock)",
    [MESSAGE_OPTION_JSON] = "JSON für Programme statt Tabellen für Menschen",
    [MESSAGE_OPTION_LANG] = "Sprache der Ausgabe: de oder en",
    [MESSAGE_OPTION_HELP] = "diese Hilfe",
    [MESSAGE_OPTION_VERSION] = "die Version",
    [MESSAGE_OPTION_SET] = "einen Wert setzen (Punkte führen tiefer: steps.0.action); @DATEI liest "
                           "ihn aus einer Datei; mehrfach möglich",
    [MESSAGE_OPTION_FILE] = "das Dokument aus dieser JSON-Datei nehmen; - ist die Standardeingabe",
    [MESSAGE_OPTION_WATCH] = "der Ausführung zusehen, bis sie endet",
    [MESSAGE_OPTION_FORCE] = "starten, auch wenn eine andere Ausführung von ihr läuft",
    [MESSAGE_OPTION_YES] = "nicht nachfragen",
    [MESSAGE_OPTION_STEP] = "nur dieser Schritt",
    [MESSAGE_OPTION_OUTPUT] =
        "in diese Datei oder diesen Ordner schreiben; - ist die Standardausgabe",
    [MESSAGE_OPTION_RUN] = "nur aus dieser Ausführung",
    [MESSAGE_OPTION_RECIPIENT] = "nur vom Empfänger mit diesem Schlüssel",
    [MESSAGE_OPTION_LIMIT] = "höchstens so viele",
    [MESSAGE_OPTION_OUTCOME] =
        "nur dieses Ergebnis: rejected (abgelehnt), unknown (unklar), skipped (übergangen), "
        "deferred (aufgeschoben) oder delivered (erledigt)",
    [MESSAGE_BAD_VERB] = "nach „{1}“ kommt eines von: {2}.",
    [MESSAGE_BAD_COMMAND] = "„{1}“ ist kein Befehl. „campaignctl --help“ zählt sie auf.",
    [MESSAGE_BAD_OPTION] =
        "die Option „{1}“ gibt es hier nicht. „campaignctl{2} --help“ zählt sie auf.",
    [MESSAGE_OPTION_NEEDS_VALUE] = "die Option „{1}“ braucht einen Wert.",
    [MESSAGE_BAD_ARGUMENTS] = "falsche Zahl von Angaben. Aufruf: {1}",
    [MESSAGE_BAD_NUMBER] = "„{1}“ muss eine ganze Zahl über 0 sein.",
    [MESSAGE_BAD_LANGUAGE] = "--lang ist „de“ oder „en“, nicht „{1}“.",
    [MESSAGE_BAD_OUTCOME] =
        "--outcome ist rejected (abgelehnt), unknown (unklar), skipped (übergangen), deferred "
        "(aufgeschoben) oder delivered (erledigt), nicht „{1}“.",
    [MESSAGE_BAD_DOCUMENT_NAME] = "„{1}“ nennt kein Dokument; angeben als AUSFÜHRUNG/DOKUMENT, wie "
                                  "„campaignctl archive list“ sie zeigt, etwa 3/17.",
    [MESSAGE_UNREACHABLE] =
        "unter {1} antwortet kein campaignd: {2}. Läuft er (systemctl status campaignd)? Die "
        "Option --socket oder $CAMPAIGND_SOCKET nennt einen anderen Socket.",
    [MESSAGE_NO_PERMISSION] =
        "der Socket {1} ist Ihnen verschlossen. Treten Sie der Gruppe bei, der er gehört (ls -l "
        "zeigt sie), oder rufen Sie campaignctl mit sudo auf.",
    [MESSAGE_CONNECTION_LOST] = "campaignd unter {1} hat nicht vollständig geantwortet: {2}. Sein "
                                "Protokoll sagt warum; danach noch einmal versuchen.",
    [MESSAGE_TOO_LARGE] =
        "die Antwort ist größer als 256 MB. Fragen Sie nach weniger (--limit, --run, --step).",
    [MESSAGE_BAD_ANSWER] = "campaignd unter {1} antwortet, was dieses campaignctl nicht versteht "
                           "(HTTP {2}). Haben beide dieselbe Version?",
    [MESSAGE_HINT_LIST] = "„campaignctl {1} list“ zeigt, was da ist.",
    [MESSAGE_HINT_CHECK] = "„campaignctl campaign check“ zeigt alles, was nicht stimmt.",
    [MESSAGE_HINT_LOG] = "Das Protokoll des Dienstes sagt mehr (journalctl -u campaignd).",
    [MESSAGE_HINT_BUSY] = "Versuchen Sie es gleich noch einmal.",
    [MESSAGE_CANNOT_WRITE] = "kann {1} nicht schreiben: {2}.",
    [MESSAGE_EXISTS] = "die Datei {1} gibt es schon. Wählen Sie mit -o eine andere.",
    [MESSAGE_TABLE_TO_FILE] =
        "eine Tabelle ist für das Terminal. Wählen Sie mit -o --format csv oder --format jsonl.",
    [MESSAGE_BAD_SET] = "--set {1}: angeben als SCHLÜSSEL=WERT.",
    [MESSAGE_BAD_SET_PATH] =
        "--set {1}: für „{2}“ ist im Dokument kein Platz; eine Liste wächst am Ende um eins.",
    [MESSAGE_BAD_JSON] = "{1}, Zeile {2}, Spalte {3}: {4}.",
    [MESSAGE_NOT_OBJECT] = "{1}: gebraucht wird ein JSON-Objekt: {…}.",
    [MESSAGE_NO_EDITOR] = "weder --set noch --file ist angegeben, und es gibt kein Terminal zum "
                          "Bearbeiten. Geben Sie eines davon an oder setzen Sie $EDITOR.",
    [MESSAGE_EDITOR_FAILED] = "der Editor „{1}“ ist fehlgeschlagen (Status {2}).",
    [MESSAGE_EDIT_AGAIN] = "Weiter bearbeiten? [J/n] ",
    [MESSAGE_TEXT_KEPT] = "Ihr Text ist noch in {1} (--file nimmt ihn).",
    [MESSAGE_UNCHANGED] = "Nichts geändert.",
    [MESSAGE_SURE_DELETE] = "{1} „{2}“ löschen? [j/N] ",
    [MESSAGE_NOT_DELETED] = "Nicht gelöscht.",
    [MESSAGE_MADE] = "Angelegt: {1} „{2}“ (Nummer {3}).",
    [MESSAGE_CHANGED] = "Geändert: {1} „{2}“.",
    [MESSAGE_DELETED] = "Gelöscht: {1} „{2}“.",
    [MESSAGE_KIND_CAMPAIGN] = "Kampagne",
    [MESSAGE_KIND_QUERY] = "Abfrage",
    [MESSAGE_KIND_REPORT] = "Bericht",
    [MESSAGE_NOTHING] = "(nichts)",
    [MESSAGE_CHECK_OK] = "Startbereit: {1} Empfänger.",
    [MESSAGE_CHECK_OK_UNCOUNTED] = "Startbereit.",
    [MESSAGE_CHECK_BAD] = "Nicht startbereit.",
    [MESSAGE_STARTED] = "Ausführung {1} hat begonnen. „campaignctl run watch {1}“ sieht ihr zu.",
    [MESSAGE_RUN_CHANGED] = "Ausführung {1}: {2}.",
    [MESSAGE_RUN_CONFIRMED] = "Ausführung {1}: bestätigt für {2}.",
    [MESSAGE_RUN_UNKNOWN] = "Kein Empfänger der Ausführung {1}: {2}",
    [MESSAGE_RUN_PAUSING] = "wird angehalten",
    [MESSAGE_RUN_RESUMING] = "geht weiter",
    [MESSAGE_RUN_CANCELLING] = "wird abgebrochen",
    [MESSAGE_WATCH_LABEL] = "Ausführung {1}",
    [MESSAGE_WATCH_LEFT] = "noch {1}",
    [MESSAGE_WATCH_LEAVE] =
        "Die Ausführung läuft weiter. „campaignctl run watch {1}“ sieht ihr wieder zu.",
    [MESSAGE_WATCH_PAUSED] = "Ausführung {1} ist angehalten und geht nicht von selbst weiter{2}. "
                             "„campaignctl run resume {1}“ setzt sie fort.",
    [MESSAGE_SUMMARY] = "Ausführung {1}, „{2}“: {3}{4}.",
    [MESSAGE_SUMMARY_TOOK] = " nach {1}",
    [MESSAGE_SUMMARY_FAILED] = "{1} abgelehnt, {2} unklar. {3}",
    [MESSAGE_LEFT_OUT] = "Ausgelassen: {1}.",
    [MESSAGE_TASKS_WHICH] = "„campaignctl run tasks {1} --outcome {2}“ sagt welche, und warum.",
    [MESSAGE_TASKS_CUT] = "Die ersten {1}; es kann mehr geben (--limit).",
    [MESSAGE_PREVIEW_PART] = "--- {1}: {2} ({3}, {4} Bytes)",
    [MESSAGE_PREVIEW_BINARY] = "(kein Text: -o ORDNER speichert es)",
    [MESSAGE_PREVIEW_EMPTY] = "Für diesen Empfänger entstünde nichts.",
    [MESSAGE_PREVIEW_SEVERAL] =
        "die Vorschau hat {1} Teile; nennen Sie mit -o einen Ordner oder mit --step einen davon.",
    [MESSAGE_SAVED] = "Gespeichert: {1} ({2} Bytes).",
    [MESSAGE_VERIFY_OK] = "Das Archiv ist vollständig und unverändert: {1} {1:Dokument|Dokumente}.",
    [MESSAGE_VERIFY_BAD] = "Das Archiv ist NICHT vollständig (Dokumente: {2}, Fehler: {1}).",
    [MESSAGE_VERIFY_UNCOMMITTED] =
        "Unbestätigte Einträge: {1} (aus unterbrochener Arbeit; kein Fehler).",
    [MESSAGE_ROWS_COUNT] = "{1} {1:Zeile|Zeilen} insgesamt.",
    [MESSAGE_ROWS_TRUNCATED] = "Es gibt mehr Zeilen; --limit zeigt mehr.",
    [MESSAGE_NO_PROBLEMS] = "Keine Probleme.",
    [MESSAGE_RELOADED] = "Neu geladen: Generation {1}.",
    [MESSAGE_RELOADED_CHANGED] = "Geändert: {1}.",
    [MESSAGE_BYTES] = "({1} Bytes)",
    [MESSAGE_YES] = "ja",
    [MESSAGE_NO] = "nein",
    [MESSAGE_ACTIONS] = "Aktionen",
    [MESSAGE_HELP_CAMPAIGN_RECIPIENTS] =
        "wer sie bekäme: Anzahl, die ersten, wer ausgelassen wird; startet nichts",
    [MESSAGE_HELP_CAMPAIGN_INDIVIDUAL] =
        "ihr eine eigene Kopie der Abfrage geben, die nur für sie geändert wird",
    [MESSAGE_HELP_CAMPAIGN_COMPARE] = "ihre eigene Abfrage neben der gespeicherten",
    [MESSAGE_HELP_CAMPAIGN_EXPORT] = "ihre Empfänger als Liste: CSV, JSON-Zeilen, Tabelle",
    [MESSAGE_HELP_QUERY_GROUPS] = "ihre Gruppen, und wie viele Zeilen jede liefert",
    [MESSAGE_HELP_QUERY_SQL] = "das SQL, das ausgeführt wird, und die gebundenen Werte",
    [MESSAGE_HELP_QUERY_FIELDS] = "ihre Spalten, und was sie wohl bedeuten",
    [MESSAGE_HELP_QUERY_EXPORT] = "ihre Zeilen als Liste: CSV, JSON-Zeilen, Tabelle",
    [MESSAGE_HELP_CATEGORY_LIST] = "alle Kategorien von Berichten",
    [MESSAGE_HELP_CATEGORY_SHOW] = "eine Kategorie",
    [MESSAGE_HELP_CATEGORY_NEW] = "eine Kategorie anlegen",
    [MESSAGE_HELP_CATEGORY_EDIT] = "eine Kategorie ändern",
    [MESSAGE_HELP_CATEGORY_DELETE] = "eine Kategorie löschen",
    [MESSAGE_HELP_PATTERN_LIST] = "alle Adressmuster",
    [MESSAGE_HELP_PATTERN_SHOW] = "ein Adressmuster",
    [MESSAGE_HELP_PATTERN_NEW] = "ein Adressmuster anlegen",
    [MESSAGE_HELP_PATTERN_EDIT] = "ein Adressmuster ändern",
    [MESSAGE_HELP_PATTERN_DELETE] = "ein Adressmuster löschen",
    [MESSAGE_HELP_SOURCE_LIST] = "alle Datenquellen",
    [MESSAGE_HELP_SOURCE_TABLES] =
        "was es zu lesen gibt: Tabellen, oder Spalten und Schlüssel einer Tabelle",
    [MESSAGE_HELP_SOURCE_TEST] = "ist sie erreichbar?",
    [MESSAGE_HELP_SOURCE_IMPORT] =
        "aus einer CSV-Datei eine Tabelle der Datenquelle „imports“ machen",
    [MESSAGE_HELP_SOURCE_DROP] = "eine eingelesene Tabelle löschen",
    [MESSAGE_HELP_SUPPRESS_LIST] = "die Sperrliste",
    [MESSAGE_HELP_SUPPRESS_ADD] =
        "eine Adresse oder Person sperren, auch in laufenden Ausführungen",
    [MESSAGE_HELP_SUPPRESS_REMOVE] = "einen Eintrag von der Sperrliste nehmen",
    [MESSAGE_HELP_SUPPRESS_IMPORT] = "Einträge aus einer CSV-Datei übernehmen",
    [MESSAGE_HELP_SUPPRESS_EXPORT] = "die Sperrliste als CSV",
    [MESSAGE_HELP_SUPPRESS_FEED] = "Einträge aus den Zeilen einer Abfrage übernehmen",
    [MESSAGE_HELP_PERSON_EXPORT] = "alles, was über eine Person gespeichert ist, als JSON",
    [MESSAGE_HELP_EXPORT] = "alle Definitionen als eine JSON-Datei",
    [MESSAGE_HELP_IMPORT] = "Definitionen aus einer solchen Datei übernehmen",
    [MESSAGE_OPTION_QUERY] = "ihre Empfänger kommen aus dieser Abfrage",
    [MESSAGE_OPTION_DISTRIBUTOR] = "ihre Empfänger kommen von diesem Verteiler",
    [MESSAGE_OPTION_EVENT] = "der Parameter „event“ der Abfrage: ein Datensatz des Betreibers",
    [MESSAGE_OPTION_GROUP] = "diese Gruppe der Abfrage",
    [MESSAGE_OPTION_PARAMETER] = "ein Wert für einen Parameter der Abfrage; mehrmals möglich",
    [MESSAGE_OPTION_FILTER] = "nur die, für die das gilt: „ort = 'Graz' AND umsatz > 100“",
    [MESSAGE_OPTION_TAKE_OUT] = "ohne den mit diesem Schlüssel; mehrmals möglich",
    [MESSAGE_OPTION_TAKE_IN] =
        "mit dem mit diesem Schlüssel, obwohl der Filter ihn auslässt; mehrmals möglich",
    [MESSAGE_OPTION_SAMPLE] = "so viele davon, zufällig",
    [MESSAGE_OPTION_FRESH] =
        "die Datenquelle neu fragen, nicht ihren Stand von vor ein paar Minuten nehmen",
    [MESSAGE_OPTION_LEFT_OUT] = "zeigen, wer ausgelassen wird, und warum",
    [MESSAGE_OPTION_SAVE] = "es speichern",
    [MESSAGE_OPTION_FORMAT] = "csv (Vorgabe), jsonl (JSON-Zeilen) oder table (Tabelle)",
    [MESSAGE_OPTION_FORMULA_GUARD] =
        "ein Hochkomma vor Texte setzen, die eine Tabellenkalkulation für Formeln hielte",
    [MESSAGE_OPTION_BOM] =
        "mit einer Bytereihenfolge-Marke beginnen, wie manche Tabellenkalkulation sie will",
    [MESSAGE_OPTION_SEPARATOR] = "zwischen den Zellen von CSV: , ; | oder \\t",
    [MESSAGE_OPTION_ENCODING] = "der Datei; sonst wird sie ermittelt: UTF-8, WINDOWS-1252 …",
    [MESSAGE_OPTION_TABLE] = "Name der Tabelle; sonst der der Datei",
    [MESSAGE_OPTION_PERSON] = "VALUE ist der Schlüssel eines Empfängers, keine Adresse",
    [MESSAGE_OPTION_CHANNEL] = "email, sms, letter (Brief) oder any (jeder; Vorgabe)",
    [MESSAGE_OPTION_SCOPE] = "campaign (Kampagne), advertising (Werbung) oder all (alles; Vorgabe)",
    [MESSAGE_OPTION_CAMPAIGN] = "für --scope campaign: welche",
    [MESSAGE_OPTION_REASON] =
        "objection (Widerspruch; Vorgabe), complaint, bounce, blocked, deceased oder other",
    [MESSAGE_OPTION_NOTE] = "eine Bemerkung dazu",
    [MESSAGE_OPTION_VALUE] = "nur Einträge zu dieser Adresse oder diesem Schlüssel",
    [MESSAGE_OPTION_DRY_RUN] = "nur sagen, was sich ändern würde",
    [MESSAGE_BAD_PARAMETER] = "--parameter {1}: als NAME=WERT angeben.",
    [MESSAGE_NO_PARAMETERS] = "Die Abfrage „{1}“ hat keine Parameter, „{2}“ also keinen Platz "
                              "darin. In ihre „parameters“ aufnehmen oder weglassen.",
    [MESSAGE_WRONG_PARAMETER] = "Die Abfrage „{1}“ hat keinen Parameter „{2}“. Sie hat: {3}.",
    [MESSAGE_WRONG_PARAMETER_NEAR] =
        "Die Abfrage „{1}“ hat keinen Parameter „{2}“. Ist „{3}“ gemeint?",
    [MESSAGE_NO_DISTRIBUTOR] = "Der Bericht „{1}“ bringt keine Abfrage mit; ihm eine geben oder "
                               "einen anderen Verteiler wählen.",
    [MESSAGE_NOT_DISTRIBUTOR] = "Der Bericht „{1}“ ist kein Verteiler; ihm die Kategorie „{2}“ "
                                "geben (campaignctl report edit) oder einen anderen wählen.",
    [MESSAGE_NOT_IN_QUERY] =
        "Nicht in der Abfrage: {1}. Ein Schlüssel wird so geschrieben, wie ihn "
        "die Abfrage liefert.",
    [MESSAGE_WHICH_GROUP] =
        "Die Abfrage „{1}“ liefert mehrere Gruppen: {2}. Mit --group eine wählen.",
    [MESSAGE_NO_SUCH_GROUP] = "Die Abfrage „{1}“ hat keine Gruppe „{3}“. Sie hat: {2}.",
    [MESSAGE_ORIGIN_MISSING] =
        "--group, --parameter und --from-event brauchen --query oder --distributor.",
    [MESSAGE_ORIGIN_TWICE] = "Entweder --query oder --distributor angeben, und nicht --file.",
    [MESSAGE_FIELDS_SAVED] =
        "{1} {1:Feld|Felder} gespeichert. „campaignctl query edit“ ändert sie.",
    [MESSAGE_FIELDS_GUESSED] = "Was in Klammern steht, ist vermutet; --save speichert es.",
    [MESSAGE_RECIPIENTS] = "{1} Empfänger.",
    [MESSAGE_INDIVIDUAL] = "Die Kampagne „{1}“ hat jetzt eine eigene Kopie der Abfrage. "
                           "„campaignctl campaign edit“ ändert sie.",
    [MESSAGE_COMPARE_SAME] = "Die Abfrage der Kampagne „{1}“ ist die gespeicherte.",
    [MESSAGE_NO_SUCH_TABLE] = "Die Datenquelle „{1}“ hat keine Tabelle „{2}“. „campaignctl source "
                              "tables {1}“ zählt sie auf.",
    [MESSAGE_NO_SUCH_TABLE_NEAR] =
        "Die Datenquelle „{1}“ hat keine Tabelle „{2}“. Ist „{3}“ gemeint?",
    [MESSAGE_SOURCE_OK] = "Die Datenquelle „{1}“ antwortet, nach {2} ms.",
    [MESSAGE_IMPORTED] =
        "{1} {1:Zeile|Zeilen} in der Tabelle „{2}“ der Datenquelle „imports“. Kodierung "
        "{3}, Trennzeichen „{4}“.",
    [MESSAGE_TAB] = "Tabulator",
    [MESSAGE_KIND_TABLE] = "Tabelle",
    [MESSAGE_KIND_CATEGORY] = "Kategorie",
    [MESSAGE_KIND_PATTERN] = "Adressmuster",
    [MESSAGE_SUPPRESSED] = "Gesperrt: „{1}“ (Eintrag {2}). Was in laufenden Ausführungen noch "
                           "nicht begonnen hat, wird zurückgenommen.",
    [MESSAGE_UNSUPPRESSED] = "Eintrag {1} ist von der Sperrliste genommen.",
    [MESSAGE_SUPPRESSIONS_TAKEN] = "Einträge hinzugefügt: {1}, geändert: {2}.",
    [MESSAGE_LINES_REFUSED] =
        "nicht übernommene Zeilen: {1}. Berichtigen und noch einmal einlesen.",
    [MESSAGE_BAD_FORMAT] = "--format ist csv, jsonl oder table, nicht „{1}“.",
    [MESSAGE_NOT_UTF8] = "{1} ist nicht in UTF-8; so speichern.",
    [MESSAGE_DEFINITIONS_TAKEN] =
        "{1} {1:Definition|Definitionen} übernommen, {2} {2:war|waren} gleich.",
    [MESSAGE_DEFINITIONS_TRIED] = "{1} {1:Definition würde|Definitionen würden} sich ändern, {2} "
                                  "{2:ist|sind} gleich. Nichts wurde "
                                  "geändert.",
};

/* Keys and states as the API names them. */
struct label {
    const char *key;
    const char *text;
};

static const struct label english_labels[] = {
    {"action", "action"},
    {"address", "address"},
    {"advertising", "advertising"},
    {"after", "after"},
    {"after_outcome", "after outcome"},
    {"all", "all"},
    {"any", "any"},
    {"attempt", "attempt"},
    {"blocked", "blocked"},
    {"both", "not in the other query"},
    {"bounce", "bounced"},
    {"built", "built query"},
    {"built_in", "built in"},
    {"campaign", "campaign"},
    {"cancelled", "cancelled"},
    {"catch_up", "catch up"},
    {"categories", "categories"},
    {"category", "category"},
    {"change", "change"},
    {"changed", "changed"},
    {"channel", "channel"},
    {"claimed", "at work"},
    {"code", "code"},
    {"columns", "columns"},
    {"complaint", "complaint"},
    {"consent_reason", "why without consent"},
    {"content_base64", "content"},
    {"count", "number"},
    {"country", "country"},
    {"created", "made"},
    {"created_at", "made"},
    {"deceased", "deceased"},
    {"default", "preset"},
    {"deferred", "deferred"},
    {"delivered", "delivered"},
    {"description", "description"},
    {"details", "details"},
    {"distributor", "distributor"},
    {"document", "document"},
    {"does", "what it does"},
    {"done", "done"},
    {"driver", "driver"},
    {"duplicate", "twice in the query"},
    {"email", "e-mail"},
    {"enabled", "enabled"},
    {"ended_at", "ended"},
    {"error", "error"},
    {"eta_s", "left"},
    {"example", "example"},
    {"failed", "failed"},
    {"fields", "fields"},
    {"files", "files"},
    {"filter", "filter"},
    {"format", "format"},
    {"found_at", "found"},
    {"generation", "generation"},
    {"group", "group"},
    {"groups", "groups"},
    {"hand", "by hand"},
    {"household", "same household"},
    {"html", "HTML"},
    {"id", "number"},
    {"import", "import"},
    {"in", "taken in"},
    {"individual_built", "own built query"},
    {"individual_sql", "own SQL"},
    {"information", "information"},
    {"key", "key"},
    {"kind", "kind"},
    {"label", "label"},
    {"label_de", "German label"},
    {"label_en", "English label"},
    {"language", "language"},
    {"last_run", "last run"},
    {"left_out", "left out"},
    {"length", "bytes"},
    {"letter", "letter"},
    {"limit", "limit"},
    {"line", "line"},
    {"mandatory", "mandatory"},
    {"message", "message"},
    {"mime_type", "type"},
    {"minus", "in the other query"},
    {"name", "name"},
    {"no consent", "without consent"},
    {"no key", "without a key"},
    {"note", "note"},
    {"number", "No."},
    {"objection", "objection"},
    {"operation", "operation"},
    {"origin", "origin"},
    {"other", "other"},
    {"out", "taken out"},
    {"outcome", "outcome"},
    {"parameters", "parameters"},
    {"pattern", "address pattern"},
    {"paused", "paused"},
    {"person", "person"},
    {"picks", "single recipients"},
    {"plugin", "plugin"},
    {"preparing", "preparing"},
    {"progress", "progress"},
    {"purpose", "purpose"},
    {"purpose_reason", "why mandatory"},
    {"quarantined", "quarantined"},
    {"query", "query"},
    {"rate_per_s", "per second"},
    {"ready", "ready"},
    {"reason", "reason"},
    {"recheck", "asked again before delivery"},
    {"recipient", "recipient"},
    {"recipients", "recipients"},
    {"refers_to", "refers to"},
    {"rejected", "rejected"},
    {"remote_id", "their number"},
    {"report", "report"},
    {"requested_by", "asked for by"},
    {"required", "required"},
    {"restarting", "restarting"},
    {"role", "role"},
    {"row", "row"},
    {"rule", "rule"},
    {"run", "run"},
    {"running", "running"},
    {"runs_active", "active runs"},
    {"sample", "sample"},
    {"schedules", "schedules"},
    {"scope", "scope"},
    {"segment", "segment"},
    {"sets", "other queries"},
    {"severity", "severity"},
    {"shown_as", "shown as"},
    {"skipped", "skipped"},
    {"sms", "SMS"},
    {"source", "source"},
    {"sql", "SQL"},
    {"started_at", "began"},
    {"starting", "starting"},
    {"starts_at", "starts"},
    {"state", "state"},
    {"step", "step"},
    {"steps", "steps"},
    {"stopping", "stopping"},
    {"subject", "subject"},
    {"suppressed", "suppressed"},
    {"table", "table"},
    {"taken out", "taken out"},
    {"template", "template"},
    {"text", "text"},
    {"time", "time"},
    {"time_zone", "time zone"},
    {"title", "title"},
    {"too many details", "too many detail rows"},
    {"total", "total"},
    {"type", "type"},
    {"type binary", "binary"},
    {"type boolean", "boolean"},
    {"type date", "date"},
    {"type decimal", "decimal"},
    {"type integer", "integer"},
    {"type real", "real"},
    {"type text", "text"},
    {"type time", "time"},
    {"type timestamp", "timestamp"},
    {"uncommitted", "uncommitted"},
    {"unit", "one for each"},
    {"unit email", "e-mail address"},
    {"unit household", "household"},
    {"unit key", "key"},
    {"unknown", "unknown"},
    {"uptime_s", "up for"},
    {"uuid", "UUID"},
    {"value", "value"},
    {"variants", "variants"},
    {"version", "version"},
    {"view", "view"},
    {"waiting", "waiting"},
    {"warning", "warning"},
    {"when", "when"},
    {"where", "where"},
    {"workers", "workers"},
};

static const struct label german_labels[] = {
    {"action", "Aktion"},
    {"address", "Adresse"},
    {"advertising", "Werbung"},
    {"after", "nach"},
    {"after_outcome", "nach Ergebnis"},
    {"all", "alles"},
    {"any", "jeder"},
    {"attempt", "Versuch"},
    {"blocked", "gesperrt"},
    {"both", "nicht in der anderen Abfrage"},
    {"bounce", "unzustellbar"},
    {"built", "gebaute Abfrage"},
    {"built_in", "eingebaut"},
    {"campaign", "Kampagne"},
    {"cancelled", "abgebrochen"},
    {"catch_up", "nachholen"},
    {"categories", "Kategorien"},
    {"category", "Kategorie"},
    {"change", "Änderung"},
    {"changed", "geändert"},
    {"channel", "Kanal"},
    {"claimed", "in Arbeit"},
    {"code", "Code"},
    {"columns", "Spalten"},
    {"complaint", "Beschwerde"},
    {"consent_reason", "warum ohne Einwilligung"},
    {"content_base64", "Inhalt"},
    {"count", "Anzahl"},
    {"country", "Land"},
    {"created", "angelegt"},
    {"created_at", "angelegt"},
    {"deceased", "verstorben"},
    {"default", "Vorgabe"},
    {"deferred", "aufgeschoben"},
    {"delivered", "erledigt"},
    {"description", "Beschreibung"},
    {"details", "Einzelheiten"},
    {"distributor", "Verteiler"},
    {"document", "Dokument"},
    {"does", "was es tut"},
    {"done", "fertig"},
    {"driver", "Treiber"},
    {"duplicate", "doppelt in der Abfrage"},
    {"email", "E-Mail"},
    {"enabled", "aktiv"},
    {"ended_at", "beendet"},
    {"error", "Fehler"},
    {"eta_s", "übrig"},
    {"example", "Beispiel"},
    {"failed", "gescheitert"},
    {"fields", "Felder"},
    {"files", "Dateien"},
    {"filter", "Filter"},
    {"format", "Format"},
    {"found_at", "gefunden"},
    {"generation", "Generation"},
    {"group", "Gruppe"},
    {"groups", "Gruppen"},
    {"hand", "von Hand"},
    {"household", "selber Haushalt"},
    {"html", "HTML"},
    {"id", "Nummer"},
    {"import", "Import"},
    {"in", "hineingenommen"},
    {"individual_built", "eigene gebaute Abfrage"},
    {"individual_sql", "eigenes SQL"},
    {"information", "Information"},
    {"key", "Schlüssel"},
    {"kind", "Art"},
    {"label", "Bezeichnung"},
    {"label_de", "Beschriftung (de)"},
    {"label_en", "Beschriftung (en)"},
    {"language", "Sprache"},
    {"last_run", "letzte Ausführung"},
    {"left_out", "ausgelassen"},
    {"length", "Bytes"},
    {"letter", "Brief"},
    {"limit", "Grenze"},
    {"line", "Zeile"},
    {"mandatory", "Pflichtmitteilung"},
    {"message", "Meldung"},
    {"mime_type", "Typ"},
    {"minus", "in der anderen Abfrage"},
    {"name", "Name"},
    {"no consent", "ohne Einwilligung"},
    {"no key", "ohne Schlüssel"},
    {"note", "Bemerkung"},
    {"number", "Nr."},
    {"objection", "Widerspruch"},
    {"operation", "Verknüpfung"},
    {"origin", "Herkunft"},
    {"other", "anderes"},
    {"out", "herausgenommen"},
    {"outcome", "Ergebnis"},
    {"parameters", "Parameter"},
    {"pattern", "Adressmuster"},
    {"paused", "angehalten"},
    {"person", "Person"},
    {"picks", "einzelne Empfänger"},
    {"plugin", "Plugin"},
    {"preparing", "wird vorbereitet"},
    {"progress", "Fortschritt"},
    {"purpose", "Zweck"},
    {"purpose_reason", "warum Pflicht"},
    {"quarantined", "gesperrt"},
    {"query", "Abfrage"},
    {"rate_per_s", "je Sekunde"},
    {"ready", "bereit"},
    {"reason", "Grund"},
    {"recheck", "vor Zustellung erneut geprüft"},
    {"recipient", "Empfänger"},
    {"recipients", "Empfänger"},
    {"refers_to", "verweist auf"},
    {"rejected", "abgelehnt"},
    {"remote_id", "deren Nummer"},
    {"report", "Bericht"},
    {"requested_by", "verlangt von"},
    {"required", "nötig"},
    {"restarting", "startet neu"},
    {"role", "Rolle"},
    {"row", "Zeile"},
    {"rule", "Regel"},
    {"run", "Ausführung"},
    {"running", "läuft"},
    {"runs_active", "laufende Ausführungen"},
    {"sample", "Stichprobe"},
    {"schedules", "Zeitpläne"},
    {"scope", "Umfang"},
    {"segment", "Segment"},
    {"sets", "andere Abfragen"},
    {"severity", "Schwere"},
    {"shown_as", "angezeigt als"},
    {"skipped", "übergangen"},
    {"sms", "SMS"},
    {"source", "Quelle"},
    {"sql", "SQL"},
    {"started_at", "begonnen"},
    {"starting", "startet"},
    {"starts_at", "beginnt"},
    {"state", "Zustand"},
    {"step", "Schritt"},
    {"steps", "Schritte"},
    {"stopping", "hält an"},
    {"subject", "Betreff"},
    {"suppressed", "gesperrt (Sperrliste)"},
    {"table", "Tabelle"},
    {"taken out", "herausgenommen"},
    {"template", "Vorlage"},
    {"text", "Text"},
    {"time", "Zeit"},
    {"time_zone", "Zeitzone"},
    {"title", "Titel"},
    {"too many details", "zu viele Detailzeilen"},
    {"total", "gesamt"},
    {"type", "Typ"},
    {"type binary", "binär"},
    {"type boolean", "ja/nein"},
    {"type date", "Datum"},
    {"type decimal", "Dezimalzahl"},
    {"type integer", "ganze Zahl"},
    {"type real", "Gleitkommazahl"},
    {"type text", "Text"},
    {"type time", "Uhrzeit"},
    {"type timestamp", "Datum und Zeit"},
    {"uncommitted", "unbestätigt"},
    {"unit", "eins je"},
    {"unit email", "E-Mail-Adresse"},
    {"unit household", "Haushalt"},
    {"unit key", "Schlüssel"},
    {"unknown", "unklar"},
    {"uptime_s", "läuft seit"},
    {"uuid", "UUID"},
    {"value", "Wert"},
    {"variants", "Fassungen"},
    {"version", "Version"},
    {"view", "Sicht"},
    {"waiting", "wartet"},
    {"warning", "Warnung"},
    {"when", "wenn"},
    {"where", "wo"},
    {"workers", "Prozesse"},
};

_Static_assert(sizeof english_labels == sizeof german_labels, "both languages have each label");

static enum language current;

enum language messages_language_of_environment(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return text_starts(value, "de") ? LANGUAGE_GERMAN : LANGUAGE_ENGLISH;
    }
    return LANGUAGE_ENGLISH;
}

void messages_set_language(enum language language)
{
    current = language;
}

enum language messages_language(void)
{
    return current;
}

const char *messages_language_name(void)
{
    return current == LANGUAGE_GERMAN ? "de" : "en";
}

const char *message(enum message id)
{
    return current == LANGUAGE_GERMAN ? german[id] : english[id];
}

/* Of "row|rows}" one. */
static void put_word(struct buffer *text, const char *words, bool one)
{
    size_t first = strcspn(words, "|");
    const char *word = one ? words : words + first + 1;
    buffer_append(text, word, one ? first : strcspn(word, "}"));
}

char *message_with(enum message id, ...)
{
    const char *values[9] = {NULL};
    va_list arguments;
    va_start(arguments, id);
    for (size_t i = 0; i < 9; i++) {
        values[i] = va_arg(arguments, const char *);
        if (!values[i])
            break;
    }
    va_end(arguments);
    struct buffer text = {0};
    for (const char *c = message(id); *c; c++) {
        bool place = c[0] == '{' && c[1] >= '1' && c[1] <= '9' && (c[2] == '}' || c[2] == ':');
        if (!place) {
            buffer_char(&text, *c);
            continue;
        }
        const char *value = values[c[1] - '1'];
        if (c[2] == ':')
            put_word(&text, c + 3, text_equal(value, "1"));
        else
            buffer_text(&text, value ? value : "");
        c = strchr(c, '}');
    }
    return buffer_steal(&text);
}

static int compare(const void *key, const void *label)
{
    return strcmp(key, ((const struct label *)label)->key);
}

const char *message_label(const char *key)
{
    const struct label *found =
        bsearch(key, current == LANGUAGE_GERMAN ? german_labels : english_labels,
                sizeof english_labels / sizeof *english_labels, sizeof *english_labels, compare);
    return found ? found->text : key;
}

const char *message_word(const char *kind, const char *word)
{
    FREE_CLEAN char *key = memory_format("%s %s", kind, word);
    const char *label = message_label(key);
    return label == key ? word : label;
}

static char *next_buffer(void)
{
    static char buffers[8][32];
    static unsigned next;
    return buffers[next++ % 8];
}

const char *message_decimal(double number)
{
    if (number >= 1000)
        return message_number((int64_t)number);
    char *target = next_buffer();
    snprintf(target, 32, "%.1f", number);
    char *point = strchr(target, '.');
    if (point && current == LANGUAGE_GERMAN)
        *point = ',';
    return target;
}

const char *message_number(int64_t number)
{
    char *target = next_buffer();
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%" PRId64, number);
    char *at = target;
    for (int i = 0; i < length; i++) {
        bool group = i && (length - i) % 3 == 0 && digits[i - 1] != '-';
        if (group)
            *at++ = current == LANGUAGE_GERMAN ? '.' : ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return target;
}
