-- two people registered twice last week; duplicates were merged by hand
create unique index customers_email_key on customers (lower(email));
