/* campaignd -t: the configuration and every plugin that it names, each error with its file and line. */
#ifndef CAMPAIGND_DAEMON_CONFIGTEST_H
#define CAMPAIGND_DAEMON_CONFIGTEST_H

int configtest_main(const char *path); /* the exit status: 0, or 1 if there was an error */

#endif
