-- The tables of the copilot's stores. A row is a record: the parts of its id in columns, and all of its fields in `record`.
--
-- Each table is closed by row-level security, for its owner too. A user reads and writes the rows of the tenant that the user's
-- token names in `app_metadata.tenant_id`, which users cannot change themselves; without that claim, none. A service key passes
-- the policies by. `(select auth.jwt())` is evaluated once for a statement, and not for each row; the primary keys begin with
-- `tenant_id`, so that a policy finds its rows by an index.

create function public.touch_record() returns trigger language plpgsql set search_path = '' as $$
begin
    new.updated_at := now();
    return new;
end
$$;

create table public.tenant_llm_policies (
    tenant_id text not null check (tenant_id <> ''),
    record jsonb not null check ((record ->> 'tenantId') is not distinct from tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id)
);
comment on table public.tenant_llm_policies is 'What a tenant''s requests to language models may do.';

create table public.conversation_configs (
    tenant_id text not null check (tenant_id <> ''),
    user_id text not null default '',
    record jsonb not null check ((record ->> 'tenantId') is not distinct from tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, user_id)
);
comment on table public.conversation_configs is 'The settings of conversations: a tenant''s default has an empty user_id.';

create table public.conversations (
    tenant_id text not null check (tenant_id <> ''),
    conversation_id text not null check (conversation_id <> ''),
    record jsonb not null check (coalesce(record ->> 'tenantId', tenant_id) = tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, conversation_id)
);
comment on table public.conversations is 'Conversations.';

create table public.conversation_contexts (
    tenant_id text not null check (tenant_id <> ''),
    conversation_id text not null check (conversation_id <> ''),
    record jsonb not null check (coalesce(record ->> 'tenantId', tenant_id) = tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, conversation_id)
);
comment on table public.conversation_contexts is 'What a conversation is about.';

create table public.conversation_paths (
    tenant_id text not null check (tenant_id <> ''),
    path_id text not null check (path_id <> ''),
    record jsonb not null check (coalesce(record ->> 'tenantId', tenant_id) = tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, path_id)
);
comment on table public.conversation_paths is 'The branches of a conversation.';

create table public.execution_contexts (
    tenant_id text not null check (tenant_id <> ''),
    conversation_id text not null check (conversation_id <> ''),
    path_id text not null check (path_id <> ''),
    record jsonb not null check (coalesce(record ->> 'tenantId', tenant_id) = tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, conversation_id, path_id)
);
comment on table public.execution_contexts is 'The sandboxes in which code of a conversation runs.';

-- Every table has the same trigger, rights and policies.
do $$
declare
    name text;
    own constant text := 'tenant_id = ((select auth.jwt()) -> ''app_metadata'' ->> ''tenant_id'')';
begin
    foreach name in array array[
        'tenant_llm_policies',
        'conversation_configs',
        'conversations',
        'conversation_contexts',
        'conversation_paths',
        'execution_contexts'
    ] loop
        execute format('create trigger touch before update on public.%I for each row execute function public.touch_record()', name);
        execute format('revoke all on public.%I from anon, authenticated', name);
        execute format('grant select, insert, update, delete on public.%I to authenticated, service_role', name);
        execute format('alter table public.%I enable row level security', name);
        execute format('alter table public.%I force row level security', name);
        execute format('create policy tenant_select on public.%I for select to authenticated using (%s)', name, own);
        execute format('create policy tenant_insert on public.%I for insert to authenticated with check (%s)', name, own);
        execute format('create policy tenant_update on public.%I for update to authenticated using (%s) with check (%s)', name, own, own);
        execute format('create policy tenant_delete on public.%I for delete to authenticated using (%s)', name, own);
    end loop;
end
$$;
