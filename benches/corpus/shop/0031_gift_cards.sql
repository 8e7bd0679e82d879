create table gift_cards (
    code char(16) primary key,
    initial numeric(12,2) not null check (initial > 0),
    remaining numeric(12,2) not null check (remaining >= 0),
    expires date
);
create table gift_card_uses (code char(16) references gift_cards, order_id bigint references orders, amount numeric(12,2) not null);
