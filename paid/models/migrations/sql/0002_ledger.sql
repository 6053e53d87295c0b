-- The ledger's arithmetic, in one place for the gateway and the store.
--
-- Locks are always taken in this order: runs, reservations by id, events by chain, the accounts. There is
-- one lock for all accounts, taken as late as can be: every request changes the organisation's rows, so
-- that a lock a row would let nobody pass.
-- Every function takes the moment as an argument, so that calendars can be tested.

-- The periods that a run's money counts in, on the calendars of its project and organisation.
CREATE FUNCTION ledger_places(p_run bigint, p_at timestamptz)
RETURNS TABLE (
    place integer, scope text, scope_id bigint, period text, starts_on date, ends_at timestamptz
) LANGUAGE sql STABLE AS $$
    WITH who AS (
        SELECT r.id, r.issue_id, r.project_id, p.time_zone, o.time_zone AS organisation_zone
        FROM run r JOIN project p ON p.id = r.project_id CROSS JOIN organisation o
        WHERE r.id = p_run
    ), holder (first_place, scope, scope_id, zone) AS (
        SELECT 3, 'project', project_id, time_zone FROM who
        UNION ALL SELECT 6, 'organisation', 1, organisation_zone FROM who
    ), span (nth, period, length) AS (
        VALUES (0, 'day', interval '1 day'), (1, 'week', '1 week'), (2, 'month', '1 month')
    )
    SELECT 1, 'run', id, 'total', date '1970-01-01', NULL::timestamptz FROM who
    UNION ALL SELECT 2, 'issue', issue_id, 'total', date '1970-01-01', NULL FROM who
    UNION ALL
    SELECT h.first_place + s.nth, h.scope, h.scope_id, s.period,
           date_trunc(s.period, p_at AT TIME ZONE h.zone)::date,
           (date_trunc(s.period, p_at AT TIME ZONE h.zone) + s.length) AT TIME ZONE h.zone
    FROM holder h CROSS JOIN span s
    ORDER BY 1
$$;

-- The cap in force for one account; NULL means none. What is set for one run or issue can only
-- lift what its project allows each of them.
CREATE FUNCTION ledger_cap(
    p_scope text, p_scope_id bigint, p_period text, p_project bigint, p_at timestamptz
) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT max(CASE WHEN l.raised_until > p_at
                    THEN greatest(l.limit_microdollars, l.raised_to_microdollars)
                    ELSE l.limit_microdollars END)
    FROM budget_limit l
    WHERE l.period = CASE WHEN p_period = 'total' THEN p_scope ELSE p_period END
      AND ((l.scope = p_scope AND l.scope_id = p_scope_id)
           OR (p_period = 'total' AND l.scope = 'project' AND l.scope_id = p_project))
    HAVING p_period <> 'total' OR bool_or(l.scope = 'project')
$$;

-- The same for several accounts of one run at once; those without a cap are missing.
CREATE FUNCTION ledger_caps(p_accounts bigint[], p_project bigint, p_at timestamptz)
RETURNS TABLE (account_id bigint, cap bigint) LANGUAGE sql STABLE AS $$
    SELECT a.id, max(CASE WHEN l.raised_until > p_at
                          THEN greatest(l.limit_microdollars, l.raised_to_microdollars)
                          ELSE l.limit_microdollars END)
    FROM ledger_account a
    JOIN budget_limit l
        ON (l.period = a.period AND l.scope = a.scope AND l.scope_id = a.scope_id)
        OR (a.period = 'total' AND l.period = a.scope
            AND ((l.scope = a.scope AND l.scope_id = a.scope_id)
                 OR (l.scope = 'project' AND l.scope_id = p_project)))
    WHERE a.id = ANY (p_accounts)
    GROUP BY a.id, a.period
    HAVING a.period <> 'total' OR bool_or(l.scope = 'project')
$$;

-- Until the end of this transaction nobody else changes an account.
CREATE FUNCTION ledger_lock() RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtextextended('ledger_account', 7))
$$;

-- The accounts of a run at a moment, made when missing.
CREATE FUNCTION ledger_open(p_run bigint, p_at timestamptz)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    found bigint[];
    needed integer;
BEGIN
    FOR attempt IN 1..2 LOOP
        SELECT array_agg(a.id ORDER BY a.id), count(*) INTO found, needed
        FROM ledger_places(p_run, p_at) w
        LEFT JOIN ledger_account a USING (scope, scope_id, period, starts_on);
        IF needed = 0 THEN
            RAISE EXCEPTION 'there is no run %', p_run USING ERRCODE = 'no_data_found';
        END IF;
        EXIT WHEN array_position(found, NULL) IS NULL;
        INSERT INTO ledger_account (scope, scope_id, period, starts_on, ends_at)
        SELECT w.scope, w.scope_id, w.period, w.starts_on, w.ends_at
        FROM ledger_places(p_run, p_at) w ORDER BY w.place
        ON CONFLICT ON CONSTRAINT ledger_account_once DO NOTHING;
    END LOOP;
    RETURN found;
END $$;

-- Whether an amount would fit now; nothing is locked or changed.
CREATE FUNCTION ledger_fits(p_run bigint, p_amount bigint, p_at timestamptz)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM ledger_places(p_run, p_at) w
        JOIN run r ON r.id = p_run
        LEFT JOIN ledger_account a USING (scope, scope_id, period, starts_on)
        WHERE coalesce(a.spent_microdollars + a.reserved_microdollars, 0) + p_amount
              > ledger_cap(w.scope, w.scope_id, w.period, r.project_id, p_at)
    )
$$;

-- Reserve the worst case of each item, or say which cap stands in the way.
--
-- Items: {request_id, run_id, token_hash?, amount, vendor, model, owner, seconds}. The outcomes:
-- reserved; over (the cap leaves no room); busy (it would, once others have settled);
-- revoked (the token died meanwhile).
CREATE FUNCTION ledger_reserve(p_items jsonb, p_at timestamptz DEFAULT clock_timestamp())
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
            vendor text, model text, owner text, seconds integer)
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
        WHERE a.spent_microdollars + a.reserved_microdollars + item.amount > c.cap
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
            created_at, expires_at
        ) VALUES (
            item.request_id, item.run_id, ids, item.amount, 'open', item.vendor, item.model,
            item.owner, p_at, p_at + make_interval(secs => item.seconds)
        );
        UPDATE ledger_account a SET reserved_microdollars = reserved_microdollars + item.amount
        WHERE a.id = ANY (ids);
        outcome := 'reserved';
        RETURN NEXT;
    END LOOP;
END $$;

-- Warnings that a change of spending calls for, as events; each threshold of a limit once.
CREATE FUNCTION ledger_warnings(p_accounts bigint[], p_run bigint, p_project bigint, p_at timestamptz)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    account record;
    warnings jsonb := '[]';
BEGIN
    FOR account IN
        SELECT * FROM (
            SELECT a.*, c.cap,
                   CASE WHEN a.spent_microdollars >= c.cap THEN 100
                        WHEN a.spent_microdollars >= c.cap * 0.8 THEN 80
                        WHEN a.spent_microdollars >= c.cap * 0.5 THEN 50 ELSE 0 END AS reached
            FROM ledger_caps(p_accounts, p_project, p_at) c
            JOIN ledger_account a ON a.id = c.account_id
            WHERE c.cap > 0
        ) measured
        WHERE reached > CASE WHEN warned_limit_microdollars = cap THEN warned_percent ELSE 0 END
        ORDER BY id
    LOOP
        UPDATE ledger_account a
        SET warned_percent = account.reached, warned_limit_microdollars = account.cap
        WHERE a.id = account.id;
        warnings := warnings || jsonb_build_object(
            'run_id', p_run, 'project_id', p_project, 'kind', 'budget.warning',
            'data', jsonb_build_object(
                'scope', account.scope, 'period', account.period, 'percent', account.reached,
                'limit_microdollars', account.cap,
                'spent_microdollars', account.spent_microdollars));
    END LOOP;
    RETURN warnings;
END $$;

-- Give reservations back and write down what was spent instead.
--
-- Items: {request_id, run_id, amount?, basis, vendor, model, input_tokens, cache_read_tokens,
-- cache_write_tokens, output_tokens, reasoning_tokens, detail}; without an amount the reservation
-- is only released. Settling again changes nothing, except that what had expired, and was charged
-- whole, is corrected. An item whose reservation was lost is charged all the same.
CREATE FUNCTION ledger_settle(p_items jsonb, p_at timestamptz DEFAULT clock_timestamp())
RETURNS TABLE (request uuid, outcome text) LANGUAGE plpgsql AS $$
DECLARE
    item record;
    held ledger_reservation;
    owner_run record;
    spent_before bigint;
    had_entry boolean;
    more jsonb := '{}';
    changes jsonb := '[]';
    events jsonb := '[]';
BEGIN
    INSERT INTO ledger_reservation (
        request_id, run_id, account_ids, amount_microdollars, state, vendor, model, owner,
        created_at, expires_at)
    SELECT i.request_id, i.run_id, ledger_open(i.run_id, p_at), 0, 'open', i.vendor, i.model,
           'lost', p_at, p_at
    FROM jsonb_to_recordset(p_items) AS i(
        request_id uuid, run_id bigint, amount bigint, vendor text, model text)
    WHERE i.amount IS NOT NULL
      AND NOT EXISTS (SELECT FROM ledger_reservation r WHERE r.request_id = i.request_id)
    ON CONFLICT DO NOTHING;
    PERFORM 1 FROM ledger_reservation r WHERE r.request_id IN (
        SELECT i.request_id FROM jsonb_to_recordset(p_items) AS i(request_id uuid)
    ) ORDER BY r.id FOR UPDATE;

    FOR item IN
        SELECT * FROM jsonb_to_recordset(p_items) AS i(
            request_id uuid, run_id bigint, amount bigint, basis text, vendor text, model text,
            input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint,
            output_tokens bigint, reasoning_tokens bigint, detail jsonb)
    LOOP
        request := item.request_id;
        SELECT * INTO held FROM ledger_reservation r WHERE r.request_id = item.request_id;
        IF NOT FOUND OR held.state IN ('settled', 'released') THEN
            outcome := 'known';
            RETURN NEXT;
            CONTINUE;
        END IF;
        SELECT e.amount_microdollars INTO spent_before
        FROM ledger_entry e WHERE e.request_id = item.request_id;
        had_entry := FOUND;
        spent_before := coalesce(spent_before, 0);
        SELECT r.issue_id, r.project_id, r.agent, day.starts_on AS day,
               total.spent_microdollars AS spent
        INTO owner_run
        FROM run r, ledger_account day, ledger_account total
        WHERE r.id = held.run_id AND day.id = ANY (held.account_ids)
          AND day.scope = 'project' AND day.period = 'day'
          AND total.id = ANY (held.account_ids) AND total.scope = 'run';

        more := more || jsonb_build_object(held.run_id::text,
            coalesce((more ->> held.run_id::text)::bigint, 0)
            + coalesce(item.amount, 0) - spent_before);
        changes := changes || jsonb_build_object(
            'accounts', held.account_ids, 'run_id', held.run_id,
            'project_id', owner_run.project_id,
            'spent', coalesce(item.amount, 0) - spent_before,
            'reserved', CASE WHEN held.state = 'open' THEN held.amount_microdollars ELSE 0 END);
        outcome := CASE WHEN item.amount IS NULL THEN 'released'
                        WHEN item.basis = 'expired' THEN 'expired' ELSE 'settled' END;
        UPDATE ledger_reservation r SET state = outcome, closed_at = p_at WHERE r.id = held.id;
        RETURN NEXT;
        CONTINUE WHEN item.amount IS NULL AND NOT had_entry;

        INSERT INTO ledger_entry (
            request_id, run_id, issue_id, project_id, account_ids, at, day, vendor, model, agent,
            basis, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
            reasoning_tokens, amount_microdollars, detail
        ) VALUES (
            item.request_id, held.run_id, owner_run.issue_id, owner_run.project_id,
            held.account_ids, p_at, owner_run.day, coalesce(item.vendor, held.vendor),
            coalesce(item.model, held.model), owner_run.agent, coalesce(item.basis, 'vendor'),
            coalesce(item.input_tokens, 0), coalesce(item.cache_read_tokens, 0),
            coalesce(item.cache_write_tokens, 0), coalesce(item.output_tokens, 0),
            coalesce(item.reasoning_tokens, 0), coalesce(item.amount, 0),
            coalesce(item.detail, '{}')
        ) ON CONFLICT (request_id) DO UPDATE SET
            at = excluded.at, model = excluded.model, basis = excluded.basis,
            input_tokens = excluded.input_tokens, cache_read_tokens = excluded.cache_read_tokens,
            cache_write_tokens = excluded.cache_write_tokens,
            output_tokens = excluded.output_tokens, reasoning_tokens = excluded.reasoning_tokens,
            amount_microdollars = excluded.amount_microdollars, detail = excluded.detail;

        events := events || jsonb_build_object(
            'run_id', held.run_id, 'project_id', owner_run.project_id, 'kind', 'model.usage',
            'data', jsonb_build_object(
                'request_id', item.request_id, 'vendor', coalesce(item.vendor, held.vendor),
                'model', coalesce(item.model, held.model),
                'basis', coalesce(item.basis, 'vendor'),
                'input_tokens', coalesce(item.input_tokens, 0),
                'cache_read_tokens', coalesce(item.cache_read_tokens, 0),
                'output_tokens', coalesce(item.output_tokens, 0),
                'cost_microdollars', coalesce(item.amount, 0) - spent_before,
                'run_spent_microdollars',
                owner_run.spent + (more ->> held.run_id::text)::bigint));
    END LOOP;
    IF changes = '[]' THEN
        RETURN;
    END IF;

    PERFORM ledger_tell(events);
    PERFORM ledger_lock();
    UPDATE ledger_account a SET
        spent_microdollars = spent_microdollars + changed.spent,
        reserved_microdollars = reserved_microdollars - changed.reserved
    FROM (
        SELECT account_id, sum(c.spent) AS spent, sum(c.reserved) AS reserved
        FROM jsonb_to_recordset(changes) AS c(accounts bigint[], spent bigint, reserved bigint),
             unnest(c.accounts) AS account_id
        GROUP BY account_id
    ) changed
    WHERE a.id = changed.account_id;
    -- A warning is for a run that has its event already, and with it the lock of its chain.
    FOR item IN
        SELECT DISTINCT c.accounts, c.run_id, c.project_id
        FROM jsonb_to_recordset(changes) AS c(
            accounts bigint[], run_id bigint, project_id bigint, spent bigint)
        WHERE c.spent <> 0
    LOOP
        PERFORM ledger_tell(ledger_warnings(
            item.accounts, item.run_id, item.project_id, p_at));
    END LOOP;
END $$;

-- Add events to the chains of their runs; chains in order, because each is a lock.
CREATE FUNCTION ledger_tell(p_events jsonb) RETURNS void LANGUAGE sql AS $$
    INSERT INTO event (chain, run_id, project_id, kind, data, at)
    SELECT 'run:' || (e.value ->> 'run_id'), (e.value ->> 'run_id')::bigint,
           (e.value ->> 'project_id')::bigint, e.value ->> 'kind', e.value -> 'data',
           clock_timestamp()
    FROM jsonb_array_elements(p_events) WITH ORDINALITY AS e(value, nth)
    ORDER BY e.value ->> 'run_id', e.nth
$$;

-- Charge whole what nobody will settle: reservations past their time, and with p_owner those that
-- a gateway of that name left behind. Returns how many.
CREATE FUNCTION ledger_expire(
    p_owner text DEFAULT NULL, p_at timestamptz DEFAULT clock_timestamp()
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE items jsonb;
BEGIN
    SELECT jsonb_agg(jsonb_build_object(
        'request_id', h.request_id, 'run_id', h.run_id, 'amount', h.amount_microdollars,
        'basis', 'expired', 'vendor', h.vendor, 'model', h.model)) INTO items
    FROM (
        SELECT * FROM ledger_reservation r
        WHERE r.state = 'open' AND (r.expires_at <= p_at OR r.owner = p_owner)
        ORDER BY r.id LIMIT 500 FOR UPDATE SKIP LOCKED
    ) h;
    IF items IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM ledger_settle(items, p_at);
    RETURN jsonb_array_length(items);
END $$;

-- Keep reservations of streams that still flow. One that is locked is being settled.
CREATE FUNCTION ledger_extend(p_requests uuid[], p_until timestamptz)
RETURNS void LANGUAGE sql AS $$
    UPDATE ledger_reservation SET expires_at = p_until WHERE id IN (
        SELECT id FROM ledger_reservation
        WHERE request_id = ANY (p_requests) AND state = 'open'
        ORDER BY id FOR UPDATE SKIP LOCKED)
$$;

-- Make a run wait, or say anew why it waits. Returns true when it did not wait before.
CREATE FUNCTION run_hold_open(
    p_run bigint, p_reason text, p_until timestamptz, p_detail jsonb
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE is_new boolean;
BEGIN
    INSERT INTO run_hold (run_id, reason, until, detail, created_at)
    SELECT r.id, p_reason, p_until, p_detail, clock_timestamp()
    FROM run r WHERE r.id = p_run AND r.ended_at IS NULL
    ON CONFLICT (run_id) WHERE released_at IS NULL
    DO UPDATE SET reason = excluded.reason, until = excluded.until, detail = excluded.detail
    RETURNING xmax = 0 INTO is_new;
    IF is_new THEN
        PERFORM ledger_tell(jsonb_build_array(jsonb_build_object(
            'run_id', r.id, 'project_id', r.project_id, 'kind', p_reason || '.hold',
            'data', p_detail || jsonb_build_object('until', p_until))))
        FROM run r WHERE r.id = p_run;
        PERFORM pg_notify('paid_hold', p_run::text);
    END IF;
    RETURN coalesce(is_new, false);
END $$;

-- Let a run go on. Returns false when it did not wait.
CREATE FUNCTION run_hold_release(p_run bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE held run_hold;
BEGIN
    UPDATE run_hold SET released_at = clock_timestamp()
    WHERE run_id = p_run AND released_at IS NULL RETURNING * INTO held;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM ledger_tell(jsonb_build_array(jsonb_build_object(
        'run_id', r.id, 'project_id', r.project_id, 'kind', 'hold.released',
        'data', jsonb_build_object('reason', held.reason))))
    FROM run r WHERE r.id = p_run;
    PERFORM pg_notify('paid_hold', p_run::text);
    RETURN true;
END $$;

-- The hold of a run that still has a reason to be; one that has none is released on the way.
CREATE FUNCTION run_hold_current(p_run bigint, p_at timestamptz DEFAULT clock_timestamp())
RETURNS SETOF run_hold LANGUAGE plpgsql AS $$
DECLARE held run_hold;
BEGIN
    SELECT * INTO held FROM run_hold WHERE run_id = p_run AND released_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF held.until <= p_at OR (
        held.reason = 'budget'
        AND ledger_fits(p_run, (held.detail ->> 'needed_microdollars')::bigint, p_at)
    ) THEN
        PERFORM run_hold_release(p_run);
        RETURN;
    END IF;
    RETURN NEXT held;
END $$;

-- What a live token may do: one row, or none.
CREATE FUNCTION run_token_grant(p_hash bytea)
RETURNS TABLE (
    run_id bigint, project_id bigint, allowed_models jsonb, fallback_models jsonb,
    egress_hosts jsonb
) LANGUAGE sql STABLE AS $$
    SELECT r.id, r.project_id, coalesce(p.allowed_models, '[]'),
           coalesce(p.fallback_models, '[]'), p.egress_hosts
    FROM run_token t JOIN run r ON r.id = t.run_id LEFT JOIN policy p ON p.project_id = r.project_id
    WHERE t.token_hash = p_hash AND t.revoked_at IS NULL AND r.ended_at IS NULL
$$;

CREATE FUNCTION run_token_revoke(p_run bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE revoked integer;
BEGIN
    UPDATE run_token SET revoked_at = clock_timestamp()
    WHERE run_id = p_run AND revoked_at IS NULL;
    GET DIAGNOSTICS revoked = ROW_COUNT;
    PERFORM pg_notify('paid_run_token', p_run::text);
    RETURN revoked;
END $$;

-- A run that ends or is to be cancelled has no token a moment longer, whoever forgot to revoke it.
CREATE FUNCTION run_token_dies_with_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM run_token_revoke(NEW.id);
    IF NEW.ended_at IS NOT NULL THEN
        UPDATE run_hold SET released_at = clock_timestamp()
        WHERE run_id = NEW.id AND released_at IS NULL;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER run_token_dies_with_run AFTER UPDATE OF ended_at, cancel_requested_at ON run
    FOR EACH ROW WHEN (
        (NEW.ended_at IS NOT NULL AND OLD.ended_at IS NULL)
        OR (NEW.cancel_requested_at IS NOT NULL AND OLD.cancel_requested_at IS NULL))
    EXECUTE FUNCTION run_token_dies_with_run();

-- A project without a cap is a choice that somebody makes, not what happens by forgetting.
CREATE FUNCTION budget_limit_defaults() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO budget_limit (scope, scope_id, period, limit_microdollars, updated_at) VALUES
        ('project', NEW.id, 'run', 5000000, now()),
        ('project', NEW.id, 'day', 20000000, now());
    RETURN NULL;
END $$;

CREATE TRIGGER budget_limit_defaults AFTER INSERT ON project
    FOR EACH ROW EXECUTE FUNCTION budget_limit_defaults();

INSERT INTO organisation (id, time_zone) VALUES (1, 'UTC');
INSERT INTO budget_limit (scope, scope_id, period, limit_microdollars, updated_at)
SELECT 'project', id, unnest(ARRAY['run', 'day']), unnest(ARRAY[5000000, 20000000]), now()
FROM project;
