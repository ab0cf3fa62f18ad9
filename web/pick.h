/* Which device a request is about: the one that its query names, or the only one that can be
 * meant. */
#ifndef ZF_WEB_PICK_H
#define ZF_WEB_PICK_H

#include "web/look.h"
#include "web/routes.h"

/* Holds the devices: release them in any case. NULL, with an answer: there is none such, or more
 * than one. */
zf_web_shown_t *zf_web_pick (const zf_web_request_t *request, zf_web_held_t *held,
                             zf_web_answer_t *answer);

#endif
