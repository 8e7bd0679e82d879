-- old cards, exported from the AS/400
CREATE TABLE legacy_card (card_no integer, member text, title text);

COPY legacy_card (card_no, member, title) FROM stdin;
1	Miller; A.	Solaris
2	Schulz	\N
3	O'Neil	It's "odd"
\.

CREATE INDEX legacy_card_no ON legacy_card (card_no);
