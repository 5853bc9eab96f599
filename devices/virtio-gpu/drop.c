/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <xentoolcore.h>

#include "drop.h"
#include "filter.h"
#include "text.h"

int identity_find(const char *user, struct identity *id)
{
    struct passwd *p;

    errno = 0;
    p = getpwnam(user);
    if (!p) {
        errno = errno ? errno : ENOENT;
        return -1;
    }
    id->uid = p->pw_uid;
    id->gid = p->pw_gid;
    return 0;
}

static int failed(const char *what)
{
    int err = errno;

    say(err, "%s", what);
    errno = err;
    return -1;
}

int identity_become(const struct identity *id)
{
    return setgroups(0, NULL) || setresgid(id->gid, id->gid, id->gid) ||
           setresuid(id->uid, id->uid, id->uid) ? -1 : 0;
}

int drop_privileges(uint32_t domid, const struct identity *id, unsigned may)
{
    bool files = may & FILTER_FILES;

    if (xentoolcore_restrict_all(domid))
        return failed("restricting Xen's handles");
    if (id) {
        if (identity_become(id))
            return failed("becoming another user");
        /* That has forgotten it, and made a core dump of what is the guest's
         * impossible, which is right. */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM))
            return failed("becoming another user");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return failed("giving up new privileges");
    if (filter_install(may))
        return failed("filtering system calls");
    if (id)
        say(0, "handles are for domain %u only, user is %u, group %u; system "
            "calls are filtered%s", domid, (unsigned)id->uid,
            (unsigned)id->gid, files ? ", but files can be opened" : "");
    else
        say(0, "handles are for domain %u only, user is as before (--user); "
            "system calls are filtered%s", domid,
            files ? ", but files can be opened" : "");
    return 0;
}
