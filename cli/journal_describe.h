/* What is in an entry of a journal, for people. */
#ifndef ZFERRY_JOURNAL_DESCRIBE_H
#define ZFERRY_JOURNAL_DESCRIBE_H

#include "cli.h"

/* In a few words; a string of JSON. */
json_t *journal_describe (zf_bytes_t data);

#endif
