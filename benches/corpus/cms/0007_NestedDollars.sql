DO $outer$
BEGIN
  EXECUTE $inner$
    CREATE FUNCTION page_url(p "Page") RETURNS text LANGUAGE plpgsql STABLE AS $body$
    BEGIN
      RETURN 'https://' || (SELECT "HostName" FROM "Site" WHERE "Id" = p."SiteId") || p."Path"; -- ; $$
    END
    $body$
  $inner$;
END
$outer$;
SELECT count(page_url(p)) FROM "Page" p;
