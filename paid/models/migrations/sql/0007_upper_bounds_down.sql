DROP TRIGGER budget_limit_changed ON budget_limit;
DROP FUNCTION budget_limit_changed();

-- Whether an amount would fit now; nothing is locked or changed.
CREATE OR REPLACE FUNCTION ledger_fits(p_run bigint, p_amount bigint, p_at timestamptz)
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

-- Warnings that a change of spending calls for, as events; each threshold of a limit once. The
-- organisation's limits have its own thresholds, all others the project's.
CREATE OR REPLACE FUNCTION ledger_warnings(p_accounts bigint[], p_run bigint, p_project bigint, p_at timestamptz)
RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    account record;
    warnings jsonb := '[]';
    projects jsonb := (SELECT p.warn_percents FROM policy p WHERE p.project_id = p_project);
    organisations jsonb := (SELECT o.warn_percents FROM organisation o);
BEGIN
    FOR account IN
        SELECT * FROM (
            SELECT a.*, c.cap,
                   coalesce((
                       SELECT max(t.percent::integer)
                       FROM jsonb_array_elements_text(
                           CASE a.scope WHEN 'organisation' THEN organisations ELSE projects END
                       ) AS t(percent)
                       WHERE a.spent_microdollars * 100 >= c.cap * t.percent::integer), 0
                   ) AS reached
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
CREATE OR REPLACE FUNCTION ledger_settle(p_items jsonb, p_at timestamptz DEFAULT clock_timestamp())
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

DROP FUNCTION ledger_held(bigint, bigint, bigint);
