alter type reaction add value 'heart' after 'like';
alter type reaction add value if not exists 'angry';
