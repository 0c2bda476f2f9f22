/*
 * The worker: a process that loads one plugin for one action, is handed claims over a socket, and
 * answers for each task of them exactly once: with an outcome, or by giving it back.
 *
 * It is born with the descriptors of wire/frame.h; all else comes in frames:
 *
 * FRAME_CONFIGURE, once, first:
 *   {"action": "post", "plugin": "print", "describe": false, "generation": 3,
 *    "instance": 32 hex digits, "log_prefix": "/…/log/INSTANCE", "log_segment_size": 8388608,
 *    "state_dir": "/…/actions/post", "secret": 64 hex digits, "durable_begin": true,
 *    "stop_timeout_us": 30000000, "log_level": 6,
 *    "settings": [{"key", "value", "file", "line"}, …]}
 *   With "describe": true only "plugin" is needed: the worker answers FRAME_HELLO (or FRAME_FAILED)
 *   and exits; if there are "settings" too, it also lets the plugin load with them and says by
 *   FRAME_FAILED what is wrong. Else FRAME_HELLO, then FRAME_READY or FRAME_FAILED.
 *
 * FRAME_OPEN_JOB:
 *   {"run": 12, "uuid": "…", "campaign": "…", "step": 1, "step_name": "letter",
 *    "purpose": "information", "language": "de", "recipients": 300, "rows": "/…/12.0.rows.db",
 *    "archive": "/…/archive/12", "started_us": …}
 *   The step's parameters, the reports and the patterns come from the rows file's definition.
 *   Answer: FRAME_JOB_READY or FRAME_JOB_FAILED. FRAME_JOB_FAILED may also come later, when the
 *   job's disk is full: what has not begun is given back, and so is each further claim, until the
 *   job is closed and opened anew.
 *
 * FRAME_PREVIEW: the same JSON ("run" 0 where there is none yet; "archive" is not needed), answered
 *   by one FRAME_PREVIEWED.
 *
 * FRAME_HELLO's description:
 *   {"name", "version", "abi", "flags", "label_en", "label_de", "help_en", "help_de",
 *    "asynchronous": has deliver(), "preview": has preview(),
 *    "settings": [as host/declared.h says], "parameters": [the same]}
 *
 * On FRAME_STOP, SIGTERM, or when the core is gone it begins nothing more, gives back what has not
 * begun, finishes what has within stop_timeout_us, seals its archive and exits. SIGINT and SIGHUP
 * are the core's alone.
 */
#ifndef CAMPAIGND_HOST_WORKER_H
#define CAMPAIGND_HOST_WORKER_H

/* Be a worker; returns the process's exit status: 0; 1 after FRAME_FAILED, or if begun tasks were
 * left unfinished when the time to stop was over. */
int worker_main(void);

#endif
