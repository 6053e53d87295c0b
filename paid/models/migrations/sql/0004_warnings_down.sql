-- Warnings that a change of spending calls for, as events; each threshold of a limit once.
CREATE OR REPLACE FUNCTION ledger_warnings(p_accounts bigint[], p_run bigint, p_project bigint, p_at timestamptz)
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
