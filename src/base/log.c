/* The log sink: the only mutable static state below io, private to the process. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum log_level log_level_now = LOG_LEVEL_OFF;
static log_sink *log_sink_now;

void log_to(log_sink *sink, enum log_level level)
{
    log_level_now = LOG_LEVEL_OFF;
    log_sink_now = sink;
    if (sink)
        log_level_now = level;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    int saved_errno = errno;
    char line[LOG_LINE_MAX];
    va_list args;

    if (!log_sink_now)
        return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    log_sink_now(level, line);
    errno = saved_errno;
}
