/* uthash, told not to exit when memory runs out: an element that could not be added has hh.tbl
 * NULL. */
#ifndef ZF_CORE_HASH_H
#define ZF_CORE_HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#endif
