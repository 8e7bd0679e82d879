drop function if exists fetch_job(text, text);
