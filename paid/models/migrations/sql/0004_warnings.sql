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
