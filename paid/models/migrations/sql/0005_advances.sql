-- Reserve the worst case of each item, or say which cap stands in the way.
--
-- Items: {request_id, run_id, token_hash?, amount, vendor, model, owner, seconds, ahead?, spare?}.
-- What is reserved `ahead` of a request leaves `spare` free under every cap. The outcomes: reserved;
-- over (the cap leaves no room); busy (it would, once others have settled); revoked (the token died
-- meanwhile).
CREATE OR REPLACE FUNCTION ledger_reserve(p_items jsonb, p_at timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (
    request uuid, outcome text, cap_scope text, cap_period text, cap_limit bigint,
    cap_spent bigint, cap_reserved bigint, cap_ends_at timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    item record;
    refusal record;
    project bigint;
    ids bigint[];
    ids_of bigint := 0;
BEGIN
    PERFORM 1 FROM run r WHERE r.id IN (
        SELECT i.run_id FROM jsonb_to_recordset(p_items) AS i(run_id bigint)
    ) FOR KEY SHARE;
    PERFORM ledger_lock();
    FOR item IN
        SELECT i.* FROM jsonb_to_recordset(p_items) AS i(
            request_id uuid, run_id bigint, token_hash text, amount bigint,
            vendor text, model text, owner text, seconds integer, ahead boolean, spare bigint)
    LOOP
        request := item.request_id;
        cap_scope := NULL; cap_period := NULL; cap_limit := NULL;
        cap_spent := NULL; cap_reserved := NULL; cap_ends_at := NULL;
        IF item.run_id <> ids_of THEN
            ids := ledger_open(item.run_id, p_at);
            SELECT r.project_id INTO project FROM run r WHERE r.id = item.run_id;
            ids_of := item.run_id;
        END IF;

        IF EXISTS (SELECT FROM ledger_reservation h WHERE h.request_id = item.request_id) THEN
            outcome := 'reserved';
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF item.token_hash IS NOT NULL AND NOT EXISTS (
            SELECT FROM run_token t WHERE t.token_hash = decode(item.token_hash, 'hex')
                AND t.run_id = item.run_id AND t.revoked_at IS NULL
        ) THEN
            outcome := 'revoked';
            RETURN NEXT;
            CONTINUE;
        END IF;

        SELECT a.scope, a.period, c.cap, a.spent_microdollars AS spent,
               a.reserved_microdollars AS reserved, a.ends_at,
               a.spent_microdollars + item.amount > c.cap AS is_over
        INTO refusal
        FROM ledger_caps(ids, project, p_at) c
        JOIN ledger_account a ON a.id = c.account_id
        WHERE a.spent_microdollars + a.reserved_microdollars + item.amount
              + coalesce(item.spare, 0) > c.cap
        ORDER BY 7 DESC, a.ends_at DESC NULLS FIRST LIMIT 1;
        IF FOUND THEN
            outcome := CASE WHEN refusal.is_over THEN 'over' ELSE 'busy' END;
            cap_scope := refusal.scope; cap_period := refusal.period; cap_limit := refusal.cap;
            cap_spent := refusal.spent; cap_reserved := refusal.reserved;
            cap_ends_at := refusal.ends_at;
            RETURN NEXT;
            CONTINUE;
        END IF;

        INSERT INTO ledger_reservation (
            request_id, run_id, account_ids, amount_microdollars, state, vendor, model, owner,
            created_at, expires_at, ahead
        ) VALUES (
            item.request_id, item.run_id, ids, item.amount, 'open', item.vendor, item.model,
            item.owner, p_at, p_at + make_interval(secs => item.seconds),
            coalesce(item.ahead, false)
        );
        UPDATE ledger_account a SET reserved_microdollars = reserved_microdollars + item.amount
        WHERE a.id = ANY (ids);
        outcome := 'reserved';
        RETURN NEXT;
    END LOOP;
END $$;

-- Release what a gateway of this name reserved ahead and never took for a request. Returns how many.
CREATE FUNCTION ledger_give_back(
    p_owner text, p_taken uuid[], p_at timestamptz DEFAULT clock_timestamp()
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE items jsonb;
BEGIN
    SELECT jsonb_agg(jsonb_build_object('request_id', h.request_id, 'run_id', h.run_id)) INTO items
    FROM (
        SELECT * FROM ledger_reservation r
        WHERE r.state = 'open' AND r.ahead AND r.owner = p_owner AND r.request_id <> ALL (p_taken)
        ORDER BY r.id FOR UPDATE SKIP LOCKED
    ) h;
    IF items IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM ledger_settle(items, p_at);
    RETURN jsonb_array_length(items);
END $$;
