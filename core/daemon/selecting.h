/*
 * The live count: who would get a campaign, and who not, without starting anything.
 *
 * What the sources deliver is fetched once into a file of its own (STATE_DIR/selecting, 0700) and
 * used for some minutes by whoever asks for the same rows, whatever the filter: counting anew after
 * each change of a condition costs the sources nothing. Those who ask at once share one fetch. At
 * most eight files, or two gigabytes, are kept; none outlives the daemon.
 */
#ifndef CAMPAIGND_DAEMON_SELECTING_H
#define CAMPAIGND_DAEMON_SELECTING_H

#include "daemon/daemon.h"

/* Answers API_CAMPAIGN_RECIPIENTS, at once or later. */
void selecting_call(struct daemon *daemon, struct api_request *request);

void selecting_stop(void); /* nobody waits any more: remove all files */

#endif
