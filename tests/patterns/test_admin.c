/* Looking after queues: everything in admin.h. */
#include "tests/devices/stage.h"

static zf_client_t *client_of_new_broker (void)
{
    return open_client (start_broker (NULL));
}

static void post_texts (zf_client_t *client, const char *queue, int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        post (client, queue, text);
    }
}

/* Lets so many records of the queue die. */
static void let_die (const zf_device_t *broker, const char *queue, int count)
{
    zf_worker_t *worker = open_worker (broker, queue, 1);
    for (int i = 0; i < count; i++) {
        zf_message_t message = take (worker);
        assert_int_equal (zf_worker_reject (worker, &message, "bad"), 0);
    }
    close_worker (worker);
}

/* -- queues ------------------------------------------------------------------------------------ */

typedef struct {
    size_t count;
    char names[1200][16];
} names_t;

static void note_name (void *arg, const zf_queue_info_t *info)
{
    names_t *names = arg;
    assert_true (names->count < 1200);
    snprintf (names->names[names->count++], 16, "%s", info->name);
}

static void queues_are_listed_by_name (void **state)
{
    static names_t names;
    zf_client_t *client = client_of_new_broker ();
    names.count = 0;
    assert_int_equal (zf_admin_queues (client, note_name, &names, &stage.err), 0);
    assert_int_equal (names.count, 0);
    for (int i = 0; i < 1000; i++) { /* more than one answer holds */
        char name[16];
        snprintf (name, sizeof name, "q%03d", (i * 7) % 1000);
        assert_int_equal (zf_client_post_async (client, name, "x", 1, NULL, NULL, NULL), 0);
    }
    assert_int_equal (zf_client_flush (client, -1, NULL), 0);
    assert_int_equal (zf_admin_queues (client, note_name, &names, &stage.err), 0);
    assert_int_equal (names.count, 1000);
    for (size_t i = 1; i < names.count; i++)
        assert_true (strcmp (names.names[i - 1], names.names[i]) < 0);
}

static void queue_says_how_it_is (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 0, 5);
    zf_props_t props;
    zf_props_defaults (&props);
    props.delay_ms = 3600000;
    assert_int_equal (zf_client_post (client, "jobs", "later", 5, &props, NULL), 0);
    zf_worker_t *worker = open_worker (broker, "jobs", 3);
    zf_message_t message = take_text (worker, "0", 1);
    ack (worker, &message);
    message = take_text (worker, "1", 1);
    AWAIT (look_at (client, "jobs").acked == 1);
    AWAIT (look_at (client, "jobs").oldest_ms > 0);
    zf_queue_info_t info = look_at (client, "jobs");
    assert_string_equal (info.name, "jobs");
    assert_false (info.declared);
    assert_int_equal (info.policy.max_attempts, 5);
    assert_int_equal (info.length, 5);
    assert_int_equal (info.delayed, 1);
    assert_in_range (info.leased, 2, 3);
    assert_int_equal (info.workers, 1);
    assert_int_equal (info.posted, 6);
    assert_true (info.bytes >= 4 * 5 + 9);
    assert_in_range (info.delivered, 3, 4);
    assert_int_equal (info.redelivered + info.dead + info.dropped + info.parked, 0);
}

static void queue_nobody_knows_is_not_found (void **state)
{
    zf_queue_info_t info;
    uint64_t count;
    zf_client_t *client = client_of_new_broker ();
    assert_int_equal (zf_admin_queue (client, "none", &info, &stage.err), ZF_E_NOT_FOUND);
    assert_non_null (strstr (stage.err.text, "no such queue"));
    assert_int_equal (zf_admin_purge (client, "none", &count, &stage.err), ZF_E_NOT_FOUND);
    assert_int_equal (zf_admin_peek (client, "none", 0, 1, NULL, NULL, NULL), ZF_E_NOT_FOUND);
    assert_int_equal (zf_admin_dead_requeue (client, "none", 0, &count, NULL), ZF_E_NOT_FOUND);
    assert_int_equal (zf_admin_dead_discard (client, "none", 0, &count, NULL), ZF_E_NOT_FOUND);
}

static void declared_queue_keeps_its_policy (void **state)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_attempts = 7;
    policy.backoff_min_ms = 11;
    policy.backoff_max_ms = 13;
    policy.lease_ms = 17000;
    policy.ttl_ms = UINT64_C (1) << 40;
    policy.max_length = 19;
    policy.max_bytes = 23000;
    policy.overflow = ZF_OVERFLOW_DROP_OLDEST;
    policy.dedup_window_ms = 29;
    policy.priorities = 3;
    policy.ordered = true;
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "graves");
    zf_client_t *client = client_of_new_broker ();
    declare (client, "jobs", &policy);
    zf_queue_info_t info = look_at (client, "jobs");
    assert_true (info.declared);
    assert_int_equal (info.policy.max_attempts, 7);
    assert_int_equal (info.policy.backoff_min_ms, 11);
    assert_int_equal (info.policy.backoff_max_ms, 13);
    assert_int_equal (info.policy.lease_ms, 17000);
    assert_int_equal (info.policy.ttl_ms, UINT64_C (1) << 40);
    assert_int_equal (info.policy.max_length, 19);
    assert_int_equal (info.policy.max_bytes, 23000);
    assert_int_equal (info.policy.overflow, ZF_OVERFLOW_DROP_OLDEST);
    assert_int_equal (info.policy.dedup_window_ms, 29);
    assert_int_equal (info.policy.priorities, 3);
    assert_true (info.policy.ordered);
    assert_string_equal (info.policy.dead_letter, "graves");
    post_texts (client, "jobs", 0, 25);
    assert_int_equal (look_at (client, "jobs").length, 19);
    assert_int_equal (look_at (client, "jobs").dropped, 6);
}

static void policy_out_of_range_is_refused (void **state)
{
    zf_policy_t policy;
    zf_client_t *client = client_of_new_broker ();
    zf_policy_defaults (&policy);
    policy.priorities = 11;
    assert_int_equal (zf_admin_declare (client, "jobs", &policy, &stage.err), ZF_E_INVAL);
    policy.priorities = 2;
    assert_int_equal (zf_admin_declare (client, "mmi.x", &policy, &stage.err), ZF_E_INVAL);
    assert_int_equal (zf_admin_declare (client, "", &policy, &stage.err), ZF_E_INVAL);
    declare (client, "jobs", &policy);
    post (client, "jobs", "one");
    policy.priorities = 3;
    assert_int_equal (zf_admin_declare (client, "jobs", &policy, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "empty"));
    assert_int_equal (look_at (client, "jobs").policy.priorities, 2);
}

/* -- records ----------------------------------------------------------------------------------- */

typedef struct {
    size_t count;
    uint64_t last;   /* record id */
    char texts[200]; /* bodies, one after another */
    uint32_t attempts;
    bool dead;
} sights_t;

static void note_record (void *arg, const zf_message_t *message)
{
    sights_t *sights = arg;
    zf_death_t death;
    assert_true (sights->count == 0 || message->id > sights->last);
    sights->count++;
    sights->last = message->id;
    sights->attempts += message->attempt;
    sights->dead |= zf_message_death (message, &death);
    if (strlen (sights->texts) + message->size < sizeof sights->texts)
        strncat (sights->texts, message->body, message->size);
}

static void peek_shows_records_and_changes_nothing (void **state)
{
    sights_t sights = {0};
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 0, 9);
    zf_worker_t *worker = open_worker (broker, "jobs", 2);
    zf_message_t message = take_text (worker, "0", 1);
    AWAIT (look_at (client, "jobs").leased == 2);
    assert_int_equal (zf_admin_peek (client, "jobs", 0, 100, note_record, &sights, &stage.err), 0);
    assert_int_equal (sights.count, 9);
    assert_string_equal (sights.texts, "012345678");
    assert_int_equal (sights.attempts, 2);
    ack (worker, &message);
    AWAIT (has_length (client, "jobs", 8));
    uint64_t from = sights.last - 3;
    sights = (sights_t){0};
    assert_int_equal (zf_admin_peek (client, "jobs", from, 3, note_record, &sights, &stage.err), 0);
    assert_string_equal (sights.texts, "567");
    assert_int_equal (zf_admin_peek (client, "jobs", from, 0, note_record, &sights, &stage.err), 0);
    assert_int_equal (sights.count, 3);
}

static void peek_goes_on_where_one_answer_ends (void **state)
{
    sights_t sights = {0};
    zf_client_t *client = client_of_new_broker ();
    for (int i = 0; i < 3500; i++)
        assert_int_equal (zf_client_post_async (client, "jobs", "x", 1, NULL, NULL, NULL), 0);
    assert_int_equal (zf_client_flush (client, -1, NULL), 0);
    assert_int_equal (zf_admin_peek (client, "jobs", 0, 3200, note_record, &sights, NULL), 0);
    assert_int_equal (sights.count, 3200);
    sights = (sights_t){0};
    assert_int_equal (zf_admin_peek (client, "jobs", 0, 9999, note_record, &sights, NULL), 0);
    assert_int_equal (sights.count, 3500);
}

static void purge_drops_what_no_worker_has (void **state)
{
    uint64_t count = 0;
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 0, 10);
    zf_worker_t *worker = open_worker (broker, "jobs", 2);
    zf_message_t message = take_text (worker, "0", 1);
    AWAIT (look_at (client, "jobs").leased == 2);
    assert_int_equal (zf_admin_purge (client, "jobs", &count, &stage.err), 0);
    assert_int_equal (count, 8);
    assert_int_equal (look_at (client, "jobs").length, 2);
    assert_int_equal (look_at (client, "jobs").dropped, 8);
    ack (worker, &message);
    message = take_text (worker, "1", 1);
    ack (worker, &message);
    AWAIT (has_length (client, "jobs", 0));
    assert_int_equal (zf_admin_purge (client, "jobs", NULL, &stage.err), 0);
}

static void purged_request_is_answered (void **state)
{
    zf_message_t reply;
    zf_client_t *client = client_of_new_broker ();
    assert_int_equal (
        zf_client_request_async (client, "nobody", "?", 1, NULL, NULL, NULL, NULL, NULL), 0);
    assert_int_equal (zf_admin_purge (client, "nobody", NULL, &stage.err), 0);
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, NULL), 0);
    assert_int_equal (reply.code, ZF_E_REJECTED);
    zf_message_release (&reply);
}

static void dead_letters_are_seen_and_requeued (void **state)
{
    uint64_t count = 0;
    sights_t sights = {0};
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    assert_int_equal (
        (post (client, "jobs", "x"), zf_admin_dead_requeue (client, "jobs", 0, &count, NULL)), 0);
    assert_int_equal (count, 0); /* there is no dead-letter queue yet */
    post_texts (client, "jobs", 0, 4);
    let_die (broker, "jobs", 5);
    AWAIT (has_length (client, "jobs.dead", 5));
    assert_int_equal (zf_admin_peek (client, "jobs.dead", 0, 9, note_record, &sights, NULL), 0);
    assert_string_equal (sights.texts, "x0123");
    assert_true (sights.dead);
    assert_int_equal (zf_admin_dead_requeue (client, "jobs", 2, &count, &stage.err), 0);
    assert_int_equal (count, 2);
    assert_int_equal (zf_admin_dead_requeue (client, "jobs", 0, &count, &stage.err), 0);
    assert_int_equal (count, 3);
    zf_worker_t *worker = open_worker (broker, "jobs", 5);
    zf_message_t message = take_text (worker, "x", 1); /* its attempts begin anew */
    zf_death_t death;
    assert_false (zf_message_death (&message, &death));
    ack (worker, &message);
    assert_true (has_length (client, "jobs.dead", 0));
}

static void dead_letters_are_discarded (void **state)
{
    uint64_t count = 0;
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 0, 4);
    let_die (broker, "jobs", 4);
    AWAIT (has_length (client, "jobs.dead", 4));
    assert_int_equal (zf_admin_dead_discard (client, "jobs", 1, &count, &stage.err), 0);
    assert_int_equal (count, 1);
    sights_t sights = {0};
    assert_int_equal (zf_admin_peek (client, "jobs.dead", 0, 9, note_record, &sights, NULL), 0);
    assert_string_equal (sights.texts, "123"); /* the oldest went first */
    assert_int_equal (zf_admin_dead_discard (client, "jobs", 0, &count, &stage.err), 0);
    assert_int_equal (count, 3);
    assert_true (has_length (client, "jobs.dead", 0));
}

/* -- figures ----------------------------------------------------------------------------------- */

static void add_figure (void *arg, const char *name, uint64_t value)
{
    figure_t *wanted = arg;
    if (strcmp (name, wanted->name) == 0)
        *wanted = (figure_t){name, value, true};
}

static void broker_shows_its_figures_to_clients (void **state)
{
    zf_client_t *client = client_of_new_broker ();
    post (client, "jobs", "one");
    figure_t queues = {"queues", 0, false};
    figure_t sessions = {"sessions", 0, false};
    assert_int_equal (zf_admin_stats (client, add_figure, &queues, &stage.err), 0);
    assert_int_equal (zf_admin_stats (client, add_figure, &sessions, &stage.err), 0);
    assert_true (queues.found && queues.value == 1);
    assert_true (sessions.found && sessions.value == 1);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (queues_are_listed_by_name),          CASE (queue_says_how_it_is),
        CASE (queue_nobody_knows_is_not_found),    CASE (declared_queue_keeps_its_policy),
        CASE (policy_out_of_range_is_refused),     CASE (peek_shows_records_and_changes_nothing),
        CASE (peek_goes_on_where_one_answer_ends), CASE (purge_drops_what_no_worker_has),
        CASE (purged_request_is_answered),         CASE (dead_letters_are_seen_and_requeued),
        CASE (dead_letters_are_discarded),         CASE (broker_shows_its_figures_to_clients),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
