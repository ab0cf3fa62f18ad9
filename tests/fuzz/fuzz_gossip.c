/* Messages of zgossip: what is one is written again as it was, and a hub takes it: the input is
 * messages, each with its size before it (16 bits, big-endian), and a hub that hears one after
 * another, a second apart. */
#include "discovery/hub.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void check (bool holds)
{
    if (!holds)
        abort ();
}

static void check_again (zf_bytes_t frame, const zf_gossip_t *message)
{
    zf_writer_t w = {0};
    zf_gossip_encode (&w, message);
    check (!w.failed && zf_bytes_equal (zf_bytes (w.data, w.size), frame));
    zf_writer_free (&w);
}

typedef struct {
    const zf_gossip_t *said;
    size_t count;
    bool found;
} search_t;

static bool look (void *arg, const zf_gossip_t *tuple)
{
    search_t *search = arg;
    search->count++;
    if (zf_bytes_equal (tuple->key, search->said->key))
        search->found = zf_bytes_equal (tuple->value, search->said->value);
    return true;
}

static void hear (zf_hub_t *hub, const zf_gossip_t *message, uint64_t now_ms)
{
    search_t search = {.said = message};
    zf_hub_news_t news = zf_hub_publish (hub, message, now_ms);
    zf_hub_each (hub, now_ms, look, &search);
    check (search.count == zf_hub_count (hub));
    check (search.found || news == ZF_HUB_KNOWN); /* or else it is an echo */
    check (zf_hub_expire (hub, now_ms) > now_ms);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    zf_reader_t r = zf_reader (zf_bytes (data, size));
    zf_gossip_t message;
    zf_hub_t *hub = zf_hub_new ();
    for (uint64_t now_ms = 0; zf_reader_left (&r) > 2; now_ms += 1000) {
        size_t wanted = zf_read_u16be (&r);
        size_t left = zf_reader_left (&r);
        zf_bytes_t frame = zf_read_bytes (&r, wanted < left ? wanted : left);
        if (!zf_gossip_decode (frame, &message))
            continue;
        check_again (frame, &message);
        if (message.id == ZF_GOSSIP_PUBLISH)
            hear (hub, &message, now_ms);
    }
    zf_hub_free (&hub);
    return 0;
}
