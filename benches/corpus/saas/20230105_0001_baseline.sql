--
-- PostgreSQL database dump
--

-- Dumped from database version 13.9
-- Dumped by pg_dump version 14.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: app; Type: SCHEMA; Schema: -; Owner: -
--

CREATE SCHEMA app;

--
-- Name: pgcrypto; Type: EXTENSION; Schema: -; Owner: -
--

CREATE EXTENSION IF NOT EXISTS pgcrypto WITH SCHEMA public;

COMMENT ON EXTENSION pgcrypto IS 'cryptographic functions';

--
-- Name: plan_kind; Type: TYPE; Schema: app; Owner: -
--

CREATE TYPE app.plan_kind AS ENUM (
    'free',
    'team',
    'enterprise'
);

--
-- Name: current_tenant(); Type: FUNCTION; Schema: app; Owner: -
--

CREATE FUNCTION app.current_tenant() RETURNS integer
    LANGUAGE sql STABLE
    AS $$ select nullif(current_setting('app.tenant', true), '')::integer $$;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: tenants; Type: TABLE; Schema: app; Owner: -
--

CREATE TABLE app.tenants (
    id integer NOT NULL,
    name character varying(255) NOT NULL,
    plan app.plan_kind DEFAULT 'free'::app.plan_kind NOT NULL,
    created_at timestamp without time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE app.tenants_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE app.tenants_id_seq OWNED BY app.tenants.id;

CREATE TABLE app.users (
    id integer NOT NULL,
    tenant_id integer NOT NULL,
    email character varying(255) NOT NULL,
    password_digest text,
    settings text
);

CREATE SEQUENCE app.users_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE app.users_id_seq OWNED BY app.users.id;

CREATE TABLE app.projects (
    id bigint NOT NULL,
    tenant_id integer NOT NULL,
    title character varying(100) NOT NULL,
    archived boolean DEFAULT false,
    due timestamp without time zone
);

ALTER TABLE app.projects ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.projects_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY app.tenants ALTER COLUMN id SET DEFAULT nextval('app.tenants_id_seq'::regclass);

ALTER TABLE ONLY app.users ALTER COLUMN id SET DEFAULT nextval('app.users_id_seq'::regclass);

ALTER TABLE ONLY app.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY app.projects
    ADD CONSTRAINT projects_pkey PRIMARY KEY (id);

CREATE UNIQUE INDEX index_users_on_tenant_and_email ON app.users USING btree (tenant_id, email);

CREATE INDEX index_projects_on_tenant_id ON app.projects USING btree (tenant_id);

ALTER TABLE ONLY app.users
    ADD CONSTRAINT fk_users_tenant FOREIGN KEY (tenant_id) REFERENCES app.tenants(id);

ALTER TABLE ONLY app.projects
    ADD CONSTRAINT fk_projects_tenant FOREIGN KEY (tenant_id) REFERENCES app.tenants(id) ON DELETE CASCADE;

--
-- PostgreSQL database dump complete
--
