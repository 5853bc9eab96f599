/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "size.h"

int number_parse(const char *text, const char **end, uint64_t *value)
{
    char *e;

    if (!isdigit((unsigned char)text[0]))
        return -1;
    errno = 0;
    /* No octal: a leading 0 is a slip of the finger, not a base. */
    *value = strtoull(text, &e, text[0] == '0' && tolower(text[1]) == 'x' ? 16 : 10);
    *end = e;
    return errno ? -1 : 0;
}

int size_parse(const char *text, const char **end, uint64_t *bytes)
{
    static const char units[] = "KMGT";
    const char *unit;
    unsigned shift;

    if (number_parse(text, end, bytes))
        return -1;
    unit = **end ? strchr(units, toupper((unsigned char)**end)) : NULL;
    if (!unit)
        return 0;
    ++*end;
    shift = 10 * (unit - units + 1);
    if (*bytes > UINT64_MAX >> shift)
        return -1;
    *bytes <<= shift;
    return 0;
}
