# A harness that has never caught anything proves nothing: each of these bugs has to be found.

mesh_plant (no_amnesty roster.c
    "now_ms > roster->due_ms + ZF_ROSTER_LATE_MS" "false")
mesh_plant (circle_of_hellos roster_hello.c
    "if (!zf_known_is_fresh (known))" "if (true)")
mesh_plant (silence_lasts_too_long roster.c
    "at_least (options->expired_ms" "at_least (2 * options->expired_ms")
mesh_plant (sequence_is_not_reset roster_known.c
    "known->sent = 0;" "")
mesh_plant (sequence_is_not_checked roster_hear.c
    "if (!is_next (known, message->sequence))" "if (!is_next (known, message->sequence) && false)")
mesh_plant (farewell_is_trusted roster_watch.c
    "zf_known_rumour (known, ZF_ASK_FAREWELL);"
    "zf_known_reserve (known), zf_known_drop (known, \"left\", ZF_DROP_FORGET);")
mesh_plant (place_is_shared roster_known.c
    "if (holder == NULL) {" "if (true) {")
mesh_plant (line_is_unbounded roster_line.c
    "return line->bytes + letter->cost <= most || line->bytes == 0;" "return true;")
mesh_plant (candidates_are_unbounded roster_watch.c
    "if (!full)" "if (true)")
mesh_plant (candidates_hear_no_joins roster_circle.c
    "if (roster->slots[slot] != NULL)"
    "if (roster->slots[slot] != NULL && roster->slots[slot]->state == ZF_KNOWN_PEER)")
mesh_plant (hello_is_stale roster_circle.c
    "zf_hello_stale (roster);" "")
mesh_plant (groups_outlive_the_exit roster_known.c
    "    zf_circle_leave_all (known);
    known->is_evasive = false;"
    "    known->is_evasive = false;")
mesh_plant (no_answer_does_not_matter roster_watch.c
    "zf_known_unanswered (known);
    else if" "known->ask = ZF_ASK_NOTHING, known->answered_ms = now;
    else if")
mesh_plant (who_talks_is_not_asked roster_watch.c
    "return known->answered_ms +" "return known->heard_ms +")
mesh_plant (question_is_not_answered roster_hear.c
    "zf_line_answer (known);" "")
mesh_plant (second_place_is_not_tried roster_known.c
    "return known->claimed != NOWHERE || known->tried + 1 < known->spot_count;" "return false;")
mesh_plant (send_is_said_twice roster_line.c
    "if (!known->is_told)" "if (true)")
mesh_plant (send_is_forgotten roster_line.c
    "known->is_told = known->line.count > 0;" "")
mesh_plant (strangers_are_not_told roster_hello.c
    "zf_line_offer (known, known->roster->goodbye);" "")
mesh_plant (namespaces_do_not_matter roster_hello.c
    "return zf_bytes_equal (space_of (hello), zf_text_bytes (roster->space));" "return true;")
mesh_plant (evasive_for_ever roster_watch.c
    "    known->is_evasive = false;
    zf_deeds_add (known->roster, ZF_ROSTER_BACK, known);"
    "    zf_deeds_add (known->roster, ZF_ROSTER_BACK, known);")
mesh_plant (shouts_to_groups_that_we_left roster_hear.c
    "if (circle != NULL && circle->is_own)" "if (circle != NULL)")
mesh_plant (candidate_keeps_its_place roster_hello.c
    "holder->state == ZF_KNOWN_GREETED || " "")

# The directory, and who tells of it.
mesh_plant (full_line_is_forgotten herald.c
    "rc == ZF_E_AGAIN || rc == ZF_E_NOMEM" "false")
mesh_plant (change_while_greeting_is_not_told herald.c
    "hearer->version != self->version || " "")
mesh_plant (long_list_is_not_told herald.c
    "self->version || self->is_short || " "self->version || ")
mesh_plant (change_is_not_told herald.c
    "        owe_all (self);" "")
mesh_plant (headers_are_not_taken_back herald.c
    "while (n < TOLD_MAX && (list.size > 0 || n < self->header_count))"
    "while (n < TOLD_MAX && list.size > 0)")
mesh_plant (who_is_greeted_elsewhere_is_a_stranger herald.c
    "    hearer->is_zferry = read_headers (view.headers, NULL);
    owe" "    owe")
mesh_plant (who_is_greeted_elsewhere_is_not_told herald.c
    "    owe (self, hearer, true);
    return" "    return")
mesh_plant (offers_stay_where_their_node_was herald.c
    "return zf_offers_move (self->offers, uuid, zf_endpoint_host (endpoint));" "return false;")
mesh_plant (offers_outlive_their_node herald.c
    "return zf_offers_forget (self->offers, uuid);" "return false;")
mesh_plant (foreigners_are_told herald.c
    "is_owed && hearer->is_zferry" "is_owed")
mesh_plant (withdrawn_offer_stays directory.c
    "return remove_stale (offers, node) || changed;"
    "for (offer = node->offers; offer != NULL; offer = offer->next)
        set_stale (offers, node, offer, false);
    return changed;")
mesh_plant (list_begins_anew directory.c
    "        set_stale (offers, node, offer, true);
    node->digest" "        set_stale (offers, node, offer, true);
    remove_stale (offers, node);
    node->digest")
mesh_plant (change_is_not_shown directory.c
    "    return remove_stale (offers, node) || changed;"
    "    return remove_stale (offers, node);")
mesh_plant (nothing_comes_before_it_goes directory.c
    "    unlist_change (offers, &offer->came);
    free (offer);"
    "    unlist_change (offers, &offer->came);
    list_change (offers, &offer->went);")
