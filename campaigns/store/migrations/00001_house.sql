-- The whole first schema. The rules it follows (campaigns/store/doc.go tells why): customers.no is the key of every large
-- table and the first column of its primary key; what must be found without the customer has a lookup table of its own;
-- definitions are small; counters are spread over slots; times are parameters and never now().

-- +goose Up
CREATE TYPE purchase_line AS (sku text, brand text, category text, qty integer, amount bigint);

CREATE AGGREGATE purchase_lines (purchase_line[]) (sfunc = array_cat, stype = purchase_line[]);

CREATE SEQUENCE customer_nos;
CREATE SEQUENCE code_serials;

-- Settings and definitions ------------------------------------------------------------------------------------------

CREATE TABLE workspace (
    id smallint PRIMARY KEY CHECK (id = 1),
    settings jsonb NOT NULL,
    revision bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL
);

CREATE TABLE secrets (name text PRIMARY KEY, value bytea NOT NULL);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    hash bytea NOT NULL CONSTRAINT api_keys_hash UNIQUE,
    hint text NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz
);

CREATE TABLE attributes (
    name text PRIMARY KEY,
    type text NOT NULL,
    column_name text CONSTRAINT attributes_column UNIQUE,
    created_at timestamptz NOT NULL
);

CREATE TABLE channels (
    id text PRIMARY KEY,
    name text NOT NULL,
    kind text NOT NULL,
    settings jsonb NOT NULL,
    revision bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE templates (
    id uuid PRIMARY KEY,
    revision integer NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    deleted_at timestamptz
);
CREATE TABLE template_revisions (
    template_id uuid NOT NULL,
    revision integer NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (template_id, revision)
);

CREATE TABLE offers (
    id uuid PRIMARY KEY,
    revision integer NOT NULL,
    status text NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
);
CREATE TABLE offer_revisions (
    offer_id uuid NOT NULL,
    revision integer NOT NULL,
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (offer_id, revision)
);

CREATE TABLE campaigns (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    status text NOT NULL,
    version integer NOT NULL,
    salt text NOT NULL,
    next_run_at timestamptz,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    launched_at timestamptz
);
CREATE INDEX campaigns_due ON campaigns (next_run_at) WHERE next_run_at IS NOT NULL;
CREATE TABLE campaign_versions (
    campaign_id uuid NOT NULL,
    version integer NOT NULL,
    definition jsonb NOT NULL,
    frozen jsonb,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (campaign_id, version)
);

-- Customers ---------------------------------------------------------------------------------------------------------

CREATE TABLE customers (
    no bigint PRIMARY KEY,
    id text,
    name text,
    gender text,
    birthday date,
    city text,
    language text,
    timezone text,
    tier text,
    tier_until date,
    tier_shortfall double precision,
    registered_at timestamptz,
    email text,
    phone text,
    email_hash bytea,
    phone_hash bytea,
    sms_consent boolean,
    email_consent boolean,
    tags text[],
    revision bigint NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL
);
CREATE TABLE customer_ids (id text PRIMARY KEY, no bigint NOT NULL);
CREATE TABLE identifiers (type text, value text, no bigint NOT NULL, PRIMARY KEY (type, value));
CREATE TABLE addresses (hash bytea, channel text, no bigint NOT NULL, PRIMARY KEY (hash, channel, no));

CREATE TABLE customer_figures (
    no bigint PRIMARY KEY,
    purchase_count integer NOT NULL DEFAULT 0,
    total_spend bigint NOT NULL DEFAULT 0,
    first_purchase_at timestamptz,
    last_purchase_at timestamptz,
    lifetime_points bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

CREATE TABLE consents (
    no bigint NOT NULL,
    channel text NOT NULL,
    topic text NOT NULL DEFAULT '',
    at timestamptz NOT NULL,
    granted boolean NOT NULL,
    source text NOT NULL,
    proof text,
    PRIMARY KEY (no, channel, topic, at)
);
CREATE TABLE suppressions (
    hash bytea NOT NULL,
    channel text NOT NULL,
    address text,
    reason text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (hash, channel)
);

-- What customers did ------------------------------------------------------------------------------------------------

CREATE TABLE purchases (
    no bigint NOT NULL,
    order_id text NOT NULL,
    at timestamptz NOT NULL,
    store text,
    amount bigint NOT NULL,
    refunded bigint NOT NULL DEFAULT 0,
    void boolean NOT NULL DEFAULT false,
    lines purchase_line[] NOT NULL,
    net_lines purchase_line[],
    coupon_codes text[],
    PRIMARY KEY (no, order_id)
);
CREATE TABLE orders (order_id text PRIMARY KEY, no bigint NOT NULL);
CREATE TABLE refunds (
    no bigint NOT NULL,
    refund_id text NOT NULL,
    order_id text NOT NULL,
    at timestamptz NOT NULL,
    lines purchase_line[] NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (no, refund_id)
);
CREATE TABLE refund_ids (refund_id text PRIMARY KEY, no bigint NOT NULL);

CREATE TABLE events (
    no bigint NOT NULL,
    name text NOT NULL,
    at timestamptz NOT NULL,
    event_id text NOT NULL,
    props jsonb,
    PRIMARY KEY (no, name, at, event_id)
) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2000-01-01 00:00:00+00');
CREATE TABLE event_ids (event_id text PRIMARY KEY, no bigint NOT NULL);

CREATE TABLE lots (
    no bigint NOT NULL,
    lot_id text NOT NULL,
    earned_on date NOT NULL,
    active_from date NOT NULL,
    last_valid_on date,
    zone text NOT NULL,
    points bigint NOT NULL,
    remaining bigint NOT NULL CHECK (remaining >= 0),
    taken bigint NOT NULL DEFAULT 0 CHECK (taken >= 0),
    expired bigint NOT NULL DEFAULT 0 CHECK (expired >= 0),
    reversed bigint NOT NULL DEFAULT 0 CHECK (reversed >= 0),
    PRIMARY KEY (no, lot_id),
    CHECK (points = remaining + taken + expired + reversed)
);
CREATE TABLE entries (
    no bigint NOT NULL,
    entry_id text NOT NULL,
    lot_id text,
    points bigint NOT NULL,
    reason text,
    effective_at timestamptz NOT NULL,
    booked_at timestamptz NOT NULL,
    PRIMARY KEY (no, entry_id)
);
CREATE TABLE entry_ids (entry_id text PRIMARY KEY, no bigint NOT NULL);

-- Runs and messages -------------------------------------------------------------------------------------------------

CREATE TABLE runs (
    id uuid PRIMARY KEY,
    campaign_id uuid NOT NULL,
    version integer NOT NULL,
    occurrence timestamptz NOT NULL,
    status text NOT NULL,
    paused boolean NOT NULL DEFAULT false,
    reason text,
    executor text,
    select_ms bigint,
    scanned bigint NOT NULL DEFAULT 0,
    customers bigint NOT NULL DEFAULT 0,
    owner uuid,
    lease_until timestamptz,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    selected_at timestamptz,
    queued_at timestamptz,
    finished_at timestamptz,
    CONSTRAINT runs_occurrence UNIQUE (campaign_id, occurrence)
);
CREATE INDEX runs_open ON runs (status) WHERE status NOT IN ('done', 'stopped');

CREATE TABLE audiences (
    run_id uuid NOT NULL,
    gate text NOT NULL,
    chunk integer NOT NULL,
    part integer NOT NULL,
    n integer NOT NULL,
    bitmap bytea NOT NULL,
    PRIMARY KEY (run_id, gate, chunk, part)
);

CREATE TABLE arm_keys (no bigint PRIMARY KEY, key text NOT NULL);
CREATE TABLE arms (
    no bigint NOT NULL,
    campaign_id uuid NOT NULL,
    period text NOT NULL,
    arm text NOT NULL,
    bucket smallint,
    version integer NOT NULL,
    run_id uuid,
    assigned_at timestamptz NOT NULL,
    due_at timestamptz,
    PRIMARY KEY (no, campaign_id, period)
);
CREATE INDEX arms_campaign ON arms (campaign_id, period, arm);
CREATE TABLE campaign_entries (
    no bigint NOT NULL,
    campaign_id uuid NOT NULL,
    key text NOT NULL,
    run_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (no, campaign_id, key)
);

CREATE TABLE messages (
    no bigint NOT NULL,
    id uuid NOT NULL,
    queued_at timestamptz NOT NULL,
    campaign_id uuid NOT NULL,
    run_id uuid NOT NULL,
    version integer NOT NULL,
    variant text NOT NULL,
    ghost boolean NOT NULL DEFAULT false,
    channel text NOT NULL,
    channel_id text NOT NULL,
    template_id uuid NOT NULL,
    template_revision integer NOT NULL,
    address text,
    vars jsonb,
    code text,
    status text NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    provider_id text,
    history jsonb NOT NULL,
    content_hash bytea,
    content jsonb,
    not_after timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (no, queued_at, id)
) PARTITION BY RANGE (queued_at);
CREATE INDEX messages_id ON messages (id);
CREATE INDEX messages_run ON messages (run_id, status);

CREATE TABLE outbox (
    lane smallint NOT NULL,
    message_id uuid NOT NULL,
    channel_id text NOT NULL,
    run_id uuid NOT NULL,
    no bigint NOT NULL,
    due_at timestamptz NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    sending_at timestamptz,
    owner uuid,
    PRIMARY KEY (lane, message_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
CREATE INDEX outbox_due ON outbox (channel_id, lane, run_id, due_at) WHERE sending_at IS NULL;
CREATE INDEX outbox_sending ON outbox (channel_id, lane, sending_at) WHERE sending_at IS NOT NULL;
CREATE INDEX outbox_run ON outbox (run_id);
CREATE TABLE lanes (
    channel_id text NOT NULL,
    lane smallint NOT NULL,
    owner uuid,
    lease_until timestamptz NOT NULL,
    claimed_at timestamptz NOT NULL,
    PRIMARY KEY (channel_id, lane)
) WITH (fillfactor = 50);

-- Coupons and redemptions -------------------------------------------------------------------------------------------

CREATE TABLE codes (code text PRIMARY KEY, no bigint NOT NULL);
CREATE TABLE coupons (
    no bigint NOT NULL,
    code text NOT NULL,
    offer_id uuid NOT NULL,
    offer_revision integer NOT NULL,
    campaign_id uuid,
    run_id uuid,
    message_id uuid,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz,
    uses integer NOT NULL DEFAULT 0,
    uses_max integer NOT NULL,
    used_at timestamptz,
    PRIMARY KEY (no, code)
);
CREATE TABLE counters (
    offer_id uuid NOT NULL,
    slot smallint NOT NULL,
    used bigint NOT NULL DEFAULT 0,
    max bigint NOT NULL,
    PRIMARY KEY (offer_id, slot),
    CONSTRAINT counters_within CHECK (used BETWEEN 0 AND max)
) WITH (fillfactor = 50);
CREATE TABLE redemption_orders (order_id text PRIMARY KEY, no bigint NOT NULL);
CREATE TABLE redemptions (
    no bigint NOT NULL,
    order_id text NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    request_hash bytea NOT NULL,
    discount bigint NOT NULL,
    answer jsonb NOT NULL,
    PRIMARY KEY (no, order_id)
);
CREATE TABLE redemption_offers (
    no bigint NOT NULL,
    order_id text NOT NULL,
    offer_id uuid NOT NULL,
    code text,
    at timestamptz NOT NULL,
    discount bigint NOT NULL,
    campaign_id uuid,
    message_id uuid,
    reversed_at timestamptz,
    PRIMARY KEY (no, order_id, offer_id)
);
CREATE INDEX redemption_offers_campaign ON redemption_offers (campaign_id) WHERE campaign_id IS NOT NULL;

-- Keeping house -----------------------------------------------------------------------------------------------------

CREATE TABLE changes (xid xid8 NOT NULL, no bigint NOT NULL, kind smallint NOT NULL);
CREATE INDEX changes_xid ON changes (xid);

CREATE TABLE nodes (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    follows xid8
);

CREATE TABLE imports (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    status text NOT NULL,
    phase text NOT NULL,
    dry_run boolean NOT NULL,
    options jsonb NOT NULL,
    ignored_columns text[],
    rows_read bigint NOT NULL DEFAULT 0,
    rows_written bigint NOT NULL DEFAULT 0,
    rows_unchanged bigint NOT NULL DEFAULT 0,
    rows_rejected bigint NOT NULL DEFAULT 0,
    error text,
    stage jsonb,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE TABLE import_rejects (
    import_id uuid NOT NULL,
    row bigint NOT NULL,
    field text NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (import_id, row, field)
);

CREATE TABLE idempotency (
    key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    request_hash bytea NOT NULL,
    status integer,
    headers jsonb,
    body bytea,
    PRIMARY KEY (key, created_at)
) PARTITION BY RANGE (created_at);

CREATE TABLE audit (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    subject_id text NOT NULL,
    before jsonb,
    after jsonb,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);

-- +goose Down
SELECT 1;
