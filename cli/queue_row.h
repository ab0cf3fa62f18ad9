/* A queue's figures and policy as a row: shared by queue and stream. */
#ifndef ZFERRY_CLI_QUEUE_ROW_H
#define ZFERRY_CLI_QUEUE_ROW_H

#include "cli.h"

/* A new object with everything in it: columns choose what people see. */
json_t *queue_row (const zf_queue_info_t *info);

/* Prints one queue, stream or group with what matters for it. Returns as cli_print_object. */
int queue_row_print (const cli_t *cli, const zf_queue_info_t *info);

/* The part behind the @ if it is a group of this stream (NULL: of any); NULL if it is none. */
const char *queue_row_group (const zf_queue_info_t *info, const char *stream);

#endif
