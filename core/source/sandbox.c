#include "source/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sqlite3.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define MEMORY_LIMIT (UINT64_C(2) << 30)

#define READ_ACCESS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Version 1 of Landlock: all it knows of. */
#define ALL_ACCESS                                                                                 \
    (READ_ACCESS | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                    \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                              \
     LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |    \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | \
     LANDLOCK_ACCESS_FS_MAKE_SYM)
#define WRITE_ACCESS                                                                               \
    (READ_ACCESS | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                   \
     LANDLOCK_ACCESS_FS_REMOVE_FILE)

static void set_limit(__rlimit_resource_t resource, uint64_t value)
{
    struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
    if (setrlimit(resource, &limit) != 0)
        log_debug("cannot set resource limit %d: %s", (int)resource, strerror(errno));
}

static void allow(int rules, const char *folder, uint64_t access)
{
    if (!folder)
        return;
    FD_CLEAN int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct landlock_path_beneath_attr beneath = {.allowed_access = access, .parent_fd = fd};
    if (fd < 0 ||
        syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0)
        log_debug("cannot allow %s in the sandbox: %s", folder, strerror(errno));
}

static void enter_landlock(const struct sandbox_folder *folders, size_t count,
                           const char *write_folder)
{
    struct landlock_ruleset_attr handled = {.handled_access_fs = ALL_ACCESS};
    FD_CLEAN int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (rules < 0) {
        log_debug("no Landlock here: %s", strerror(errno));
        return;
    }
    /* A client library may load a part of itself late. */
    for (size_t i = 0; i < count; i++)
        allow(rules, folders[i].path,
              READ_ACCESS | LANDLOCK_ACCESS_FS_EXECUTE |
                  (folders[i].write ? (uint64_t)LANDLOCK_ACCESS_FS_WRITE_FILE : 0));
    allow(rules, write_folder, WRITE_ACCESS);
    if (syscall(SYS_landlock_restrict_self, rules, 0) != 0)
        log_debug("cannot enter the sandbox: %s", strerror(errno));
}

void sandbox_limit(int64_t cpu_us)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef CAMPAIGND_SANITIZED
    set_limit(RLIMIT_AS, MEMORY_LIMIT);
#endif
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_NOFILE, 64);
    set_limit(RLIMIT_CPU, (uint64_t)(cpu_us / 1000000 + 5));
}

void sandbox_confine(const struct sandbox_folder *folders, size_t count, const char *write_folder)
{
    if (write_folder && !sqlite3_temp_directory)
        sqlite3_temp_directory = sqlite3_mprintf("%s", write_folder);
#ifndef CAMPAIGND_SANITIZED
    enter_landlock(folders, count, write_folder);
#else
    (void)folders, (void)count, (void)enter_landlock;
#endif
}
