#include "compose/ground.h"

#include "core/engine.h"

bool zf_ground_is_name (const char *text)
{
    return zf_is_name (zf_bytes_of (text));
}

uint64_t zf_ground_stream_bytes (bool is_durable)
{
    zf_engine_options_t engine;
    zf_engine_defaults (&engine);
    return is_durable ? engine.stream_durable_bytes : engine.stream_bytes;
}
