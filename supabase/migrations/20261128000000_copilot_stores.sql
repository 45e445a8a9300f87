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
create trigger touch before update on public.tenant_llm_policies for each row execute function public.touch_record();
revoke all on public.tenant_llm_policies from anon, authenticated;
grant select, insert, update, delete on public.tenant_llm_policies to authenticated, service_role;
alter table public.tenant_llm_policies enable row level security;
alter table public.tenant_llm_policies force row level security;
create policy tenant_select on public.tenant_llm_policies for select to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_insert on public.tenant_llm_policies for insert to authenticated
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_update on public.tenant_llm_policies for update to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'))
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_delete on public.tenant_llm_policies for delete to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));

create table public.conversation_configs (
    tenant_id text not null check (tenant_id <> ''),
    user_id text not null default '',
    record jsonb not null check ((record ->> 'tenantId') is not distinct from tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, user_id)
);
comment on table public.conversation_configs is 'The settings of conversations: a tenant''s default has an empty user_id.';
create trigger touch before update on public.conversation_configs for each row execute function public.touch_record();
revoke all on public.conversation_configs from anon, authenticated;
grant select, insert, update, delete on public.conversation_configs to authenticated, service_role;
alter table public.conversation_configs enable row level security;
alter table public.conversation_configs force row level security;
create policy tenant_select on public.conversation_configs for select to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_insert on public.conversation_configs for insert to authenticated
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_update on public.conversation_configs for update to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'))
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_delete on public.conversation_configs for delete to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));

create table public.conversations (
    tenant_id text not null check (tenant_id <> ''),
    conversation_id text not null check (conversation_id <> ''),
    record jsonb not null check (coalesce(record ->> 'tenantId', tenant_id) = tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, conversation_id)
);
comment on table public.conversations is 'Conversations.';
create trigger touch before update on public.conversations for each row execute function public.touch_record();
revoke all on public.conversations from anon, authenticated;
grant select, insert, update, delete on public.conversations to authenticated, service_role;
alter table public.conversations enable row level security;
alter table public.conversations force row level security;
create policy tenant_select on public.conversations for select to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_insert on public.conversations for insert to authenticated
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_update on public.conversations for update to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'))
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_delete on public.conversations for delete to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));

create table public.conversation_contexts (
    tenant_id text not null check (tenant_id <> ''),
    conversation_id text not null check (conversation_id <> ''),
    record jsonb not null check (coalesce(record ->> 'tenantId', tenant_id) = tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, conversation_id)
);
comment on table public.conversation_contexts is 'What a conversation is about.';
create trigger touch before update on public.conversation_contexts for each row execute function public.touch_record();
revoke all on public.conversation_contexts from anon, authenticated;
grant select, insert, update, delete on public.conversation_contexts to authenticated, service_role;
alter table public.conversation_contexts enable row level security;
alter table public.conversation_contexts force row level security;
create policy tenant_select on public.conversation_contexts for select to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_insert on public.conversation_contexts for insert to authenticated
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_update on public.conversation_contexts for update to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'))
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_delete on public.conversation_contexts for delete to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));

create table public.conversation_paths (
    tenant_id text not null check (tenant_id <> ''),
    conversation_id text not null check (conversation_id <> ''),
    path_id text not null check (path_id <> ''),
    record jsonb not null check (coalesce(record ->> 'tenantId', tenant_id) = tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, conversation_id, path_id)
);
comment on table public.conversation_paths is 'The branches of a conversation.';
create trigger touch before update on public.conversation_paths for each row execute function public.touch_record();
revoke all on public.conversation_paths from anon, authenticated;
grant select, insert, update, delete on public.conversation_paths to authenticated, service_role;
alter table public.conversation_paths enable row level security;
alter table public.conversation_paths force row level security;
create policy tenant_select on public.conversation_paths for select to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_insert on public.conversation_paths for insert to authenticated
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_update on public.conversation_paths for update to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'))
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_delete on public.conversation_paths for delete to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));

create table public.execution_contexts (
    tenant_id text not null check (tenant_id <> ''),
    execution_id text not null check (execution_id <> ''),
    record jsonb not null check (coalesce(record ->> 'tenantId', tenant_id) = tenant_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    primary key (tenant_id, execution_id)
);
comment on table public.execution_contexts is 'What code that runs for a tenant may use.';
create trigger touch before update on public.execution_contexts for each row execute function public.touch_record();
revoke all on public.execution_contexts from anon, authenticated;
grant select, insert, update, delete on public.execution_contexts to authenticated, service_role;
alter table public.execution_contexts enable row level security;
alter table public.execution_contexts force row level security;
create policy tenant_select on public.execution_contexts for select to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_insert on public.execution_contexts for insert to authenticated
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_update on public.execution_contexts for update to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'))
    with check (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
create policy tenant_delete on public.execution_contexts for delete to authenticated
    using (tenant_id = ((select auth.jwt()) -> 'app_metadata' ->> 'tenant_id'));
