-- Run once, by psql 15 or newer as a superuser, in the new database: one role and one schema per service.
-- The passwords come from the environment, so that none is written in a file.
\set ON_ERROR_STOP on
\getenv message_password MESSAGE_DB_PASSWORD
\getenv offline_password OFFLINE_DB_PASSWORD

revoke all on schema public from public;
select current_database() as database \gset
revoke all on database :"database" from public;

create role hz_message login password :'message_password';
grant connect on database :"database" to hz_message;
alter role hz_message in database :"database" set search_path = message;
create schema message authorization hz_message;

create role hz_offline login password :'offline_password';
grant connect on database :"database" to hz_offline;
alter role hz_offline in database :"database" set search_path = offline;
create schema offline authorization hz_offline;
