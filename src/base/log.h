/*
 * Log lines of the core go through one process-private sink, set by whoever owns the process. The
 * core formats nothing when the level is off.
 */
#ifndef SHIM_BASE_LOG_H
#define SHIM_BASE_LOG_H

enum log_level { LOG_LEVEL_OFF, LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

typedef void log_sink(enum log_level level, const char *line); /* line: without newline */

#define LOG_LINE_MAX 512 /* with the terminating zero; longer lines are cut */

extern enum log_level log_level_now;
/* From now on lines up to level go to sink; NULL or LOG_LEVEL_OFF: nowhere. */
void log_to(log_sink *sink, enum log_level level);
/* Formats a line and hands it to the sink, whatever the level; errno stays as it was. Use the
 * macros. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define LOG(level, ...)                                                                            \
    do {                                                                                           \
        if ((level) <= log_level_now)                                                              \
            log_write((level), __VA_ARGS__);                                                       \
    } while (0)
#define log_error(...) LOG(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  LOG(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  LOG(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) LOG(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
